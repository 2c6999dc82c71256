//! A connection with a request on it: hyper, from the first byte until nothing is left to do.

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
    connection::{Connections, Patience},
    socket::{Owed, Progress, Socket},
    unread::LARGE,
};
use crate::http::{ApiError, refusal};

const REPLICA: HeaderName = HeaderName::from_static("x-replica");

/// The longest head taken. hyper's own limit is 400 kB, which 10,000 clients would turn into 4 GB.
const HEAD_BYTES: usize = 32 << 10;

const TOO_SLOW: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// How long, and for how many bytes, a client is heard out whose request was answered before it was
/// whole.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 64 << 20;

/// How a live connection ended.
pub(super) enum Ended {
    /// All is answered and nothing has come since: the socket can be parked.
    Idle(TcpStream),
    /// There will be nothing more.
    Closed,
}

enum Step {
    Idle,
    TooSlow(Owed),
    Done(hyper::Result<()>),
}

/// Serves requests on `stream` until none is under way. `early` are bytes that were read from it
/// before.
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
                // Who waits to be told to send the body is not told.
                if expects {
                    progress.forget_rest();
                } else if progress.body_left() {
                    progress.read_rest().await;
                }
                // What is left of the request's body would be taken for the next request, and a
                // server that stops takes no next one: the client is told, so that it does not send
                // one here.
                if progress.body_left() || shared.stop.is_told() {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                access.end(&mut response);
                Ok::<_, Infallible>(response.map(|body| ResponseBody::new(body, progress)))
            }
        });
        let socket = Socket::new(stream, early, Arc::clone(&progress));
        // A client that has sent all it has may close its side and still get the answer.
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
            // The beginning of the next request came with the end of this one.
            Step::Idle if !parts.read_buf.is_empty() => early = parts.read_buf,
            Step::Idle => return Ended::Idle(stream),
            // Half an answer is written, so that there is nothing more to say.
            Step::TooSlow(Owed::Reading(_)) => return Ended::Closed,
            Step::TooSlow(Owed::Head(_) | Owed::Body(_)) => {
                shared.server.metrics.answered("other", 408);
                // A courtesy: if the socket does not take it now, the client learns from the close.
                let _ = stream.try_write(TOO_SLOW);
                linger(stream).await;
                return Ended::Closed;
            }
            Step::Done(ended) => {
                // A client that goes away in the middle is its own business.
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

/// Closes our side, then drops what still comes. A socket that is closed with bytes unread is
/// reset, and the reset can overtake the answer: a client that still sends would never see its 413.
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

/// Runs while only the client can move the connection on. hyper has a timer for heads, but sets it
/// for every request, and a timer is dear.
struct ClientTimer {
    patience: Patience,
    /// The timer, and what it is for.
    running: Option<(Pin<Box<Sleep>>, Owed)>,
}

impl ClientTimer {
    fn new(patience: Patience) -> Self {
        Self { patience, running: None }
    }

    /// Ready when what the client owes has taken too long.
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
