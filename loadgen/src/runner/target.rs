//! Checks of a target before users come: that it answers, an example of its input, and that it
//! accepts the request.

use std::{fmt, io, net::SocketAddr, time::Duration};

use load_engine::Answer;
use loadtest::workload::{Host, ModelMetadata, Payload, Request, Scenario, Secure, Targets, Trust};
use orchestrator::docker::{Selector, find};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::Error;

pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// Timeout for connecting to an address that appears during a run.
const GREETING: Duration = Duration::from_secs(1);

/// Source of addresses, which may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// All addresses of a host name.
    Host(Host),
    /// Running containers with some labels, each at its own address; the port is given if they
    /// expose none or several.
    Containers(Selector, Option<u16>),
}

/// A source with reachable addresses.
#[derive(Debug, Clone)]
pub struct Reached {
    source: Source,
    /// Address for requests before users come.
    first: SocketAddr,
    addrs: Vec<SocketAddr>,
    /// Addresses that refuse connections, with the reasons.
    refused: Vec<(SocketAddr, String)>,
    secure: Option<Secure>,
}

#[derive(Deserialize)]
struct ModelInfo {
    example: Option<Box<RawValue>>,
}

impl Source {
    /// Returns the current addresses of the source.
    ///
    /// # Errors
    /// Returns an error if a name does not resolve, or if no container has the labels.
    pub async fn addresses(&self) -> Result<Vec<SocketAddr>, Error> {
        match self {
            Self::Host(host) => {
                let host = host.clone();
                // Resolving a name blocks.
                let resolved = tokio::task::spawn_blocking(move || host.resolve());
                Ok(resolved.await.map_err(|e| Error::Machine(e.to_string()))??)
            }
            Self::Containers(selector, port) => Ok(find(selector, *port).await?),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => host.fmt(f),
            Self::Containers(selector, _) => write!(f, "containers with {selector}"),
        }
    }
}

impl Reached {
    /// Returns a replica at its own address.
    pub fn replica(addr: SocketAddr) -> Self {
        Self {
            source: Source::Host(Host::at(addr)),
            first: addr,
            addrs: vec![addr],
            refused: Vec::new(),
            secure: None,
        }
    }

    /// Connects to the addresses of a source, and keeps those that accept connections and, with
    /// TLS, have a trusted certificate. If a name has addresses of both families, the first that
    /// works selects the family: they lead to the same servers.
    ///
    /// # Errors
    /// Returns an error if no address works.
    pub async fn source(source: Source, trust: &Trust) -> Result<Self, Error> {
        let secure = match &source {
            Source::Host(host) => host.secure(trust)?,
            Source::Containers(..) => None,
        };
        let found = source.addresses().await?;
        let greetings = found.iter().map(|&addr| greeted(addr, secure.clone(), PATIENCE));
        let greetings: Vec<io::Result<()>> = futures_util::future::join_all(greetings).await;
        let first = found
            .iter()
            .zip(&greetings)
            .find(|(_, greeting)| greeting.is_ok())
            .map(|(addr, _)| *addr);
        let Some(first) = first else { return Err(unreachable(&source, &found, &greetings)) };
        let mut reached = Self { source, first, addrs: Vec::new(), refused: Vec::new(), secure };
        for (addr, greeting) in
            found.into_iter().zip(greetings).filter(|(addr, _)| is_alike(*addr, first))
        {
            match greeting {
                Ok(()) => reached.addrs.push(addr),
                Err(error) => reached.refused.push((addr, error.to_string())),
            }
        }
        Ok(reached)
    }

    /// Returns the source.
    pub fn name(&self) -> &Source {
        &self.source
    }

    /// Returns the addresses that accept connections.
    pub fn addrs(&self) -> &[SocketAddr] {
        &self.addrs
    }

    /// Returns a line on the number of addresses that take load, unless there is a single one
    /// without failures.
    pub fn remark(&self) -> Option<String> {
        let refused: Vec<String> =
            self.refused.iter().map(|(addr, why)| format!("{addr}: {why}")).collect();
        match (self.addrs.len(), refused.is_empty()) {
            (1, true) => None,
            (count, true) => Some(format!(
                "{}: {count} addresses take load ({})",
                self.source,
                listed(&self.addrs)
            )),
            (count, false) => Some(format!(
                "{}: {count} of {} addresses take load ({})",
                self.source,
                count + refused.len(),
                refused.join("; ")
            )),
        }
    }

    /// Adds the addresses to the targets of a run.
    pub fn add_to(&self, targets: &mut Targets) {
        targets.add(self.host(), &self.addrs, self.secure.clone());
    }

    /// Returns a run's targets with only these addresses.
    pub fn targets(&self, request: &Request) -> Targets {
        let mut targets = Targets::new(Scenario::single(request));
        self.add_to(&mut targets);
        targets
    }

    /// Updates the addresses of the source. Known ones stay without a check unless they are in
    /// `refused`; others must accept a connection first, and be of the same family. If the lookup
    /// fails, the addresses stay.
    pub(super) async fn look_again(&mut self, refused: &[SocketAddr]) {
        let Ok(found) = self.source.addresses().await else { return };
        let mut addrs = Vec::new();
        for addr in found.into_iter().filter(|addr| is_alike(*addr, self.first)) {
            let is_known = self.addrs.contains(&addr) && !refused.contains(&addr);
            if is_known || greeted(addr, self.secure.clone(), GREETING).await.is_ok() {
                addrs.push(addr);
            }
        }
        self.addrs = addrs;
    }

