//! A server of the test's own, and a client that shows every byte.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, mpsc},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

pub const BINARY: &str = env!("CARGO_BIN_EXE_inference-api");

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running server; killed when it is dropped.
pub struct Server {
    child: Child,
    pub addr: SocketAddr,
    /// The log line that says where it listens.
    pub started: String,
    log: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Serves `models/NAME.onnx`, else `tests/fixtures/NAME.onnx`.
    pub fn of(name: &str) -> Self {
        Self::with(name, &[])
    }

    pub fn with(name: &str, flags: &[&str]) -> Self {
        Self::at(&model(name), flags)
    }

    pub fn at(model: &Path, flags: &[&str]) -> Self {
        let mut command = Command::new(BINARY);
        command.args(serve_args(model)).args(flags);
        Self::run(command)
    }

    /// Runs a command that ends up as a server.
    pub fn run(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (lines, read) = mpsc::channel();
        // Reads to the end, or the server would block on a full pipe.
        let all = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&all);
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                kept.lock().unwrap().push(line.clone());
                let _ = lines.send(line);
            }
        });
        let mut said = Vec::new();
        while let Ok(line) = read.recv_timeout(PATIENCE) {
            if let Some(addr) =
                line.split(" addr=").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok())
            {
                return Self { child, addr, started: line, log: all };
            }
            said.push(line);
        }
        let _ = child.kill();
        let _ = child.wait();
        panic!("the server did not start:\n{}", said.join("\n"));
    }

    /// Runs a command that ends up as a server, and reads its log until it says where it listens,
    /// and no further.
    pub fn with_unread_log(mut command: Command) -> (Self, impl Sized) {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut log = BufReader::with_capacity(1, child.stderr.take().unwrap());
        let mut started = String::new();
        let addr = loop {
            started.clear();
            if log.read_line(&mut started).unwrap_or(0) == 0 {
                break None;
            }
            if let Some((_, rest)) = started.split_once(" addr=") {
                break rest.split(' ').next().and_then(|addr| addr.parse().ok());
            }
        };
        let Some(addr) = addr else {
            let _ = child.kill();
            let _ = child.wait();
            panic!("the server did not start");
        };
        (Self { child, addr, started, log: Arc::default() }, log)
    }

    pub fn client(&self) -> Client {
        Client::connect(self.addr)
    }

    /// One request on a connection of its own.
    pub fn post(&self, body: &str) -> Answer {
        self.client().post(body)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.client().get(path)
    }

    /// One POST on a connection of its own.
    pub fn post_to(&self, path: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Answer {
        self.client().post_to(path, headers, body)
    }

    /// One POST of JSON on a connection of its own.
    pub fn ask(&self, path: &str, body: &Value) -> Answer {
        self.post_to(path, &[("content-type", "application/json")], body.to_string())
    }

    /// A counter's value in `/metrics`; 0 if it is not there.
    pub fn metric(&self, name: &str) -> f64 {
        let metrics = String::from_utf8(self.get("/metrics").body).unwrap();
        let line = metrics
            .lines()
            .find_map(|l| l.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
        line.map_or(0.0, |value| value.parse().unwrap())
    }

    /// The lines logged so far that have all of these.
    pub fn logged(&self, parts: &[&str]) -> Vec<String> {
        let log = self.log.lock().unwrap();
        log.iter().filter(|line| parts.iter().all(|part| line.contains(part))).cloned().collect()
    }

    /// Resident memory in kB.
    pub fn resident(&self) -> usize {
        self.status_kb("VmRSS:")
    }

    /// The most memory that was resident since [`Server::forget_peak`], in kB.
    pub fn peak(&self) -> usize {
        self.status_kb("VmHWM:")
    }

    pub fn forget_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").unwrap();
    }

    fn status_kb(&self, name: &str) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|l| l.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// How it exits, within `limit`.
    pub fn exit(mut self, limit: Duration) -> ExitStatus {
        until("the server's exit", limit, || self.child.try_wait().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn serve_args(model: &Path) -> Vec<String> {
    ["serve", "--bind", "127.0.0.1:0", "--workers", "1", "--model", model.to_str().unwrap()]
        .map(str::to_owned)
        .into()
}

/// What a server says that does not start with this model.
pub fn refusal(model: &Path) -> String {
    let output =
        Command::new(BINARY).args(serve_args(model)).stdin(Stdio::null()).output().unwrap();
    assert!(!output.status.success(), "{} is served", model.display());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn model(name: &str) -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ours = package.join(format!("../models/{name}.onnx"));
    if ours.exists() { ours } else { package.join(format!("tests/fixtures/{name}.onnx")) }
}

/// Asks until there is an answer.
pub fn until<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < limit, "waited {limit:?} for {what}");
        pause(5);
    }
}

#[expect(clippy::disallowed_methods, reason = "a test's own thread may sleep")]
pub fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

/// One connection.
pub struct Client(BufReader<TcpStream>);

/// One answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e} in {}", String::from_utf8_lossy(&self.body)))
    }

    #[track_caller]
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }
}

impl Client {
    pub fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    pub fn stream(&self) -> &TcpStream {
        self.0.get_ref()
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    pub fn post(&mut self, body: &str) -> Answer {
        self.send(predict(body));
        self.read()
    }

    pub fn get(&mut self, path: &str) -> Answer {
        self.get_with(path, &[])
    }

    pub fn get_with(&mut self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: test\r\n{}\r\n", lines(headers)));
        self.read()
    }

    pub fn post_to(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Answer {
        let (headers, length) = (lines(headers), body.as_ref().len());
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nhost: test\r\n{headers}content-length: {length}\r\n\r\n"
        )
        .into_bytes();
        request.extend_from_slice(body.as_ref());
        self.send(request);
        self.read()
    }

    pub fn read(&mut self) -> Answer {
        let mut answer = self.read_head();
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        answer.body = vec![0; length];
        self.0.read_exact(&mut answer.body).unwrap();
        answer
    }

    /// An answer that has no body whatever its head says: to HEAD, or of status 100.
    pub fn read_head(&mut self) -> Answer {
        let mut line = || {
            let mut line = String::new();
            assert_ne!(self.0.read_line(&mut line).unwrap(), 0, "the server closed the connection");
            line.trim_end().to_owned()
        };
        let status = line().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = std::iter::from_fn(|| Some(line()).filter(|l| !l.is_empty()))
            .map(|l| {
                l.split_once(": ").map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned())).unwrap()
            })
            .collect();
        Answer { status, headers, body: Vec::new() }
    }

    /// Asserts that the server closes the connection, with nothing more said.
    #[track_caller]
    pub fn closed(&mut self) {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).unwrap();
        assert_eq!(String::from_utf8_lossy(&rest), "");
    }
}

fn lines(headers: &[(&str, &str)]) -> String {
    headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect()
}

/// The bytes of `POST /predict`.
pub fn predict(body: &str) -> String {
    format!("POST /predict HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

pub const IRIS: &str = r#"{"features": [5.1, 3.5, 1.4, 0.2]}"#;

/// Asserts that an answer is iris' for [`IRIS`].
#[track_caller]
pub fn is_setosa(answer: &Answer) {
    assert_eq!(answer.ok()["predictions"][0]["label"], "setosa");
}
