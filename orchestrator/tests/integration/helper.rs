//! Roles of this binary when a test starts it again: a tiny server, or an owner that is killed.
//!
//! Both are tests by name, so that the harness reaches them (`--exact helper::serve`), and return
//! at once otherwise.

use std::{
    env,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    time::{Duration, Instant},
};

use orchestrator::{Deployment, Orchestrator, Owner, Workload, docker::Attached};

use crate::{cases, docker, process};

/// Arguments that make this binary the server; `{addr}` comes last.
pub fn server_args() -> Vec<String> {
    ["--exact", "helper::serve", "--nocapture", "{addr}"].map(str::to_owned).to_vec()
}

/// Answers 200 to any GET, but 503 to `/never`; `/eat/N` first takes N MiB for good. `TEST_BURN`
/// spins on every processor from the start, `TEST_EAT` takes memory before it listens, `TEST_EXIT`
/// ends it with that code after it wrote a line.
#[test]
fn serve() {
    if env::var_os("TEST_SERVER").is_none() {
        return;
    }
    eprintln!("{} starts", env::var("REPLICA_NAME").unwrap());
    end_on_sigterm();
    if let Ok(code) = env::var("TEST_EXIT") {
        println!("no model here");
        std::process::exit(code.parse().unwrap());
    }
    if let Ok(mib) = env::var("TEST_EAT") {
        eat(mib.parse().unwrap());
    }
    if env::var_os("TEST_BURN").is_some() {
        std::thread::spawn(|| {
            loop {
                std::hint::spin_loop();
            }
        });
    }
    let listener = TcpListener::bind(env::args().next_back().unwrap()).unwrap();
    println!("listens on {}", listener.local_addr().unwrap());
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let mut request = [0; 1024];
        let length = stream.read(&mut request).unwrap_or(0);
        let request = String::from_utf8_lossy(&request[..length]).into_owned();
        let path = request.split(' ').nth(1).unwrap_or("/");
        if let Some(mib) = path.strip_prefix("/eat/") {
            eat(mib.parse().unwrap());
        }
        let status = if path == "/never" { "503 Never" } else { "200 OK" };
        let body = affinity();
        let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    }
}

/// Deploys two replicas, says so, and waits for its SIGKILL.
#[tokio::test]
async fn own() {
    let Ok(backend) = env::var("TEST_OWNER") else { return };
    let owner = Owner::current(&env::var("TEST_RUN").unwrap()).unwrap();
    let (orchestrator, workload): (Box<dyn Orchestrator>, Workload) = match backend.as_str() {
        "process" => {
            (Box::new(orchestrator::process::Processes::new(owner).unwrap()), process::workload())
        }
        "docker" => (
            Box::new(orchestrator::docker::Engine::connect(owner).await.unwrap()),
            docker::workload(),
        ),
        attachment => {
            let attached = Attached::connect(attachment.parse().unwrap(), owner).await.unwrap();
            (Box::new(attached), docker::workload())
        }
    };
    let mut deployment = cases::deployment(workload);
    deployment.replicas = 2;
    let service = orchestrator.deploy(&deployment).await.unwrap();
    for replica in &service.replicas {
        println!("deployed {} {}", replica.name, replica.id);
    }
    println!("done");
    tokio::time::sleep(Duration::from_secs(60)).await;
}

/// Starts a container whose files are to be out of the page cache, and says whether they are.
#[tokio::test]
async fn start_cold() {
    let Ok(run) = env::var("TEST_COLD") else { return };
    let engine =
        orchestrator::docker::Engine::connect(Owner::current(&run).unwrap()).await.unwrap();
    let deployment = Deployment { cold: true, ..cases::deployment(docker::workload()) };
    println!("{:?}", engine.deploy(&deployment).await.unwrap().page_cache);
    engine.close().await.unwrap();
}

/// Says which backend was chosen and what it cleaned, or why none can be had.
#[tokio::test]
async fn choose() {
    let Ok(choice) = env::var("TEST_CHOICE") else { return };
    let owner = Owner::current("unprivileged").unwrap();
    match orchestrator::select(choice.parse().unwrap(), false, owner).await {
        Ok(chosen) => {
            println!("chose {}", chosen.name());
            chosen.clean().await.unwrap().iter().for_each(|line| println!("removed {line}"));
            chosen.close().await.unwrap();
        }
        Err(error) => println!("{error}"),
    }
}

/// The body of a 2xx answer.
pub fn get(addr: std::net::SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&addr, Duration::from_secs(3))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    // In one write: the server reads once, and closing with bytes unread would reset the
    // connection.
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200") => Ok(body.to_owned()),
        _ => Err(std::io::Error::other(answer)),
    }
}

/// Of a `/proc/PID/limits`.
pub fn soft_file_limit(limits: &str) -> u64 {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Waits until `condition` holds, for at most `limit`.
pub async fn until(limit: Duration, mut condition: impl AsyncFnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        if condition().await {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    condition().await
}

fn affinity() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
        .unwrap()
        .trim()
        .to_owned()
}

fn eat(mib: usize) {
    let mut memory = vec![0_u8; mib << 20];
    for page in memory.chunks_mut(4096) {
        page[0] = 1;
    }
    std::mem::forget(memory);
}

/// PID 1 of a container ignores the signal unless it asks for it.
fn end_on_sigterm() {
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut signal =
                tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
            signal.recv().await;
        });
        println!("ends on SIGTERM");
        std::process::exit(0);
    });
}