    /// Returns the host named in requests; `None` if each address names itself.
    fn host(&self) -> Option<&Host> {
        match &self.source {
            Source::Host(host) => Some(host),
            Source::Containers(..) => None,
        }
    }

    /// Completes a request without a payload with the example of the service (`GET /model`, as in
    /// `inference-api`).
    ///
    /// # Errors
    /// Returns an error with instructions if the service gives no example.
    pub async fn complete(&self, request: Request) -> Result<Request, Error> {
        if !request.wants_payload() {
            return Ok(request);
        }
        let info: Result<ModelInfo, String> = self.get(&request.get_as("/model")).await;
        let example =
            info.and_then(|info| info.example.ok_or_else(|| "its rows are too large".to_owned()));
        let example = example.map_err(|why| {
            Error::Usage(format!(
                "there is nothing to send: {}/model gives no example ({why})\n  help: say --body \
                    '{{\"features\":[…]}}', or --body @file",
                self.source
            ))
        })?;
        Ok(Request { payloads: vec![Payload::json(example.get())], ..request })
    }

    /// Requests a model's inputs from an Open Inference Protocol server.
    ///
    /// # Errors
    /// Returns an error if the server does not report them.
    pub async fn metadata(&self, request: &Request) -> Result<ModelMetadata, Error> {
        self.get(request).await.map_err(|why| {
            Error::Usage(format!(
                "{}{} does not tell the model's inputs: {why}\n  help: is this the model's name \
                    there?",
                self.source, request.path
            ))
        })
    }

    /// Sends the request once and requires a 2xx within `patience`: a sweep over a target that
    /// refuses its requests would only measure refusals.
    ///
    /// # Errors
    /// Returns an error with the server's message if it refuses.
    pub async fn check(&self, request: &Request, patience: Duration) -> Result<(), Error> {
        let url = format!("{}{}", self.source, request.path);
        let answer = self
            .ask(request, patience)
            .await
            .map_err(|why| Error::Unreachable(format!("{url} does not answer: {why}")))?;
        if (200..300).contains(&answer.status) {
            return Ok(());
        }
        Err(Error::Usage(format!(
            "{url} answers {} to the request that users would send: {}\n  help: check --path, \
                --body and --api-key",
            answer.status, answer.words
        )))
    }

    /// Sends a request and parses its JSON answer.
    ///
    /// # Errors
    /// Returns the status or the parse error.
    async fn get<T: DeserializeOwned>(&self, request: &Request) -> Result<T, String> {
        let answer = self.ask(request, PATIENCE).await.map_err(|error| error.to_string())?;
        match answer.status {
            200..300 => serde_json::from_slice(&answer.body).map_err(|e| e.to_string()),
            status => Err(format!("status {status} {}", answer.words).trim_end().to_owned()),
        }
    }

    /// Sends the same bytes as users would, and returns the answer.
    pub(super) async fn ask(&self, request: &Request, patience: Duration) -> io::Result<Answer> {
        let bytes = self.targets(request).fixed(0, 0).cloned().unwrap_or_default();
        let (addr, secure) = (self.first, self.secure.clone());
        let answer = tokio::task::spawn_blocking(move || {
            load_engine::request(addr, secure.as_ref(), &bytes, patience)
        });
        answer.await.map_err(io::Error::other)?
    }
}

/// Checks that an address accepts a connection.
async fn greeted(addr: SocketAddr, secure: Option<Secure>, patience: Duration) -> io::Result<()> {
    let greeting =
        tokio::task::spawn_blocking(move || load_engine::connect(addr, secure.as_ref(), patience));
    greeting.await.map_err(io::Error::other)?
}

/// Returns true if two addresses are of the same family.
fn is_alike(a: SocketAddr, b: SocketAddr) -> bool {
    a.is_ipv4() == b.is_ipv4()
}

fn unreachable(source: &Source, found: &[SocketAddr], greetings: &[io::Result<()>]) -> Error {
    let failures = || {
        found
            .iter()
            .zip(greetings)
            .filter_map(|(addr, greeting)| Some((addr, greeting.as_ref().err()?)))
    };
    let tls = failures().find(|(_, error)| error.kind() == io::ErrorKind::InvalidData);
    if let Some((_, error)) = tls {
        return Error::Unreachable(format!(
            "{source} does not speak TLS as it should: {error}\n  help: --cacert FILE names whom \
                to trust, --insecure trusts anybody"
        ));
    }
    let reasons: Vec<String> = failures().map(|(addr, error)| format!("{addr}: {error}")).collect();
    Error::Unreachable(format!(
        "{source} does not take connections ({})\n  help: is the server started, and is this its \
            address?",
        reasons.join("; ")
    ))
}

/// Formats a list of addresses, shortened after the first few.
pub(super) fn listed(addrs: &[SocketAddr]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<String> = addrs.iter().take(SHOWN).map(ToString::to_string).collect();
    let more = addrs.len().saturating_sub(SHOWN);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}
