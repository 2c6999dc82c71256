//! Connection of one client: parked between requests, live during one.
//!
//! At any moment nearly all of 10,000 users think, so idle connections dominate the memory.
//! hyper keeps 12 kB for a connection between two requests: buffers, a header map and a timer.
//! A parked task therefore holds only the socket and waits for a byte.
//! A hyper connection is then built around the socket, boxed to keep the parked task small.
//! It is taken apart when the response is written and the next read finds nothing.
//! `Progress` explains why this loses no byte.
//!
//! Memory is measured with `benches/connections.py PID ADDRESS`: 10,000 keep-alive connections,
//! 5,000 requests/s, iris, one worker.
//! 31 MB of it are the library and the model.
//! Rates are measured with `SECONDS_EACH=3 benches/rate.sh 9 BEFORE AFTER`: wrk, 64 connections
//! that never think, server and client on a core each, alternating, medians.
//! Others used the machine, so the rates compare only with each other.
//!
//! |                         | PSS, nothing sent | PSS, sending | requests/s | CPU a request |
//! |-------------------------|-------------------|--------------|------------|---------------|
//! | a hyper connection each | 146.6 MB          | 160.5 MB     | 12,144     | 24.5 us       |
//! | parked                  | 40.6 MB           | 41.0 MB      | 14,927     | 22.8 us       |
//!
//! In the second row `/predict` also bypasses axum's router (see `http::Routes`), which outweighs
//! the cost of building connections.
//! For clients that never think, a request costs 19.5 us parked and 18.9 us not parked with the
//! router, and 16.7 us parked without it (4 rounds in a quieter hour).
//!
//! Two choices keep building cheap:
//!
//! - The timer for heads is ours, set only for incomplete ones; hyper sets one for every head.
//! - The socket is hyper's own during a request: from a short read, tokio then knows that it is
//!   empty. A read through a shared handle would ask the system again.

use std::{io::ErrorKind, mem::MaybeUninit, sync::Arc, task::Poll};

use bytes::Bytes;
use tokio::net::TcpStream;

use super::{
    live::{self, Ended},
    shared::Connections,
    stop::Stop,
};
use crate::{metrics::Metrics, repository};

/// Serves one connection until the client closes it, breaks the protocol, or the server stops.
///
/// A stopping server closes it after the response to the next request, or at the end of the grace.
pub(super) async fn serve(shared: Arc<Connections>, mut stream: TcpStream) {
    let _open = Open::new(&shared.server.metrics);
    let _listening = shared.stop.listen().await;
    // A small response must not wait for the acknowledgement of the previous one.
    let _ = stream.set_nodelay(true);
    loop {
        if first_byte(&stream, &shared.stop).await.is_err() {
            return;
        }
        repository::wait_for_room().await;
        match Box::pin(live::serve(&shared, stream, Bytes::new())).await {
            Ended::Idle(idle) => stream = idle,
            Ended::Closed => return,
        }
    }
}

/// Waits, without a read buffer, until the system reports readable data or the end of the stream.
///
/// Returns an error at the end of a stop's grace; bytes sent before are a request in flight.
///
/// No peek is needed first: a new socket has no event yet, and a parked one was found empty.
/// The next event is therefore news; if not, the live connection finds nothing and parks again.
/// The worker limits the number of events taken at once.
async fn first_byte(stream: &TcpStream, stop: &Stop) -> std::io::Result<()> {
    std::future::poll_fn(|cx| {
        let first = stream.poll_read_ready(cx);
        if first.is_pending() && stop.is_over() && !has_sent(stream) {
            return Poll::Ready(Err(ErrorKind::Interrupted.into()));
        }
        first
    })
    .await
}

/// Returns true if there is readable data that the runtime has not reported yet.
fn has_sent(stream: &TcpStream) -> bool {
    let mut byte = [MaybeUninit::uninit()];
    socket2::SockRef::from(stream).peek(&mut byte).is_ok_and(|count| count > 0)
}

/// Guard that counts an open connection, however its task ends.
struct Open<'a>(&'a Metrics);

impl<'a> Open<'a> {
    fn new(metrics: &'a Metrics) -> Self {
        metrics.connections.inc();
        Self(metrics)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.connections.dec();
    }
}
