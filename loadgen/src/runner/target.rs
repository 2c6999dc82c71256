//! What a target is asked before users come: is it there, what does it want to be asked, does it like what we send.

use std::{io, net::SocketAddr, time::Duration};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::{
    Error,
    engine::{Asked, ask, greet},
    workload::{Host, ModelMetadata, Request, Scenario, Secure, Targets, Trust},
};

const PATIENCE: Duration = Duration::from_secs(5);

/// A host that can be spoken to.
#[derive(Debug, Clone)]
pub struct Reached {
    host: Host,
    addr: SocketAddr,
    secure: Option<Secure>,
}

#[derive(Deserialize)]
struct ModelInfo {
    example: Box<RawValue>,
}

impl Reached {
    /// A replica, at its own address.
    pub fn replica(addr: SocketAddr) -> Self {
        Self { host: Host::at(addr), addr, secure: None }
    }

    /// A host, at the first of its addresses that takes connections and, where TLS is spoken, has a certificate that is trusted.
    ///
    /// # Errors
    /// When none does.
    pub async fn host(host: Host, trust: Trust) -> Result<Self, Error> {
        // Looking up a name blocks, too.
        let reached = tokio::task::spawn_blocking(move || {
            let secure = host.secure(&trust)?;
            let addr = first_reachable(&host, secure.as_ref())?;
            Ok(Self { host, addr, secure })
        });
        reached.await.map_err(|e| Error::Machine(e.to_string()))?
    }

    /// What was reached.
    pub fn name(&self) -> &Host {
        &self.host
    }

    /// Adds it to those that a run loads.
    pub fn add_to(&self, targets: &mut Targets) {
        targets.add(&self.host, self.addr, self.secure.clone());
    }

    /// A run's targets, if it is the only one.
    pub fn targets(&self, request: &Request) -> Targets {
        let mut targets = Targets::new(Scenario::single(request));
        self.add_to(&mut targets);
        targets
    }

    /// Asks for an example request (`GET /model`, which `inference-api` answers).
    ///
    /// # Errors
    /// When it has none; the error says how to give a body.
    pub async fn example(&self) -> Result<Vec<u8>, Error> {
        let info: ModelInfo = self.get("/model").await.map_err(|why| {
            Error::Usage(format!(
                "there is nothing to send: {}/model gives no example ({why})\n  help: say --body '{{\"features\":[…]}}', --body @file or --model model.onnx",
                self.host
            ))
        })?;
        Ok(info.example.get().as_bytes().to_vec())
    }

    /// Asks an Open Inference Protocol server for a model's inputs, at this path.
    ///
    /// # Errors
    /// When it does not tell them.
    pub async fn metadata(&self, path: &str) -> Result<ModelMetadata, Error> {
        self.get(path).await.map_err(|why| {
            Error::Usage(format!(
                "{}{path} does not tell the model's inputs: {why}\n  help: is this the model's name there?",
                self.host
            ))
        })
    }

    /// Sends the request once and wants a 2xx: a sweep over a target that refuses its requests would only measure refusals.
    ///
    /// # Errors
    /// With the server's own words when it refuses.
    pub async fn check(&self, request: &Request) -> Result<(), Error> {
        let url = format!("{}{}", self.host, request.path);
        let asked =
            self.ask(request).await.map_err(|why| Error::Unreachable(format!("{url} does not answer: {why}")))?;
        if (200..300).contains(&asked.status) {
            return Ok(());
        }
        let beginning = &asked.body[..asked.body.len().min(500)];
        Err(Error::Usage(format!(
            "{url} answers {} to the request that users would send: {}\n  help: check --path and --body",
            asked.status,
            String::from_utf8_lossy(beginning)
        )))
    }

    /// What is at a path, which has to answer with JSON of this form.
    ///
    /// # Errors
    /// With what came instead.
    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, String> {
        let asked = self.ask(&Request::get(path)).await.map_err(|error| error.to_string())?;
        match asked.status {
            200..300 => serde_json::from_slice(&asked.body).map_err(|e| e.to_string()),
            status => Err(format!("status {status}")),
        }
    }

    /// The answer to the very bytes that users would send.
    pub(super) async fn ask(&self, request: &Request) -> io::Result<Asked> {
        let bytes = self.targets(request).fixed(0, 0).cloned().unwrap_or_default();
        let (addr, secure) = (self.addr, self.secure.clone());
        let asked = tokio::task::spawn_blocking(move || ask(addr, secure.as_ref(), &bytes, PATIENCE));
        asked.await.map_err(io::Error::other)?
    }
}

fn first_reachable(host: &Host, secure: Option<&Secure>) -> Result<SocketAddr, Error> {
    let mut last = String::new();
    for addr in host.resolve()? {
        match greet(addr, secure, PATIENCE) {
            Ok(()) => return Ok(addr),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(Error::Unreachable(format!(
                    "{host} does not speak TLS as it should: {error}\n  help: --cacert FILE names whom to trust, --insecure trusts anybody"
                )));
            }
            Err(error) => last = format!("{addr}: {error}"),
        }
    }
    Err(Error::Unreachable(format!(
        "{host} does not take connections ({last})\n  help: is the server started, and is this its address?"
    )))
}
