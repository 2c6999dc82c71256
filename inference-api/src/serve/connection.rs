//! One client's connection, from the first byte to the last: parked while nothing is asked, live
//! while something is.
//!
//! Of 10,000 users nearly all think at any moment, and what a thinking user costs is what the
//! server costs. hyper keeps 12 kB for a connection between two requests: buffers, a header map and
//! a timer. So between requests there is no hyper: the task keeps the socket alone and waits for a
//! byte, and only then is a connection built around it, in a box of its own, so that the parked
//! task does not hold the room for it. It is taken apart again when the answer is written and the
//! next read finds nothing; `Progress` says why this loses no byte.
//!
//! Measured with `benches/connections.py PID ADDRESS` (10,000 keep-alive connections, 5,000
//! requests/s, iris, one worker; 31 MB of it are the library and the model), and
//! `SECONDS_EACH=3 benches/rate.sh 9 BEFORE AFTER` (wrk with 64 connections that never think,
//! server and client on a core each, by turns, medians; others used the machine, so that the rates
//! compare with each other only):
//!
//! |                         | PSS, nothing sent | PSS, sending | requests/s | CPU a request |
//! |-------------------------|-------------------|--------------|------------|---------------|
//! | a hyper connection each | 146.6 MB          | 160.5 MB     | 12,144     | 24.5 us       |
//! | parked                  | 40.6 MB           | 41.0 MB      | 14,927     | 22.8 us       |
//!
//! The second row also has `/predict` beside axum's router (see `http::Routes`), which pays for
//! more than the building: with the router, clients that never think cost 19.5 us parked and 18.9
//! us not, and 16.7 us without it (4 rounds in a quieter hour). What keeps the building cheap: the
//! head's timer is ours, and is set only for a head that is incomplete (hyper sets one for every
//! head); and the socket is hyper's own while a request is on it, since tokio then knows from a
//! short read that the socket is empty, where reading through a shared handle asks the system
//! again.

use std::{io::ErrorKind, mem::MaybeUninit, sync::Arc, task::Poll, time::Duration};

use axum::http::HeaderValue;
use bytes::Bytes;
use tokio::net::TcpStream;

use super::{
    access::Access,
    live::{self, Ended},
    stop::Stop,
    unread::Unread,
};
use crate::{
    http::{Routes, Server},
    metrics::Metrics,
    repository,
};

/// What the connections of a worker share.
pub(super) struct Connections {
    pub(super) routes: Routes,
    pub(super) server: Arc<Server>,
    pub(super) access: Access,
    /// For the `x-replica` header.
    pub(super) replica: HeaderValue,
    /// How long clients are waited for: a slow loris is cut off here.
    pub(super) patience: Patience,
    /// What clients have not read yet.
    pub(super) unread: Arc<Unread>,
    /// Told when the server stops.
    pub(super) stop: Stop,
}

/// How long clients are waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For the head of a request, from its first byte.
    pub(super) head: Duration,
    /// For a request's body from its head to its end, and for a client to take a part of an answer.
    pub(super) body: Duration,
}

/// Serves one connection until the client closes it, breaks the protocol, or the server stops:
/// after the answer to the next request, and, if none comes, once the grace is over.
pub(super) async fn serve(shared: Arc<Connections>, mut stream: TcpStream) {
    let _open = Open::new(&shared.server.metrics);
    let _listening = shared.stop.listen().await;
    // Small answers must not wait for the acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    loop {
        if first_byte(&stream, &shared.stop).await.is_err() {
            return;
        }
        repository::room().await;
        match Box::pin(live::serve(&shared, stream, Bytes::new())).await {
            Ended::Idle(idle) => stream = idle,
            Ended::Closed => return,
        }
    }
}

/// Waits until the system tells of something to read, or an end, without a buffer to read into. An
/// error once the grace of a server that stops is over: what the client has sent before that is a
/// request in flight.
///
/// There is no need to look first: a fresh socket was not told of yet, and one that comes back here
/// was found empty, so that the next event is news. Were it none, the live connection would find
/// nothing and come back. How many events are taken at once is the worker's to say.
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

/// Whether there is something to read that the runtime was not told of yet.
fn has_sent(stream: &TcpStream) -> bool {
    let mut byte = [MaybeUninit::uninit()];
    socket2::SockRef::from(stream).peek(&mut byte).is_ok_and(|count| count > 0)
}

/// Counts an open connection, however its task ends.
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
