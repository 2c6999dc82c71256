//! Servers to load: the real one, and small ones that misbehave in one way each.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// A small server: a thread a connection, the same answer to everything.
pub struct Misbehaving {
    pub addr: SocketAddr,
    pub connections: Arc<AtomicUsize>,
    /// The heads of all requests.
    pub heads: Heads,
    /// Their bodies.
    pub bodies: Bodies,
}

type Heads = Arc<Mutex<Vec<String>>>;
type Bodies = Arc<Mutex<Vec<Vec<u8>>>>;

/// How a connection is served.
#[derive(Clone)]
pub struct Manners {
    /// Sent for every request.
    pub answer: &'static str,
    /// Waited before it.
    pub delay: Duration,
    /// The connection is closed, without a word, so long after an answer.
    pub idle_close: Option<Duration>,
    /// The answer is followed by zeros without end.
    pub endless: bool,
}

impl Default for Manners {
    fn default() -> Self {
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        Self { answer, delay: Duration::ZERO, idle_close: None, endless: false }
    }
}

impl Misbehaving {
    pub fn start(manners: Manners) -> Self {
        Self::listen(manners, |socket| socket)
    }

    /// One that speaks TLS, and the certificate (PEM) that it has for `localhost`: its own
    /// authority, as `openssl req -x509` makes them.
    pub fn start_tls(
        manners: Manners,
        version: &'static rustls::SupportedProtocolVersion,
    ) -> (Self, String) {
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let signing_key = rcgen::KeyPair::generate().unwrap();
        let cert = params.self_signed(&signing_key).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        (Self::start_with(manners, version, cert.der().clone(), key), cert.pem())
    }

    /// One that speaks TLS with this certificate, whatever it is.
    pub fn start_with(
        manners: Manners,
        version: &'static rustls::SupportedProtocolVersion,
        certificate: rustls::pki_types::CertificateDer<'static>,
        key: rustls::pki_types::PrivateKeyDer<'static>,
    ) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = provider.key_provider.load_private_key(key).unwrap();
        let certified = rustls::sign::CertifiedKey::new(vec![certificate], key);
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified)));
        let config = Arc::new(config);
        Self::listen(manners, move |socket| {
            rustls::StreamOwned::new(
                rustls::ServerConnection::new(Arc::clone(&config)).unwrap(),
                socket,
            )
        })
    }

    /// One at an address that was somebody else's a moment ago.
    pub fn start_at(manners: Manners, addr: SocketAddr) -> Self {
        Self::serve_on(TcpListener::bind(addr).unwrap(), manners, |socket| socket)
    }

    fn listen<S: Read + Write + Send + 'static>(
        manners: Manners,
        secured: impl Fn(TcpStream) -> S + Send + 'static,
    ) -> Self {
        Self::serve_on(TcpListener::bind("127.0.0.1:0").unwrap(), manners, secured)
    }

    fn serve_on<S: Read + Write + Send + 'static>(
        listener: TcpListener,
        manners: Manners,
        secured: impl Fn(TcpStream) -> S + Send + 'static,
    ) -> Self {
        let addr = listener.local_addr().unwrap();
        let server = Self {
            addr,
            connections: Arc::default(),
            heads: Heads::default(),
            bodies: Bodies::default(),
        };
        let (counted, heads, bodies) =
            (server.connections.clone(), server.heads.clone(), server.bodies.clone());
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                counted.fetch_add(1, Ordering::Relaxed);
                socket.set_read_timeout(manners.idle_close).unwrap();
                let (stream, manners) = (secured(socket), manners.clone());
                let (heads, bodies) = (Arc::clone(&heads), Arc::clone(&bodies));
                std::thread::spawn(move || serve(stream, &manners, &heads, &bodies));
            }
        });
        server
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

fn serve(
    stream: impl Read + Write,
    manners: &Manners,
    heads: &Heads,
    bodies: &Bodies,
) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        let mut head = String::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if line == "\r\n" {
                break;
            }
            head.push_str(&line);
        }
        heads.lock().unwrap().push(head);
        let mut body = Vec::new();
        reader.by_ref().take(length).read_to_end(&mut body).ok()?;
        bodies.lock().unwrap().push(body);
        std::thread::park_timeout(manners.delay);
        reader.get_mut().write_all(manners.answer.as_bytes()).ok()?;
        if manners.endless {
            loop {
                reader.get_mut().write_all(&[b'0'; 64 * 1024]).ok()?;
            }
        }
        reader.get_mut().flush().ok()?;
    }
}

/// Checks a `sweep.json` against the schema that is published for it.
pub fn check_schema(result: &serde_json::Value) {
    let schema = std::fs::read(root().join("loadgen/schemas/sweep.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&serde_json::from_slice(&schema).unwrap()).unwrap();
    let errors: Vec<String> =
        schema.iter_errors(result).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

/// The real server, ended with the test.
pub struct Api {
    child: Child,
    pub addr: SocketAddr,
}

impl Api {
    pub fn start(model: &str) -> Self {
        let binary = beside("inference-api");
        assert!(
            binary.is_file(),
            "{} is missing: run cargo build -p inference-api first",
            binary.display()
        );
        let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new(binary)
            .args(["serve", "--model"])
            .arg(root().join("models").join(model))
            .args(["--bind", &addr.to_string(), "--log", "warn"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut api = Self { child, addr };
        api.wait();
        api
    }

    fn wait(&mut self) {
        for _ in 0..500 {
            // It listens while it loads.
            let check = Command::new(beside("inference-api"))
                .args(["healthcheck", &self.addr.to_string()])
                .output();
            if check.is_ok_and(|check| check.status.success()) {
                return;
            }
            assert!(
                self.child.try_wait().unwrap().is_none(),
                "inference-api ended; is ONNX Runtime there? (inference-api runtime install)"
            );
            std::thread::park_timeout(Duration::from_millis(20));
        }
        panic!("inference-api is not ready on {}", self.addr);
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client for pages and figures. The workspace builds reqwest without a provider of cryptography
/// of its own.
pub fn http_client() -> reqwest::blocking::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::blocking::Client::builder().no_proxy().build().unwrap()
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A binary of another package, in the folder where cargo put ours.
pub fn beside(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_loadgen")).with_file_name(name)
}

/// `loadgen` with these words, from the workspace's root.
pub fn loadgen(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    command.args(args).current_dir(root()).stdin(Stdio::null());
    command
}
