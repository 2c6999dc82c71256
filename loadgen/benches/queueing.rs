//! Does the generator, with a server of known service times, measure what queueing theory says?
//!
//!     cargo build --release -p inference-api && cargo bench -p loadgen --bench queueing
//!
//! `inference-api` with synthetic service times (exponential, 500 a second for each worker) under
//! Poisson arrivals is an M/M/1 with one worker and an M/M/2 with two; two replicas of one worker
//! under random split are two M/M/1. Theory is evaluated at the arrival rate that was measured and
//! the mean of the service times that were drawn, which is for how long a request occupies its
//! worker: the next one begins when the drawn time is over, whenever the clock rings. What the
//! clock rings too late (the true mean less the drawn one) comes on top of the response time, and
//! so does what an exchange takes when its service takes nothing, which is measured first. The sum
//! has to be inside the 99% interval of the measured mean response time (batch means, Student's t).
//! The three systems run at the same time, each of them twice, with arrivals and services of their
//! own: servers on one processor, which have nothing to compute, generators on the other. Ten
//! minutes at most.

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use load_engine::LoadEvent;
use load_engine::{Control, raise_file_limit};
use loadtest::workload::{Balance, Gaps, Plan, Request, Segment, Step, Targets, Traffic};

const MU: f64 = 500.0;
/// Utilization, how long it takes until the interval is narrow enough (Whitt, 1989: the run length
/// grows with 1 / (1 - rho)^2), and the widest half width that is allowed.
const LOADS: [(f64, u64, f64); 4] =
    [(0.4, 30, 0.10), (0.6, 60, 0.10), (0.8, 150, 0.10), (0.9, 300, 0.15)];
const WARM_UP: Duration = Duration::from_secs(5);
/// Independent copies of each system, and batches of each copy.
const COPIES: usize = 2;
const BATCHES: usize = 20;
/// Student's t, 39 degrees of freedom, 99% two-sided.
const T: f64 = 2.708;
/// What an exchange takes by itself is measured at this rate, for so long.
const IDLE: (f64, u64) = (200.0, 10);

#[derive(Clone, Copy)]
struct System {
    name: &'static str,
    replicas: usize,
    workers: usize,
}

const SYSTEMS: [System; 3] = [
    System { name: "M/M/1", replicas: 1, workers: 1 },
    System { name: "M/M/2", replicas: 1, workers: 2 },
    System { name: "2 x M/M/1, random split", replicas: 2, workers: 1 },
];

struct Row {
    system: System,
    utilization: f64,
    rate: f64,
    theory_ms: f64,
    mean_ms: f64,
    half_width_ms: f64,
    allowed: f64,
}

fn main() {
    raise_file_limit();
    let begun = std::time::Instant::now();
    let overhead_ms = overhead_ms();
    println!("an exchange without service takes {overhead_ms:.3} ms\n");
    let measured = |system| move || LOADS.map(|load| measure(system, load, overhead_ms));
    let threads = SYSTEMS.map(|system| std::thread::spawn(measured(system)));
    let rows: Vec<Row> =
        threads.into_iter().flat_map(|thread| thread.join().expect("a system that ran")).collect();
    println!(
        "| system | utilization | requests/s | theory ms | measured ms | 99% interval | half width \
            |\n|---|---|---|---|---|---|---|"
    );
    let mut holds = true;
    for row in &rows {
        let inside = (row.mean_ms - row.theory_ms).abs() <= row.half_width_ms;
        let width = row.half_width_ms / row.mean_ms;
        holds &= inside && width <= row.allowed;
        println!(
            "| {} | {:.2} | {:.1} | {:.2} | {:.2} | {:.2} to {:.2}{} | {:.1}%{} |",
            row.system.name,
            row.utilization,
            row.rate,
            row.theory_ms,
            row.mean_ms,
            row.mean_ms - row.half_width_ms,
            row.mean_ms + row.half_width_ms,
            if inside { "" } else { " THEORY IS OUTSIDE" },
            width * 100.0,
            if width <= row.allowed { "" } else { " TOO WIDE" }
        );
    }
    println!(
        "\nopen model, Poisson, intended times, mu = {MU}/s a worker, {:.1} min",
        begun.elapsed().as_secs_f64() / 60.0
    );
    if !holds {
        std::process::exit(1);
    }
}

/// One copy of a system at one load.
struct Copy {
    /// Mean response time of each batch.
    means: Vec<f64>,
    rate: f64,
    drawn_ms: f64,
    true_ms: f64,
}

fn measure(system: System, (rho, seconds, allowed): (f64, u64, f64), overhead_ms: f64) -> Row {
    let service = format!("expovariate({MU})");
    let rate = rho * MU * (system.replicas * system.workers) as f64;
    let copies: Vec<Copy> = std::thread::scope(|scope| {
        let of = |copy: usize| {
            let seed = (rho * 100.0) as u64 + system.workers as u64 + 1000 * copy as u64;
            let service = &service;
            scope.spawn(move || run(system, service, rate, seconds, seed))
        };
        let threads: Vec<_> = (0..COPIES).map(of).collect();
        threads.into_iter().map(|thread| thread.join().expect("a copy that ran")).collect()
    });
    let mean = |f: &dyn Fn(&Copy) -> f64| copies.iter().map(f).sum::<f64>() / copies.len() as f64;
    let means: Vec<f64> = copies.iter().flat_map(|copy| &copy.means).copied().collect();
    let mean_ms = means.iter().sum::<f64>() / means.len() as f64;
    let variance =
        means.iter().map(|m| (m - mean_ms).powi(2)).sum::<f64>() / (means.len() - 1) as f64;
    let servers = (system.replicas * system.workers) as f64;
    let late_ms = |copy: &Copy| copy.true_ms - copy.drawn_ms;
    Row {
        system,
        utilization: mean(&|copy| copy.rate * copy.drawn_ms / 1000.0 / servers),
        rate: mean(&|copy| copy.rate),
        theory_ms: mean(&|copy| {
            theory_ms(system, copy.rate, copy.drawn_ms) + late_ms(copy) + overhead_ms
        }),
        mean_ms,
        half_width_ms: T * (variance / means.len() as f64).sqrt(),
        allowed,
    }
}

