//! Command line and environment.

use std::{
    net::SocketAddr,
    num::{NonZeroU64, NonZeroUsize},
    path::PathBuf,
    time::Duration,
};

use clap::{Args, Parser, Subcommand, ValueEnum, builder::NonEmptyStringValueParser};

use crate::{
    address, logging,
    repository::{Queueing, Settings, Source, VersionPolicy},
    service_time::{Distribution, Mode, ServiceTime},
};

/// HTTP server for ONNX models.
#[derive(Debug, Parser)]
#[command(name = "inference-api", version, about)]
pub struct Cli {
    /// Subcommand.
    #[command(subcommand)]
    pub command: Command,
}

/// Subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve models until SIGTERM or SIGINT, then drain.
    Serve(Box<ServeOptions>),
    /// Install or locate the ONNX Runtime library.
    #[command(subcommand)]
    Runtime(RuntimeCommand),
    /// Load models as `serve` would, run their examples and print a summary.
    ///
    /// Exits with 0 if all models can be served and accept their own examples.
    Check {
        /// ONNX file, folder of versions (1/model.onnx, 2/model.onnx, …) or folder of such folders.
        /// In a folder, the newest version of each model is checked.
        model: PathBuf,
        /// Number of sessions to open per model.
        #[arg(long, default_value = "1")]
        workers: NonZeroUsize,
        /// Require only that the models load, and be the kernel's first choice to kill when memory
        /// runs out. A running server checks a new file this way before serving it.
        #[arg(long)]
        expendable: bool,
    },
    /// Exit with 0 if the server at ADDR is ready, else with 1.
    ///
    /// Intended for HEALTHCHECK in images without curl.
    Healthcheck {
        /// Address of the server. For one that listens on all addresses (`0.0.0.0` or `[::]`), the
        /// loopback address is used.
        #[arg(
            env = "INFERENCE_BIND",
            default_value = "127.0.0.1:8000",
            value_parser = address::parse,
        )]
        addr: SocketAddr,
    },
}

/// Subcommands of `inference-api runtime`.
#[derive(Debug, Subcommand)]
pub enum RuntimeCommand {
    /// Install the pinned library into the cache with pip or uv, check its hash and print its path.
    Install {
        /// Install into this folder instead of the cache.
        #[arg(long)]
        dir: Option<PathBuf>,
    },
    /// Print the path of the library that `serve` would use.
    Path,
}

/// Mode of changing the served models. The names are Triton's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ControlMode {
    /// Never change the served models.
    None,
    /// Follow changes of the sources.
    Poll,
    /// Load and unload models on request, through the repository extension.
    Explicit,
}

/// Options of `inference-api serve`.
#[derive(Debug, Clone, Args)]
pub struct ServeOptions {
    /// Models to serve: an ONNX file, a folder of versions (1/model.onnx, 2/model.onnx, …), a
    /// folder of such folders, or a model of an MLflow registry (MLFLOW_TRACKING_URI):
    /// models:/NAME/3, models:/NAME@ALIAS or models:/NAME/latest.
    ///
    /// NAME= before a source serves it under another name. Several sources may be given; POST
    /// /predict uses the first. A sidecar beside an ONNX file (same name, .json) adds feature
    /// names, class labels and an example.
    #[arg(long, required = true, value_delimiter = ',')]
    pub model: Vec<Source>,

    /// Versions of a folder to serve: all, latest, or latest:N.
    #[arg(long, default_value = "latest")]
    pub version_policy: VersionPolicy,

    /// Trigger for changing the served models: nothing (none), changes of their sources (poll), or
    /// client requests to /v2/repository/models/NAME/load and unload (explicit).
    #[arg(long, default_value = "none")]
    pub model_control_mode: ControlMode,

    /// Seconds between two checks of the sources, with --model-control-mode poll.
    #[arg(long, default_value = "15")]
    pub repository_poll_secs: NonZeroU64,

    /// Address or name, and port, to listen on. In a container, set the variable instead: the
    /// image's health check reads it, not this flag.
    #[arg(long, default_value = "127.0.0.1:8000", value_parser = address::parse)]
    pub bind: SocketAddr,

    /// Largest batch, in rows, formed from several requests; 1 disables batching [default: 64 for
    /// models that gain from it, measured at load; 1 for others].
    #[arg(long)]
    pub max_batch_size: Option<NonZeroUsize>,

    /// Longest time that the oldest request of a batch waits for others, in microseconds. At 0, a
    /// batch holds the requests that arrived while the model ran.
    #[arg(long, default_value_t = 0)]
    pub max_queue_delay_microseconds: u64,

    /// Largest number of requests that wait for one worker; a further one is answered with
    /// --queue-full-status [default: no limit].
    #[arg(long)]
    pub max_queue_size: Option<NonZeroUsize>,

    /// Status for a request that finds the queue full: 503 or 429.
    #[arg(long, default_value_t = 503, value_parser = queue_full_status)]
    pub queue_full_status: u16,

    /// Longest time from reading a request to its response, in milliseconds; a request still
    /// waiting then is answered with 504. Time that a request waits unread while a model runs does
    /// not count, and a started run is not aborted [default: no limit].
    #[arg(long)]
    pub request_timeout_ms: Option<NonZeroU64>,

