//! Server: one listening socket, and a thread per worker with its own runtime, session and routes.

mod accept;
mod access;
mod bodies;
mod check;
mod connection;
pub mod guardian;
mod healthcheck;
mod live;
mod shared;
mod socket;
mod stop;
mod unread;
mod worker;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, mpsc},
    time::Duration,
};

use axum::http::{HeaderValue, StatusCode};
use socket2::{Domain, Socket, Type};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{oneshot, watch},
};

pub use check::{Checked, check};
pub use healthcheck::healthcheck;

use crate::{
    config::{ControlMode, ServeOptions},
    http::{ApiKey, Phase, Server},
    metrics::Metrics,
    model::{LoadError, Runtime},
    repository::{self, Repository, RepositoryError},
    runtime,
};

/// Reasons why the server did not start, or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Missing ONNX Runtime library.
    #[error(transparent)]
    Runtime(#[from] runtime::NotFound),
    /// Library that does not load.
    #[error(transparent)]
    Library(#[from] LoadError),
    /// Model that cannot be served.
    #[error(transparent)]
    Model(#[from] RepositoryError),
    /// Listening address that is in use or not local.
    #[error("cannot listen on {addr}: {source}\n  help: choose another with --bind")]
    Bind {
        /// Address.
        addr: SocketAddr,
        /// Error of the operating system.
        source: io::Error,
    },
    /// Replica name with characters that are invalid in a header.
    #[error("--replica-name {0:?} cannot be sent in a header; use printable ASCII")]
    ReplicaName(String),
    /// Thread, signal handler or event loop that the system refused.
    #[error("cannot start: {0}")]
    Start(#[from] io::Error),
}

/// Serves until SIGTERM or SIGINT, then drains requests in flight for up to `drain_seconds`.
///
/// # Errors
/// Returns an error if the library, a model or the address is not usable.
pub fn run(options: &ServeOptions) -> Result<(), ServeError> {
    let name = options.replica();
    let replica =
        HeaderValue::from_str(&name).map_err(|_| ServeError::ReplicaName(name.clone()))?;
    let onnxruntime = Runtime::load(&runtime::locate()?)?;
    let workers = options.worker_count();
    let settings = options.repository(workers);
    let repository = Arc::new(Repository::new(onnxruntime, options.model.clone(), settings));

    let listener =
        listen(options.bind).map_err(|source| ServeError::Bind { addr: options.bind, source })?;
    let addr = listener.local_addr()?;
    let server = Arc::new(Server {
        repository: Arc::clone(&repository),
        metrics: Metrics::new(Arc::clone(&repository)),
        phase: Phase::default(),
        replica: name,
        workers,
        max_body_bytes: options.max_body_bytes,
        api_key: options.api_key.as_deref().map(ApiKey::new),
        service_time: options.synthetic_service(workers),
        queue_full: StatusCode::from_u16(options.queue_full_status)
            .unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
        explicit_control: options.model_control_mode == ControlMode::Explicit,
    });
    let (stop, stopped) = watch::channel(false);
    let mut threads = Vec::with_capacity(workers);
    for index in 0..workers {
        let work = worker::Work {
            listener: listener.try_clone()?,
            index,
            server: Arc::clone(&server),
            replica: replica.clone(),
            patience: shared::Patience {
                head: Duration::from_secs(options.head_seconds),
                body: Duration::from_secs(options.body_seconds),
            },
            stopped: stopped.clone(),
            drain: Duration::from_secs(options.drain_seconds),
        };
        threads.push(
            std::thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn(move || work.run())?,
        );
    }
    drop(listener);

    let signals = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut stopping = Box::pin(stop_signal());
    // Loading from a registry may take minutes, during which health checks and signals must work.
    let loading = load(Arc::clone(&repository))?;
    let signal = signals.block_on(async {
        tokio::select! {
            loaded = loading => match loaded {
                Ok(loaded) => loaded.map(|()| None).map_err(ServeError::from),
                Err(_) => Err(ServeError::Start(io::Error::other("the models' loading ended by a \
                    fault of ours"))),
            },
            signal = &mut stopping => Ok(Some(signal?)),
        }
    })?;
    if signal.is_none() {
        server.phase.ready();
        let models =
            server.repository.catalog().all().map(|s| s.to_string()).collect::<Vec<_>>().join(",");
        tracing::info!(%addr, workers, models, "serving");
    }
    let (watching, watched) = mpsc::channel::<()>();
    if options.model_control_mode == ControlMode::Poll {
        let period = Duration::from_secs(options.repository_poll_secs.get());
        std::thread::Builder::new()
            .name("repository".to_owned())
            .spawn(move || repository::watch(&repository, period, &watched))?;
    }
    let signal = match signal {
        Some(signal) => signal,
        None => signals.block_on(stopping)?,
    };
    tracing::info!(signal, "draining");
    server.phase.drain();
    drop(watching);
    // Workers hold receivers until they end; if all have ended, there is nothing to send.
    let _ = stop.send(true);
    for thread in threads {
        if let Ok(result) = thread.join() {
            result?;
        }
    }
    tracing::info!("stopped");
    Ok(())
}

/// Loads the models on a separate thread.
fn load(repository: Arc<Repository>) -> io::Result<oneshot::Receiver<Result<(), RepositoryError>>> {
    let (loaded, loading) = oneshot::channel();
    std::thread::Builder::new().name("loader".to_owned()).spawn(move || {
        // The receiver is gone if the server was stopped meanwhile.
        let _ = loaded.send(repository.load_all());
    })?;
    Ok(loading)
}

/// Waits for SIGTERM or SIGINT and returns its name.
///
/// PID 1 has no default action: without a handler, stopping a container takes its whole timeout.
async fn stop_signal() -> io::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}

/// Waits until the server must stop; a dropped sender counts as a stop.
async fn told_to_stop(stopped: &mut watch::Receiver<bool>) {
    // The returned guard must not live across an await: it is not Send.
    drop(stopped.wait_for(|stop| *stop).await);
}

fn listen(addr: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    // Ten thousand users may connect within seconds; the kernel caps this at net.core.somaxconn.
    socket.listen(4096)?;
    Ok(socket.into())
}
