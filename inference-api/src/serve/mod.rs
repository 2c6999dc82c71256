//! The server: a thread a worker, each with its own runtime, session and routes; one listening socket.

mod bodies;
mod connection;
mod healthcheck;
mod live;
mod socket;
mod worker;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::http::HeaderValue;
use socket2::{Domain, Socket, Type};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

pub use healthcheck::healthcheck;

use crate::{
    config::ServeOptions,
    http::Worker,
    metrics::Metrics,
    model::{LoadError, Model, Runtime},
    runtime,
};

/// Why the server did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// No ONNX Runtime.
    #[error(transparent)]
    Runtime(#[from] runtime::NotFound),
    /// The model cannot be served.
    #[error(transparent)]
    Model(#[from] LoadError),
    /// The address is taken, or not ours.
    #[error("cannot listen on {addr}: {source}\n  help: choose another with --bind")]
    Bind {
        /// Where.
        addr: SocketAddr,
        /// The system's words.
        source: io::Error,
    },
    /// The replica's name has characters that a header cannot have.
    #[error("--replica-name {0:?} cannot be sent in a header; use printable ASCII")]
    ReplicaName(String),
    /// The system refused a thread, a signal handler or an event loop.
    #[error("cannot start: {0}")]
    Start(#[from] io::Error),
}

/// Serves until SIGTERM or SIGINT, then lets requests in flight finish for up to `drain_seconds`.
///
/// # Errors
/// When the library, the model or the address cannot be had.
pub fn run(options: &ServeOptions) -> Result<(), ServeError> {
    let replica = options.replica();
    let replica = HeaderValue::from_str(&replica).map_err(|_| ServeError::ReplicaName(replica))?;
    let onnxruntime = Runtime::load(&runtime::locate()?)?;
    let first = Model::load(&onnxruntime, &options.model)?;
    let workers = options.worker_count();
    let mut models = Vec::with_capacity(workers);
    for _ in 1..workers {
        models.push(first.another(&onnxruntime, &options.model)?);
    }
    models.push(first);

    // The model is loaded by now: whoever can connect gets an answer.
    let listener = listen(options.bind).map_err(|source| ServeError::Bind { addr: options.bind, source })?;
    let addr = listener.local_addr()?;
    let metrics = Arc::new(Metrics::default());
    let draining = Arc::new(AtomicBool::new(false));
    let (stop, stopped) = watch::channel(false);
    let mut threads = Vec::with_capacity(workers);
    for (i, model) in models.into_iter().enumerate() {
        let signature = Arc::clone(&model.signature);
        let state =
            Worker { model: model.into(), signature, metrics: Arc::clone(&metrics), draining: Arc::clone(&draining) };
        let work = worker::Work {
            listener: listener.try_clone()?,
            state: Arc::new(state),
            replica: replica.clone(),
            max_body_bytes: options.max_body_bytes,
            head_timeout: Duration::from_secs(options.head_seconds),
            stopped: stopped.clone(),
            drain: Duration::from_secs(options.drain_seconds),
        };
        threads.push(std::thread::Builder::new().name(format!("worker-{i}")).spawn(move || work.run())?);
    }
    drop(listener);
    tracing::info!(%addr, workers, model = %options.model.display(), "serving");

    let signals = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let name = signals.block_on(stop_signal())?;
    tracing::info!(signal = name, "draining");
    draining.store(true, Ordering::Relaxed);
    // The workers hold receivers until they end; if all have ended there is nothing to tell.
    let _ = stop.send(true);
    for thread in threads {
        if let Ok(result) = thread.join() {
            result?;
        }
    }
    tracing::info!("stopped");
    Ok(())
}

/// Installed explicitly, since PID 1 has no default action: without it a container's stop waits its whole timeout.
async fn stop_signal() -> io::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}

/// Returns when the server is told to stop. A sender that is gone is a stop too.
async fn told_to_stop(stopped: &mut watch::Receiver<bool>) {
    // The guard that is returned must not live across an await: it is not Send.
    drop(stopped.wait_for(|stop| *stop).await);
}

fn listen(addr: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    // Ten thousand users may connect within seconds; the kernel cuts this to net.core.somaxconn.
    socket.listen(4096)?;
    Ok(socket.into())
}
