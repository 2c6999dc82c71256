//! Control traffic to a target: is it there, what does it want to be asked, does it like what we send.

use std::{
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    Error,
    workload::{Host, Request},
};

const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
struct ModelInfo {
    example: Box<RawValue>,
}

/// The first of a host's addresses that takes connections.
///
/// # Errors
/// When none does.
pub fn first_reachable(host: &Host) -> Result<SocketAddr, Error> {
    let mut last = String::new();
    for addr in host.resolve()? {
        match TcpStream::connect_timeout(&addr, PATIENCE) {
            Ok(_) => return Ok(addr),
            Err(error) => last = format!("{addr}: {error}"),
        }
    }
    Err(Error::Unreachable(format!(
        "{host} does not take connections ({last})\n  help: is the server started, and is this its address?"
    )))
}

/// Asks the server for an example request (`GET /model`, which `inference-api` answers).
///
/// # Errors
/// When it has none; the error says how to give a body.
pub async fn example(base: &str) -> Result<Vec<u8>, Error> {
    let missing = |why: String| {
        Error::Usage(format!(
            "there is nothing to send: {base}/model gives no example ({why})\n  help: say --body '{{\"features\":[…]}}', --body @file or --model model.onnx"
        ))
    };
    let answer = client()?.get(format!("{base}/model")).send().await.map_err(|e| missing(e.to_string()))?;
    if !answer.status().is_success() {
        return Err(missing(format!("status {}", answer.status())));
    }
    let info: ModelInfo = answer.json().await.map_err(|e| missing(e.to_string()))?;
    Ok(info.example.get().as_bytes().to_vec())
}

/// Sends the request once and wants a 2xx: a sweep over a target that refuses its requests would only measure refusals.
///
/// # Errors
/// With the server's own words when it refuses.
pub async fn check(base: &str, request: &Request) -> Result<(), Error> {
    let method = reqwest::Method::from_bytes(request.method.as_bytes())
        .map_err(|_| Error::Usage(format!("{:?} is no HTTP method", request.method)))?;
    let url = format!("{base}{}", request.path);
    let answer = client()?
        .request(method, &url)
        .header("content-type", &request.content_type)
        .body(request.body.clone())
        .send()
        .await
        .map_err(|e| Error::Unreachable(format!("{url} does not answer: {e}")))?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let text = beginning(answer).await;
    Err(Error::Usage(format!(
        "{url} answers {status} to the request that users would send: {text}\n  help: check --path and --body"
    )))
}

/// Enough of an answer to recognise it; a body without end must not be read to its end.
async fn beginning(mut answer: reqwest::Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < 500
        && let Ok(Some(chunk)) = answer.chunk().await
    {
        bytes.extend_from_slice(&chunk);
    }
    bytes.truncate(500);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn client() -> Result<reqwest::Client, Error> {
    // Straight to the target: a proxy of the environment is for the outside, and would be measured instead.
    reqwest::Client::builder()
        .no_proxy()
        // Load goes only to what a person named.
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .build()
        .map_err(|e| Error::Machine(format!("no HTTP client: {e}")))
}
