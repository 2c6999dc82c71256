//! One client's connection, from the first byte to the last.

use std::{convert::Infallible, time::Duration};

use axum::{
    Router,
    extract::Request,
    http::{HeaderName, HeaderValue},
    response::Response,
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpStream, sync::watch};
use tower::ServiceExt;

use super::told_to_stop;

const REPLICA: HeaderName = HeaderName::from_static("x-replica");

/// How long a client may take to send the head of a request once it has begun: a slow loris is cut off here.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves connections with the worker's routes.
#[derive(Clone)]
pub(super) struct Connections {
    router: Router,
    replica: HeaderValue,
    stopped: watch::Receiver<bool>,
}

impl Connections {
    pub(super) fn new(router: Router, replica: HeaderValue, stopped: watch::Receiver<bool>) -> Self {
        Self { router, replica, stopped }
    }

    /// Serves one connection until the client closes it, breaks the protocol, or the server stops; a request in flight
    /// is answered first.
    pub(super) fn serve(&self, stream: TcpStream) -> impl Future<Output = ()> + 'static {
        let Self { router, replica, mut stopped } = self.clone();
        async move {
            // Small answers must not wait for the acknowledgement of the one before.
            let _ = stream.set_nodelay(true);
            let service = service_fn(move |request: Request<Incoming>| {
                let router = router.clone();
                let replica = replica.clone();
                async move {
                    let mut response: Response = match router.oneshot(request).await {
                        Ok(response) => response,
                        Err(never) => match never {},
                    };
                    response.headers_mut().insert(REPLICA, replica);
                    Ok::<_, Infallible>(response)
                }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service);
            tokio::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = told_to_stop(&mut stopped) => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            // A client that goes away in the middle is its own business.
            if let Err(error) = ended {
                tracing::debug!(%error, "connection ended");
            }
        }
    }
}