/// What is left of a response time when nothing is drawn and nobody waits.
fn overhead_ms() -> f64 {
    let system = System { name: "idle", replicas: 1, workers: 1 };
    let idle = run(system, "constant(0.000001)", IDLE.0, IDLE.1, 1);
    idle.means.iter().sum::<f64>() / idle.means.len() as f64 - idle.true_ms
}

fn run(system: System, service: &str, rate: f64, seconds: u64, seed: u64) -> Copy {
    let servers: Vec<Server> =
        (0..system.replicas).map(|_| Server::start(system.workers, service)).collect();
    let addrs: Vec<SocketAddr> = servers.iter().map(|server| server.addr).collect();
    let step = Step {
        target: rate,
        ramp: Duration::ZERO,
        hold: WARM_UP + Duration::from_secs(seconds),
        warm_up: WARM_UP,
    };
    let traffic = Traffic::Open { gaps: Gaps::Exponential, connections: 2000 };
    let plan = Plan { start: 0.0, steps: vec![step], traffic, seed };
    let example = br#"{"features":[5.1,3.5,1.4,0.2]}"#.to_vec();
    let mut targets = Targets::replicas(&addrs, &Request::post_json("/predict", example));
    targets.balance = Balance::Random;
    let (sender, inbox) = mpsc::channel();
    let outcome = load_engine::run(
        &Segment::whole(plan, vec![1]),
        &targets,
        &[],
        &|event| drop(sender.send(event)),
        &Control::default(),
    )
    .expect("a run");
    drop(sender);
    let window = &outcome.steps[0].all;
    assert_eq!(window.failed(), 0, "{:?}", window.failures);
    let warm_up = WARM_UP.as_secs();
    let held: Vec<(f64, f64)> = inbox
        .iter()
        .filter_map(|event| match event {
            LoadEvent::Second(second)
                if second.index > warm_up && second.index <= warm_up + seconds =>
            {
                let count = second.intended.count() as f64;
                Some((second.intended.percentiles().mean * count, count))
            }
            _ => None,
        })
        .collect();
    let batch = |batch: &[(f64, f64)]| {
        batch.iter().map(|s| s.0).sum::<f64>() / batch.iter().map(|s| s.1).sum::<f64>()
    };
    let mean = |time: &str| {
        servers.iter().map(|server| server.mean_service_ms(time)).sum::<f64>()
            / servers.len() as f64
    };
    Copy {
        means: held.chunks((held.len() / BATCHES).max(1)).take(BATCHES).map(batch).collect(),
        rate: window.requests as f64 / window.length.as_secs_f64(),
        drawn_ms: mean("drawn"),
        true_ms: mean("true"),
    }
}

/// Mean response time of an M/M/c, by Erlang's C formula (Kleinrock, Queueing Systems I, 1975,
/// section 3.5).
fn theory_ms(system: System, rate: f64, service_ms: f64) -> f64 {
    let rate = rate / system.replicas as f64;
    let c = system.workers as f64;
    let offered = rate * service_ms / 1000.0;
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..system.workers {
        term *= offered / k as f64;
        sum += term;
    }
    let last = term * offered / c / (1.0 - offered / c);
    let waits = last / (sum + last);
    service_ms + waits * service_ms / (c - offered)
}

struct Server {
    child: Child,
    addr: SocketAddr,
}

impl Server {
    fn start(workers: usize, service: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
        let binary: PathBuf = root.join("target/release/inference-api");
        assert!(
            binary.is_file(),
            "{} is missing: cargo build --release -p inference-api",
            binary.display()
        );
        let addr =
            TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port");
        let child = Command::new("taskset")
            .args(["-c", "0"])
            .arg(binary)
            .args(["serve", "--log", "error", "--service-time", service])
            .args([
                "--service-mode",
                "sync",
                "--workers",
                &workers.to_string(),
                "--bind",
                &addr.to_string(),
                "--model",
            ])
            .arg(root.join("models/iris.onnx"))
            .stdin(Stdio::null())
            .spawn()
            .expect("inference-api");
        let server = Self { child, addr };
        for _ in 0..500 {
            if server.get("/v2/health/ready").is_ok() {
                return server;
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        panic!("inference-api is not ready on {addr}");
    }

    fn get(&self, path: &str) -> Result<String, reqwest::Error> {
        let answer =
            reqwest::blocking::get(format!("http://{}{path}", self.addr))?.error_for_status()?;
        answer.text()
    }

    /// From the server's own metrics: what service was drawn to take, or what it truly took.
    fn mean_service_ms(&self, time: &str) -> f64 {
        let text = self.get("/metrics").expect("metrics");
        let value = |part: &str| -> f64 {
            let name = format!("inference_service_time_seconds_{part}{{time=\"{time}\"}}");
            let line = text.lines().find(|line| line.starts_with(&name));
            line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
                .unwrap_or_else(|| panic!("{name} is not in\n{text}"))
        };
        value("sum") / value("count") * 1e3
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is ours, by its id.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
