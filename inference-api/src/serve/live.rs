//! Live connection: hyper serves it from the first byte until no request is under way.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    extract::Request,
    http::{
        HeaderName, HeaderValue,
        header::{CONNECTION, EXPECT},
    },
};
use bytes::Bytes;
use hyper::{
    body::{Body, Incoming},
    server::conn::http1,
    service::service_fn,
};
use tokio::{
    net::TcpStream,
    time::{Instant, Sleep, sleep, timeout},
};

use super::{
    bodies::{RequestBody, ResponseBody},
    shared::{Connections, Patience},
    socket::{Owed, Progress, Socket},
    unread::LARGE,
};
use crate::http::{ApiError, refusal};

const REPLICA: HeaderName = HeaderName::from_static("x-replica");

/// Largest head, in bytes. hyper's own limit is 400 kB, which 10,000 clients would turn into 4 GB.
const HEAD_BYTES: usize = 32 << 10;

const TOO_SLOW: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Limits on draining a client whose request was answered before it was complete.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 64 << 20;

/// Outcome of a live connection.
pub(super) enum Ended {
    /// Idle: all requests are answered and no byte has come since, so the socket can be parked.
    Idle(TcpStream),
    /// Closed.
    Closed,
}

enum Step {
    Idle,
    TooSlow(Owed),
    Done(hyper::Result<()>),
}

/// Serves requests on `stream` until none is under way.
///
/// `early` holds bytes that were read from the stream before.
pub(super) async fn serve(
    shared: &Arc<Connections>,
    mut stream: TcpStream,
    mut early: Bytes,
) -> Ended {
    loop {
        let progress = Arc::new(Progress::default());
        let service = service_fn(|request: Request<Incoming>| {
            progress.begin();
            let shared = Arc::clone(shared);
            let progress = Arc::clone(&progress);
            async move {
                let uri = request.uri().clone();
                let expects = request.headers().contains_key(EXPECT);
                let request = request.map(|body| RequestBody::new(body, Arc::clone(&progress)));
                let access = shared.access.begin(&request);
                let mut response = shared.routes.answer(request).await;
                let size =
                    usize::try_from(response.body().size_hint().lower()).unwrap_or(usize::MAX);
                if size >= LARGE {
                    match shared.unread.share(size) {
                        Some(share) => progress.owe(share),
                        None => response = refusal(uri.path(), ApiError::Unread),
                    }
                }
                response.headers_mut().insert(REPLICA, shared.replica.clone());
                // A client that waits for `100 Continue` is not asked to send its body.
                if expects {
                    progress.forget_rest();
                } else if progress.body_left() {
                    progress.read_rest().await;
                }
                // The unread rest of a body would be taken for the next request, and a stopping
                // server accepts none.
                // Tell the client, so that it sends no further request here.
                if progress.body_left() || shared.stop.is_told() {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                access.end(&mut response);
                Ok::<_, Infallible>(response.map(|body| ResponseBody::new(body, progress)))
            }
        });
        let socket = Socket::new(stream, early, Arc::clone(&progress));
        // A client that has sent everything may close its side and still receive the response.
        let mut connection = http1::Builder::new()
            .half_close(true)
            .max_header_size(HEAD_BYTES)
            .serve_connection(socket, service);
        let mut timer = ClientTimer::new(shared.patience);
        let step = poll_fn(|cx| {
            if let Poll::Ready(ended) = Pin::new(&mut connection).poll(cx) {
                return Poll::Ready(Step::Done(ended));
            }
            if progress.is_idle() {
                return Poll::Ready(Step::Idle);
            }
            timer.poll(cx, &progress).map(Step::TooSlow)
        })
        .await;
        let parts = connection.into_parts();
        stream = parts.io.into_stream();
        match step {
            // The end of this request came with the beginning of the next one.
            Step::Idle if !parts.read_buf.is_empty() => early = parts.read_buf,
            Step::Idle => return Ended::Idle(stream),
            // The response is partly written, so no error response is possible.
            Step::TooSlow(Owed::Reading(_)) => return Ended::Closed,
            Step::TooSlow(Owed::Head(_) | Owed::Body(_)) => {
                shared.server.metrics.answered("other", 408);
                // Best effort: if the socket does not accept it now, the close must suffice.
                let _ = stream.try_write(TOO_SLOW);
                linger(stream).await;
                return Ended::Closed;
            }
            Step::Done(ended) => {
                // A client that disconnects midway is not an error of the server.
                if let Err(error) = &ended {
                    tracing::debug!(%error, "connection ended");
                }
                if progress.body_left() || ended.is_err_and(|e| e.is_parse()) {
                    linger(stream).await;
                }
                return Ended::Closed;
            }
        }
    }
}

/// Shuts down the sending side, then discards what the client still sends.
///
/// Closing a socket with unread bytes resets it, and the reset can overtake the response.
/// A client that still sends would never see its 413.
async fn linger(stream: TcpStream) {
    let drop_rest = async {
        let mut left = LINGER_BYTES;
        let mut scratch = [0; 2048];
        while left > 0 && stream.readable().await.is_ok() {
            match stream.try_read(&mut scratch) {
                Ok(0) => break,
                Ok(count) => left = left.saturating_sub(count),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
    };
    if socket2::SockRef::from(&stream).shutdown(std::net::Shutdown::Write).is_ok() {
        // Either way the connection is over.
        let _ = timeout(LINGER, drop_rest).await;
    }
}

/// Timer that runs only while the connection waits for the client.
///
/// hyper has a timer for heads but sets it for every request, and timers are expensive.
struct ClientTimer {
    patience: Patience,
    /// Running timer and the action that it waits for.
    running: Option<(Pin<Box<Sleep>>, Owed)>,
}

impl ClientTimer {
    fn new(patience: Patience) -> Self {
        Self { patience, running: None }
    }

    /// Returns ready once the client's pending action has taken too long.
    fn poll(&mut self, cx: &mut Context<'_>, progress: &Progress) -> Poll<Owed> {
        let Some(owed) = progress.owed() else {
            self.running = None;
            return Poll::Pending;
        };
        let limit = match owed {
            Owed::Head(_) => self.patience.head,
            Owed::Body(_) | Owed::Reading(_) => self.patience.body,
        };
        let (timer, of) = self.running.get_or_insert_with(|| (Box::pin(sleep(limit)), owed));
        if *of != owed {
            timer.as_mut().reset(Instant::now() + limit);
            *of = owed;
        }
        timer.as_mut().poll(cx).map(|()| owed)
    }
}
