//! Thread of one worker: accepts, serves, drains.

use std::{io, net::TcpListener, sync::Arc, time::Duration};

use axum::http::HeaderValue;
use futures_util::FutureExt;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::{
    accept::Failures,
    access::Access,
    connection,
    shared::{Connections, Patience},
    stop::Stop,
    told_to_stop,
    unread::Unread,
};
use crate::{
    http::{Routes, Server, Worker},
    service_time::Alarm,
};

/// Largest number of I/O events taken after a wait: the default largest batch.
const EVENTS: usize = 64;
/// Number of tasks that a busy worker runs between two polls for I/O events.
const TASKS_BETWEEN_LOOKS: u32 = 128;
/// Largest number of I/O events that a busy worker takes per poll.
///
/// A request takes its task three or four turns, so no more requests come than go.
/// With 10,000 clients connecting at once to 0.18 CPU, 54,000 requests are answered in 20 s.
/// None waits 5 s. Without this limit, 46,000 are answered, and 1,600 wait longer.
const EVENTS_BUSY: usize = 32;

/// Largest number of bytes of unread large responses, over all workers.
const MOST_UNREAD: usize = 256 << 20;

/// Longest time that a stopping server accepts connections and requests on idle connections.
const GRACE: Duration = Duration::from_secs(1);

pub(super) struct Work {
    /// Handle to the socket from which all workers accept; a free worker takes the next connection.
    pub(super) listener: TcpListener,
    pub(super) index: usize,
    pub(super) server: Arc<Server>,
    pub(super) replica: HeaderValue,
    pub(super) patience: Patience,
    /// Stop signal: becomes true when the server must stop.
    pub(super) stopped: watch::Receiver<bool>,
    pub(super) drain: Duration,
}

impl Work {
    /// Serves until stopped, then until the last request is answered or the drain time is over.
    pub(super) fn run(self) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .event_interval(TASKS_BETWEEN_LOOKS)
            .max_io_events_per_tick(EVENTS)
            .max_io_events_per_busy_tick(EVENTS_BUSY)
            .build()?;
        let served = runtime.block_on(self.serve());
        // A model that is still being loaded for a client must not delay the shutdown.
        runtime.shutdown_background();
        served
    }

    async fn serve(mut self) -> io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        let server = Arc::clone(&self.server);
        let workers = server.workers.max(1);
        let worker =
            Arc::new(Worker { index: self.index, server: self.server, alarm: Alarm::new()? });
        if server.service_time.is_some() {
            let worker = Arc::clone(&worker);
            tokio::spawn(async move { worker.alarm.ring().await });
        }
        let shared = Arc::new(Connections {
            server,
            routes: Routes::new(worker),
            replica: self.replica,
            patience: self.patience,
            access: Access::new(),
            unread: Unread::new(MOST_UNREAD / workers),
            stop: Stop::default(),
        });
        let tasks = TaskTracker::new();
        let mut failures = Failures::default();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = told_to_stop(&mut self.stopped) => break,
            };
            match accepted {
                Ok((stream, _)) => {
                    tasks.spawn(connection::serve(Arc::clone(&shared), stream));
                }
                // File descriptors have run out, or the peer has left. Retrying at once would spin.
                Err(error) => {
                    failures.tell(&error);
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
        shared.stop.tell();
        tasks.close();
        let ends = tokio::time::Instant::now() + self.drain;
        let serve = |stream| drop(tasks.spawn(connection::serve(Arc::clone(&shared), stream)));
        // Idle clients and load balancers that do not know of the stop yet still send for a while.
        let _ = tokio::time::timeout(GRACE.min(self.drain), async {
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        if let Ok((stream, _)) = accepted {
                            serve(stream);
                        }
                    }
                    () = tasks.wait() => break,
                }
            }
        })
        .await;
        // Connections that the kernel has already accepted would be reset with the socket.
        while let Some(Ok((stream, _))) = listener.accept().now_or_never() {
            serve(stream);
        }
        drop(listener);
        shared.stop.end_idle();
        if tokio::time::timeout_at(ends, tasks.wait()).await.is_err() {
            tracing::warn!(connections = tasks.len(), "drain time is over; cutting connections");
        }
        Ok(())
    }
}
