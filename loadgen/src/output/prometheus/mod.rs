//! Prometheus endpoint `GET /metrics` of a running load test. It reads events like the other views,
//! in a thread of its own.

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

/// A bound address that serves metrics once a run starts.
#[derive(Debug)]
pub struct Prometheus {
    listener: TcpListener,
    addr: SocketAddr,
}

/// Server of a run's metrics, which ends when it is dropped.
#[derive(Debug)]
pub struct Served {
    /// Tasks of the server, which end when this is dropped.
    _server: JoinSet<()>,
}

type Shared = Arc<Mutex<Figures>>;

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

impl Prometheus {
    /// Binds the address, so that an invalid one fails before the run.
    ///
    /// # Errors
    /// Returns an error if the address cannot be bound.
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

    /// Serves the metrics of a run's events, and prints the address on standard error. Must be
    /// called in a runtime.
    ///
    /// # Errors
    /// Returns an error if the runtime does not accept the listener.
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
            // It accepts connections until it is dropped, whatever happens to single ones.
            let _ = axum::serve(listener, router).await;
        });
        let (events, inbox) = mpsc::channel();
        std::thread::spawn(move || {
            for event in inbox {
                lock(&figures).see(&event);
            }
        });
        // Not eprintln!, which panics if standard error is closed.
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

/// Locks the metrics, ignoring poison: a thread that panicked left metrics that are at most a
/// second old.
fn lock(figures: &Mutex<Figures>) -> MutexGuard<'_, Figures> {
    figures.lock().unwrap_or_else(PoisonError::into_inner)
}
