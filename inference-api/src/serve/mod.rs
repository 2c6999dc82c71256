//! The server: a thread a worker, each with its own runtime, session and routes; one listening
//! socket.

mod accept;
mod access;
mod bodies;
mod check;
mod connection;
pub mod guardian;
mod healthcheck;
mod live;
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

/// Why the server did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// No ONNX Runtime.
    #[error(transparent)]
    Runtime(#[from] runtime::NotFound),
    /// It does not load.
    #[error(transparent)]
    Library(#[from] LoadError),
    /// A model cannot be served.
    #[error(transparent)]
    Model(#[from] RepositoryError),
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
            patience: connection::Patience {
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
    // A registry may take minutes, in which the server can be asked how it is, and told to stop.
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

/// Loads the models on a thread of its own.
fn load(repository: Arc<Repository>) -> io::Result<oneshot::Receiver<Result<(), RepositoryError>>> {
    let (loaded, loading) = oneshot::channel();
    std::thread::Builder::new().name("loader".to_owned()).spawn(move || {
        // Nobody waits for it any more if the server was told to stop.
        let _ = loaded.send(repository.load_all());
    })?;
    Ok(loading)
}

/// Installed explicitly, since PID 1 has no default action: without it a container's stop waits its
/// whole timeout.
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
