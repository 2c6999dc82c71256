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

/// Serves an ONNX model over HTTP.
#[derive(Debug, Parser)]
#[command(name = "inference-api", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve a model until SIGTERM or SIGINT, then drain.
    Serve(Box<ServeOptions>),
    /// The ONNX Runtime library that models run on.
    #[command(subcommand)]
    Runtime(RuntimeCommand),
    /// Load models as `serve` would, run their examples, and say what they take: exit with 0 if
    /// they can be served and take their own examples.
    Check {
        /// An ONNX file, a folder of versions (1/model.onnx, 2/model.onnx, …) or a folder of such
        /// folders: of a folder, the newest version of each model is checked.
        model: PathBuf,
        /// Sessions to open.
        #[arg(long, default_value = "1")]
        workers: NonZeroUsize,
        /// Be the first that the kernel kills where memory runs out, and find out no more than
        /// whether it loads: how a server tries a file before it takes over.
        #[arg(long)]
        expendable: bool,
    },
    /// Exit with 0 if the server at ADDR is ready, else with 1: for HEALTHCHECK in images that hold
    /// no curl.
    Healthcheck {
        /// Where the server listens; of one that listens everywhere (`0.0.0.0` or `[::]`), this
        /// machine's own address is asked.
        #[arg(env = "INFERENCE_BIND", default_value = "127.0.0.1:8000", value_parser = address::parse)]
        addr: SocketAddr,
    },
}

/// `inference-api runtime …`.
#[derive(Debug, Subcommand)]
pub enum RuntimeCommand {
    /// Put the pinned library into the cache, through pip or uv, checked by hash, and print its
    /// path.
    Install {
        /// Put it into this folder instead of the cache.
        #[arg(long)]
        dir: Option<PathBuf>,
    },
    /// Print the path of the library that `serve` would use.
    Path,
}

/// Who may change what is served. The names are Triton's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ControlMode {
    /// Nobody.
    None,
    /// Whoever changes the files.
    Poll,
    /// Clients, through the repository extension.
    Explicit,
}

/// What log lines look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// `inference-api serve …`.
#[derive(Debug, Clone, Args)]
pub struct ServeOptions {
    /// A TOML file whose keys are these flags; a flag stands over a variable, a variable over the
    /// file.
    #[arg(long, env = "INFERENCE_CONFIG")]
    pub config: Option<PathBuf>,

    /// What to serve: an ONNX file, a folder of versions (1/model.onnx, 2/model.onnx, …), a folder
    /// of such folders, or what an MLflow registry (MLFLOW_TRACKING_URI) has as models:/NAME/3,
    /// models:/NAME@ALIAS or models:/NAME/latest. NAME= before it serves it under another name.
    /// Several may be given; POST /predict is about the first. A sidecar beside an ONNX file (the
    /// same name, .json) adds feature names, class labels and an example.
    #[arg(long, env = "INFERENCE_MODEL", required = true, value_delimiter = ',')]
    pub model: Vec<Source>,

    /// Which versions of a folder are served: all, latest, or latest:N.
    #[arg(long, env = "INFERENCE_VERSION_POLICY", default_value = "latest")]
    pub version_policy: VersionPolicy,

    /// Whether what is served may change: not at all; when its files change (poll); or when a
    /// client says so, with /v2/repository/models/NAME/load and unload (explicit).
    #[arg(long, env = "INFERENCE_MODEL_CONTROL_MODE", default_value = "none")]
    pub model_control_mode: ControlMode,

    /// Seconds between two looks at the files, with --model-control-mode poll.
    #[arg(long, env = "INFERENCE_REPOSITORY_POLL_SECS", default_value = "15")]
    pub repository_poll_secs: NonZeroU64,

    /// Address or name, and port, to listen on. In a container use the variable: the image's health
    /// check reads it, and not this flag.
    #[arg(long, env = "INFERENCE_BIND", default_value = "127.0.0.1:8000", value_parser = address::parse)]
    pub bind: SocketAddr,

    /// The most rows that are put together from several requests for one run of a model; 1 for none
    /// [default: 64 for models that gain by it, found out when they are loaded; none for others].
    #[arg(long, env = "INFERENCE_MAX_BATCH_SIZE")]
    pub max_batch_size: Option<NonZeroUsize>,

    /// How long the oldest request of a batch waits for others, in microseconds. At 0 a batch is
    /// what came while the model ran.
    #[arg(long, env = "INFERENCE_MAX_QUEUE_DELAY_MICROSECONDS", default_value_t = 0)]
    pub max_queue_delay_microseconds: u64,

    /// Requests that may wait for one worker; a further one is answered with --queue-full-status
    /// [default: no bound].
    #[arg(long, env = "INFERENCE_MAX_QUEUE_SIZE")]
    pub max_queue_size: Option<NonZeroUsize>,

    /// What a request is answered with that finds the queue full.
    #[arg(long, env = "INFERENCE_QUEUE_FULL_STATUS", default_value_t = 503, value_parser = queue_full_status)]
    pub queue_full_status: u16,

