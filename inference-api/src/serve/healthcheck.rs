//! `inference-api healthcheck`, for images without curl.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

const TIMEOUT: Duration = Duration::from_secs(3);

/// Checks that `GET /health` at `addr` returns status 200.
///
/// # Errors
/// Returns an error if the server does not answer or the status is not 200.
pub fn healthcheck(addr: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&addr, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    write!(stream, "GET /health HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer)?;
    let status = String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned();
    if status.starts_with("HTTP/1.1 200") {
        return Ok(());
    }
    Err(io::Error::other(format!("{addr} is not ready: {status}")))
}
