//! Control traffic to a target: is it there, what does it want to be asked, does it like what we send.

use std::{
    io::Read,
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use ureq::{
    Agent,
    http::Response,
    tls::{Certificate, RootCerts, TlsConfig},
};

use crate::{
    Error,
    workload::{Host, ModelMetadata, Request, Secure, Trust},
};

const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
struct ModelInfo {
    example: Box<RawValue>,
}

/// The first of a host's addresses that takes connections and, where TLS is spoken, has a certificate that is trusted.
///
/// # Errors
/// When none does.
pub fn first_reachable(host: &Host, secure: Option<&Secure>) -> Result<SocketAddr, Error> {
    let mut last = String::new();
    for addr in host.resolve()? {
        match TcpStream::connect_timeout(&addr, PATIENCE).and_then(|socket| greet(socket, secure)) {
            Ok(()) => return Ok(addr),
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
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

fn greet(mut socket: TcpStream, secure: Option<&Secure>) -> std::io::Result<()> {
    let Some(secure) = secure else { return Ok(()) };
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let mut session = secure.session().map_err(std::io::Error::other)?;
    while session.is_handshaking() {
        session.complete_io(&mut socket)?;
    }
    Ok(())
}

/// Asks the server for an example request (`GET /model`, which `inference-api` answers).
///
/// # Errors
/// When it has none; the error says how to give a body.
pub async fn example(base: &str, trust: &Trust) -> Result<Vec<u8>, Error> {
    let missing = |why: String| {
        Error::Usage(format!(
            "there is nothing to send: {base}/model gives no example ({why})\n  help: say --body '{{\"features\":[…]}}', --body @file or --model model.onnx"
        ))
    };
    let info: ModelInfo = get(&format!("{base}/model"), trust).await.map_err(missing)?;
    Ok(info.example.get().as_bytes().to_vec())
}

/// Asks an Open Inference Protocol server for a model's inputs (`GET /v2/models/NAME`, at this URL).
///
/// # Errors
/// When it does not tell them.
pub async fn metadata(url: &str, trust: &Trust) -> Result<ModelMetadata, Error> {
    get(url, trust).await.map_err(|why| {
        Error::Usage(format!("{url} does not tell the model's inputs: {why}\n  help: is this the model's name there?"))
    })
}

/// What is at a URL, which has to answer with JSON of this form.
///
/// # Errors
/// With what came instead.
async fn get<T: DeserializeOwned + Send + 'static>(url: &str, trust: &Trust) -> Result<T, String> {
    let (url, trust) = (url.to_owned(), trust.clone());
    blocking(move || {
        let mut answer = agent(&trust)?.get(&url).call().map_err(|e| e.to_string())?;
        if !answer.status().is_success() {
            return Err(format!("status {}", answer.status()));
        }
        serde_json::from_reader(answer.body_mut().as_reader()).map_err(|e| e.to_string())
    })
    .await
}

/// Sends the request once and wants a 2xx: a sweep over a target that refuses its requests would only measure refusals.
///
/// # Errors
/// With the server's own words when it refuses.
pub async fn check(base: &str, request: &Request, trust: &Trust) -> Result<(), Error> {
    let url = format!("{base}{}", request.path);
    let (to, sent, trust) = (url.clone(), request.clone(), trust.clone());
    let answered = blocking(move || {
        let request = ureq::http::Request::builder()
            .method(sent.method.as_str())
            .uri(to)
            .header("content-type", sent.content_type)
            .body(sent.body)
            .map_err(|e| e.to_string())?;
        let answer = agent(&trust)?.run(request).map_err(|e| e.to_string())?;
        let status = answer.status();
        Ok((status, if status.is_success() { String::new() } else { beginning(answer) }))
    })
    .await;
    match answered {
        Ok((status, _)) if status.is_success() => Ok(()),
        Ok((status, text)) => Err(Error::Usage(format!(
            "{url} answers {status} to the request that users would send: {text}\n  help: check --path and --body"
        ))),
        Err(why) => Err(Error::Unreachable(format!("{url} does not answer: {why}"))),
    }
}

/// Enough of an answer to recognise it; a body without end must not be read to its end.
fn beginning(answer: Response<ureq::Body>) -> String {
    let mut bytes = Vec::new();
    // What was read before an error is as good a beginning.
    let _ = answer.into_body().into_reader().take(500).read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn blocking<T: Send + 'static>(ask: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(ask).await.map_err(|e| e.to_string())?
}

fn agent(trust: &Trust) -> Result<Agent, String> {
    let roots = match &trust.cacert {
        None => RootCerts::PlatformVerifier,
        Some(path) => {
            let pem = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
            let certificates: Vec<Certificate<'static>> = ureq::tls::parse_pem(&pem)
                .filter_map(|item| match item {
                    Ok(ureq::tls::PemItem::Certificate(certificate)) => Some(certificate),
                    _ => None,
                })
                .collect();
            RootCerts::new_with_certs(&certificates)
        }
    };
    let tls = TlsConfig::builder().root_certs(roots).disable_verification(trust.insecure).build();
    Ok(Agent::config_builder()
        .tls_config(tls)
        // Straight to the target: a proxy of the environment is for the outside, and would be measured instead.
        .proxy(None)
        // Load goes only to what a person named.
        .max_redirects(0)
        .http_status_as_error(false)
        .timeout_global(Some(PATIENCE))
        .allow_non_standard_methods(true)
        .build()
        .new_agent())
}