    /// Number of worker threads, each with its own session [default: min(ceil(CPU quota), CPU
    /// affinity), at least 1].
    #[arg(long)]
    pub workers: Option<NonZeroUsize>,

    /// Largest request body, in bytes; a larger one is answered with 413.
    #[arg(long, default_value_t = 8 << 20)]
    pub max_body_bytes: usize,

    /// Key that clients must send, as Authorization: Bearer KEY or X-API-Key: KEY. Health checks,
    /// server metadata and API documentation need no key [default: no key].
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    pub api_key: Option<String>,

    /// Distribution of a synthetic service time for queueing experiments: expovariate(RATE),
    /// uniform(A,B) or constant(SECONDS).
    #[arg(long)]
    pub service_time: Option<Distribution>,

    /// Resource occupied during the synthetic service time: a worker (sync) or nothing (async).
    #[arg(long, default_value = "sync")]
    pub service_mode: Mode,

    /// Seed of the synthetic service times [default: random].
    #[arg(long)]
    pub service_seed: Option<u64>,

    /// Longest time for a client to send the head of a request, in seconds from its first byte.
    #[arg(long, default_value_t = 10)]
    pub head_seconds: u64,

    /// Longest time for a client to send a body or accept a part of a response, in seconds.
    #[arg(long, default_value_t = 30)]
    pub body_seconds: u64,

    /// Value of the x-replica response header [default: $REPLICA_NAME, else the host name].
    #[arg(long, env = "REPLICA_NAME")]
    pub replica_name: Option<String>,

    /// Longest time for requests in flight to finish after SIGTERM, in seconds.
    #[arg(long, default_value_t = 10)]
    pub drain_seconds: u64,

    /// Restart the server when a signal ends it: a request can make a model crash the process or
    /// exhaust memory. Runs the server in a child process.
    #[arg(long)]
    pub respawn: bool,

    /// Log level: off, error, warn, info, debug or trace, also per part. For example,
    /// info,access=debug logs every request.
    #[arg(long, default_value = "info", value_parser = logging::filter)]
    pub log: String,

    /// Log format: lines for people, or one JSON object per line.
    #[arg(long, default_value = "text")]
    pub log_format: logging::LogFormat,
}

/// Largest batch by default, in rows: enough for the gain that models have from batching.
const MAX_BATCH_SIZE: usize = 64;

fn queue_full_status(text: &str) -> Result<u16, String> {
    match text {
        "503" => Ok(503),
        "429" => Ok(429),
        _ => Err("expected 503 or 429".to_owned()),
    }
}

impl Settings {
    /// Returns the default settings with `workers` workers.
    pub fn with_workers(workers: usize) -> Self {
        let queueing = Queueing {
            max_batch_size: MAX_BATCH_SIZE,
            max_queue_delay: Duration::ZERO,
            max_queue_size: None,
            timeout: None,
        };
        Self { policy: VersionPolicy::Latest(1), workers, queueing, max_batch_size: None }
    }
}

impl ServeOptions {
    /// Returns the model settings with `workers` workers.
    pub fn repository(&self, workers: usize) -> Settings {
        let (max_queue_size, timeout) = self.bounds();
        // With a synthetic service time, requests wait for it, and its own queue has the limits.
        let is_synthetic = self.service_time.is_some();
        Settings {
            policy: self.version_policy,
            workers,
            queueing: Queueing {
                max_batch_size: MAX_BATCH_SIZE,
                max_queue_delay: Duration::from_micros(self.max_queue_delay_microseconds),
                max_queue_size: max_queue_size.filter(|_| !is_synthetic),
                timeout: timeout.filter(|_| !is_synthetic),
            },
            max_batch_size: self.max_batch_size.map(NonZeroUsize::get),
        }
    }

    /// Returns the limits on the number of waiting requests and on their time.
    fn bounds(&self) -> (Option<usize>, Option<Duration>) {
        let timeout = self.request_timeout_ms.map(|ms| Duration::from_millis(ms.get()));
        (self.max_queue_size.map(NonZeroUsize::get), timeout)
    }

    /// Creates the requested synthetic service with `workers` workers.
    pub fn synthetic_service(&self, workers: usize) -> Option<ServiceTime> {
        let (max_queue_size, timeout) = self.bounds();
        let seed = self.service_seed.unwrap_or_else(rand::random);
        self.service_time.map(|distribution| {
            ServiceTime::new(
                distribution,
                self.service_mode,
                workers,
                seed,
                max_queue_size,
                timeout,
            )
        })
    }

    /// Returns the replica's name for the `x-replica` header.
    pub fn replica(&self) -> String {
        let from_host =
            || std::fs::read_to_string("/proc/sys/kernel/hostname").map(|h| h.trim().to_owned());
        self.replica_name
            .clone()
            .or_else(|| from_host().ok())
            .unwrap_or_else(|| "unnamed".to_owned())
    }

    /// Returns the number of worker threads: the given one, or what CPU quota and affinity allow.
    ///
    /// ONNX Runtime and most thread pools count the host's cores instead. They then stall in every
    /// quota period.
    pub fn worker_count(&self) -> usize {
        self.workers.map_or_else(num_cpus::get, NonZeroUsize::get).max(1)
    }
}
