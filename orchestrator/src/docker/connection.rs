//! Connection to an Engine, and its errors.

use std::{os::unix::net::UnixStream, time::Duration};

use bollard::{
    Docker, errors::Error as EngineError, query_parameters::RemoveContainerOptionsBuilder,
};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use crate::{Error, Result};

/// Returns `DOCKER_HOST`, or the default socket.
pub(super) fn address() -> String {
    std::env::var("DOCKER_HOST")
        .ok()
        .filter(|host| !host.is_empty())
        .unwrap_or("unix:///var/run/docker.sock".to_owned())
}

/// Connects and waits for an answer.
pub(super) async fn open(at: &str) -> std::result::Result<Docker, String> {
    let docker = Docker::connect_with_host(at).map_err(|e| e.to_string())?;
    let answer = async { docker.negotiate_version().await };
    match tokio::time::timeout(Duration::from_secs(5), answer).await {
        Ok(docker) => docker.map_err(|e| chain(&e)),
        Err(_) => Err("no answer in 5 s".to_owned()),
    }
}

/// Returns an identifier of the Engine process behind a local socket; it changes on a restart.
///
/// If systemd holds the socket, the id in the Engine's own file makes the difference.
pub(super) fn incarnation(at: &str) -> Option<String> {
    let socket = UnixStream::connect(at.strip_prefix("unix://")?).ok()?;
    let peer = getsockopt(&socket, PeerCredentials).ok()?;
    let file = std::fs::read_to_string("/var/run/docker.pid").unwrap_or_default();
    Some(format!("process {} {}", peer.pid(), file.trim()))
}

/// Removes a container by force; a missing one is not an error.
pub(super) async fn remove_container(docker: &Docker, id: &str) -> Result<()> {
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    match docker.remove_container(id, Some(options)).await {
        // 404: already removed; 409: removal in progress.
        Err(EngineError::DockerResponseServerError { status_code: 404 | 409, .. }) => Ok(()),
        other => other.map_err(|e| engine(&format!("remove container {id}"), &e)),
    }
}

/// Runs `call` to its end, even if the caller is cancelled.
///
/// The Engine would create the object all the same, and nobody would know of it.
pub(super) async fn finish<T: Send + 'static>(
    call: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    tokio::spawn(call).await.unwrap_or_else(|e| Err(refused("finish a call", &e.to_string())))
}

/// Returns the error for an Engine that could not `action`.
pub(super) fn engine(action: &str, error: &EngineError) -> Error {
    match error {
        EngineError::DockerResponseServerError { message, .. } => refused(action, message.trim()),
        other => refused(action, &chain(other)),
    }
}

/// Returns the same error with our own cause.
pub(super) fn refused(action: &str, cause: &str) -> Error {
    Error::Engine { action: action.to_owned(), cause: cause.to_owned() }
}

/// Returns the text of an error with its causes: hyper's own is only "client error (Connect)".
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
