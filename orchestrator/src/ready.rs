//! Readiness polling of a replica.
//!
//! It sends its own request over a bare socket: one line sent and twelve bytes read.
//! A client library would add its pool and its timeouts.

use std::{
    io,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::Result;

const FIRST_POLL: Duration = Duration::from_millis(10);
const LAST_POLL: Duration = Duration::from_millis(100);
/// Interval at which a backend should check whether the replica still runs.
pub(crate) const ALIVE_POLL: Duration = Duration::from_millis(50);

/// Outcome of a wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Response with a 2xx.
    Ready,
    /// End of the replica, with its description.
    Ended(String),
    /// Timeout, with the result of the last attempt.
    TimedOut(String),
}

impl Outcome {
    /// Describes the failure for [`Error::NotReady`](crate::Error::NotReady); `None` if ready.
    pub(crate) fn failure(self, path: &str, limit: Duration) -> Option<String> {
        match self {
            Self::Ready => None,
            Self::Ended(end) => Some(format!("ended ({end}) before it was ready")),
            Self::TimedOut(last) => {
                Some(format!("did not answer GET {path} with a 2xx in {limit:?} ({last})"))
            }
        }
    }
}

/// Polls `GET path` on `addr` until a 2xx, the replica's end (reported by `ended`) or `limit`.
///
/// # Errors
/// Returns the errors of `ended`.
pub(crate) async fn wait(
    addr: SocketAddr,
    path: &str,
    limit: Duration,
    ended: impl Future<Output = Result<String>> + Send,
) -> Result<Outcome> {
    let last = Mutex::new("no connection".to_owned());
    let note = |what: String| *last.lock().unwrap_or_else(PoisonError::into_inner) = what;
    let poll = async {
        let mut delay = FIRST_POLL;
        loop {
            // A service at a fiftieth of a processor may take seconds for its first response.
            match timeout(Duration::from_secs(10), get(addr, path)).await {
                Ok(Ok(status)) if (200..300).contains(&status) => return,
                Ok(Ok(status)) => note(format!("status {status}")),
                Ok(Err(e)) => note(e.to_string()),
                Err(_) => note("no answer in 10 s".to_owned()),
            }
            sleep(delay).await;
            delay = (delay * 3 / 2).min(LAST_POLL);
        }
    };
    tokio::select! {
        () = poll => Ok(Outcome::Ready),
        end = ended => end.map(Outcome::Ended),
        () = sleep(limit) => Ok(Outcome::TimedOut(
            last.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        )),
    }
}

async fn get(addr: SocketAddr, path: &str) -> io::Result<u16> {
    let mut stream = TcpStream::connect(addr).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = [0; 12];
    stream.read_exact(&mut head).await?;
    parse_status(&head)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP/1.1"))
}

/// Parses the status of `HTTP/1.1 200`.
fn parse_status(head: &[u8]) -> Option<u16> {
    let rest = head.strip_prefix(b"HTTP/1.1 ").or_else(|| head.strip_prefix(b"HTTP/1.0 "))?;
    std::str::from_utf8(rest).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::net::TcpListener;

    use super::*;

    /// Starts a server that answers 503 `refusals` times, then 200.
    async fn server(refusals: u32) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move {
            for served in 0.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 256];
                assert!(stream.read(&mut request).await.unwrap() > 0);
                assert!(request.starts_with(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1:"));
                let status = if served < refusals { "503 Unavailable" } else { "200 OK" };
                stream.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes()).await.unwrap();
            }
        });
        addr
    }

    #[tokio::test]
    async fn a_2xx_is_waited_for() {
        let addr = server(3).await;
        let outcome = wait(addr, "/health", Duration::from_secs(5), pending()).await.unwrap();
        assert_eq!(outcome, Outcome::Ready);
    }

    #[tokio::test]
    async fn time_runs_out() {
        let addr = server(u32::MAX).await;
        let outcome = wait(addr, "/health", Duration::from_millis(150), pending()).await.unwrap();
        assert_eq!(outcome, Outcome::TimedOut("status 503".into()));
    }

    #[tokio::test]
    async fn an_end_is_told_at_once() {
        let addr = server(u32::MAX).await;
        let end = async {
            sleep(Duration::from_millis(30)).await;
            Ok("exit 3".to_owned())
        };
        let outcome = wait(addr, "/health", Duration::from_secs(30), end).await.unwrap();
        assert_eq!(outcome, Outcome::Ended("exit 3".into()));
    }

    #[test]
    fn status_lines() {
        assert_eq!(parse_status(b"HTTP/1.1 204"), Some(204));
        assert_eq!(parse_status(b"HTTP/1.0 200"), Some(200));
        assert_eq!(parse_status(b"SSH-2.0-Open"), None);
    }
}