    /// Milliseconds from when a request was read until its answer; one that is still waiting then
    /// is answered with 504. What waits unread while a model runs is not counted, and a run that
    /// has begun is not cut off [default: no bound].
    #[arg(long, env = "INFERENCE_REQUEST_TIMEOUT_MS")]
    pub request_timeout_ms: Option<NonZeroU64>,

    /// Threads, each with a session of its own [default: min(ceil(CPU quota), CPU affinity), at
    /// least 1].
    #[arg(long, env = "INFERENCE_WORKERS")]
    pub workers: Option<NonZeroUsize>,

    /// The largest request body accepted, in bytes; a larger one is answered with 413.
    #[arg(long, env = "INFERENCE_MAX_BODY_BYTES", default_value_t = 8 << 20)]
    pub max_body_bytes: usize,

    /// What clients have to show, as Authorization: Bearer KEY or X-API-Key: KEY, on every path but
    /// those that tell how the server is [default: nothing].
    #[arg(long, env = "INFERENCE_API_KEY", hide_env_values = true, value_parser = NonEmptyStringValueParser::new())]
    pub api_key: Option<String>,

    /// Makes every request take a time drawn from expovariate(RATE), uniform(A,B) or
    /// constant(SECONDS), for queueing experiments.
    #[arg(long, env = "INFERENCE_SERVICE_TIME")]
    pub service_time: Option<Distribution>,

    /// Whether a request occupies one of the workers while it takes that time (sync), or nothing
    /// (async).
    #[arg(long, env = "INFERENCE_SERVICE_MODE", default_value = "sync")]
    pub service_mode: Mode,

    /// Makes the drawn times repeatable [default: other ones every time].
    #[arg(long, env = "INFERENCE_SERVICE_SEED")]
    pub service_seed: Option<u64>,

    /// Seconds that a client is given to send the head of a request, from its first byte.
    #[arg(long, env = "INFERENCE_HEAD_SECONDS", default_value_t = 10)]
    pub head_seconds: u64,

    /// Seconds that a client is given to send a request's body, and to take a part of an answer.
    #[arg(long, env = "INFERENCE_BODY_SECONDS", default_value_t = 30)]
    pub body_seconds: u64,

    /// What the x-replica response header says [default: $REPLICA_NAME, else the host name].
    #[arg(long, env = "REPLICA_NAME")]
    pub replica_name: Option<String>,

    /// Seconds that requests in flight are given to finish after SIGTERM.
    #[arg(long, env = "INFERENCE_DRAIN_SECONDS", default_value_t = 10)]
    pub drain_seconds: u64,

    /// Start the server again when a signal ended it: a request can make a model end the process,
    /// or take all memory. Serves from a process of its own for that.
    #[arg(long, env = "INFERENCE_RESPAWN", num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true")]
    pub respawn: bool,

    /// What is logged: off, error, warn, info, debug or trace, also for a part: info,access=debug
    /// logs every request.
    #[arg(long, env = "INFERENCE_LOG", default_value = "info", value_parser = logging::filter)]
    pub log: String,

    /// How it is logged: lines for people, or an object a line.
    #[arg(long, env = "INFERENCE_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

/// Enough for what models gain by batches.
const MAX_BATCH_SIZE: usize = 64;

fn queue_full_status(text: &str) -> Result<u16, String> {
    match text {
        "503" => Ok(503),
        "429" => Ok(429),
        _ => Err("expected 503 or 429".to_owned()),
    }
}

impl Settings {
    /// How models are served where nobody says otherwise, with so many workers.
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
    /// How models are served, with so many workers.
    pub fn repository(&self, workers: usize) -> Settings {
        let (max_queue_size, timeout) = self.bounds();
        // Where service takes a time of its own, that is what requests wait for, and where they are
        // bounded.
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

    /// How many requests may wait, and how long.
    fn bounds(&self) -> (Option<usize>, Option<Duration>) {
        let timeout = self.request_timeout_ms.map(|ms| Duration::from_millis(ms.get()));
        (self.max_queue_size.map(NonZeroUsize::get), timeout)
    }

    /// The synthetic service that was asked for, with so many workers.
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

    /// The name this replica gives itself in the `x-replica` header.
    pub fn replica(&self) -> String {
        let from_host =
            || std::fs::read_to_string("/proc/sys/kernel/hostname").map(|h| h.trim().to_owned());
        self.replica_name
            .clone()
            .or_else(|| from_host().ok())
            .unwrap_or_else(|| "unnamed".to_owned())
    }

    /// Worker threads: what was asked for, or what the CPU quota and the affinity of this process
    /// allow. ONNX Runtime and most thread pools count the host's cores instead, and then stall in
    /// every quota period.
    pub fn worker_count(&self) -> usize {
        self.workers.map_or_else(num_cpus::get, NonZeroUsize::get).max(1)
    }
}
