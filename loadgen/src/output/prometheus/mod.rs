//! `GET /metrics` of a run that is under way, for Prometheus. A view like the others: it reads
//! events, in a thread of its own.

mod distribution;
mod figures;

use std::{
    io::Write,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, Sender},
    },
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use loadtest::workload::{Plan, Scenario};
use tokio::task::JoinSet;

use self::figures::Figures;
use crate::{Error, event::Event};

/// An address that is ours, and is served once there is a run.
#[derive(Debug)]
pub struct Prometheus {
    listener: TcpListener,
    addr: SocketAddr,
}

/// What serves a run's figures; it ends when this is dropped.
#[derive(Debug)]
pub struct Served {
    /// Ends its tasks when it is dropped.
    _server: JoinSet<()>,
}

type Shared = Arc<Mutex<Figures>>;

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

impl Prometheus {
    /// Takes the address, so that a wrong one is known before the run.
    ///
    /// # Errors
    /// When it cannot be had.
    pub fn bind(addr: SocketAddr) -> Result<Self, Error> {
        let bound = TcpListener::bind(addr).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok(Self { addr: listener.local_addr()?, listener })
        });
        bound.map_err(|error| {
            Error::Usage(format!(
                "--prometheus {addr}: cannot listen there: {error}\n  help: choose another port, \
                    or port 0 for any that is free"
            ))
        })
    }

    /// Serves what the events of a run come to, and tells on standard error where. Must be called
    /// in a runtime.
    ///
    /// # Errors
    /// When the runtime does not take the address.
    pub fn serve(
        self,
        plan: Plan,
        scenario: Arc<Scenario>,
    ) -> Result<(Served, Sender<Event>), Error> {
        let failed = |error| {
            Error::Machine(format!("--prometheus {}: cannot be served: {error}", self.addr))
        };
        let listener = tokio::net::TcpListener::from_std(self.listener).map_err(failed)?;
        let figures: Shared = Arc::new(Mutex::new(Figures::new(plan, scenario)));
        let router = Router::new().route("/metrics", get(metrics)).with_state(Arc::clone(&figures));
        let mut server = JoinSet::new();
        server.spawn(async move {
            // It accepts until it is dropped, whatever becomes of single connections.
            let _ = axum::serve(listener, router).await;
        });
        let (events, inbox) = mpsc::channel();
        std::thread::spawn(move || {
            for event in inbox {
                lock(&figures).see(&event);
            }
        });
        // Not eprintln!: it panics where standard error has gone away.
        let _ = writeln!(std::io::stderr(), "metrics are on http://{}/metrics", self.addr);
        Ok((Served { _server: server }, events))
    }
}

async fn metrics(State(figures): State<Shared>) -> Response {
    let text = lock(&figures).render();
    match text {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// A thread that panicked while it held the lock leaves figures behind that are at most a second
/// old.
fn lock(figures: &Mutex<Figures>) -> MutexGuard<'_, Figures> {
    figures.lock().unwrap_or_else(PoisonError::into_inner)
}
