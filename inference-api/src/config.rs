//! Command line and environment.

use std::{net::SocketAddr, num::NonZeroUsize, path::PathBuf};

use clap::{Args, Parser, Subcommand};

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
    Serve(ServeOptions),
    /// The ONNX Runtime library that models run on.
    #[command(subcommand)]
    Runtime(RuntimeCommand),
    /// Exit with 0 if the server at ADDR is ready, else with 1: for HEALTHCHECK in images that hold no curl.
    Healthcheck {
        /// Where the server listens.
        #[arg(default_value = "127.0.0.1:8000")]
        addr: SocketAddr,
    },
}

/// `inference-api runtime …`.
#[derive(Debug, Subcommand)]
pub enum RuntimeCommand {
    /// Put the pinned library into the cache, through pip or uv, checked by hash, and print its path.
    Install {
        /// Put it into this folder instead of the cache.
        #[arg(long)]
        dir: Option<PathBuf>,
    },
    /// Print the path of the library that `serve` would use.
    Path,
}

/// `inference-api serve …`.
#[derive(Debug, Clone, Args)]
pub struct ServeOptions {
    /// The ONNX file. A sidecar beside it (the same name, .json) adds feature names, class labels and an example.
    #[arg(long, env = "INFERENCE_MODEL")]
    pub model: PathBuf,

    /// Address and port to listen on.
    #[arg(long, env = "INFERENCE_BIND", default_value = "127.0.0.1:8000")]
    pub bind: SocketAddr,

    /// Threads, each with a session of its own [default: min(ceil(CPU quota), CPU affinity), at least 1].
    #[arg(long, env = "INFERENCE_WORKERS")]
    pub workers: Option<NonZeroUsize>,

    /// The largest request body accepted, in bytes; a larger one is answered with 413.
    #[arg(long, env = "INFERENCE_MAX_BODY_BYTES", default_value_t = 8 << 20)]
    pub max_body_bytes: usize,

    /// Seconds that a client is given to send the head of a request, from its first byte.
    #[arg(long, env = "INFERENCE_HEAD_SECONDS", default_value_t = 10)]
    pub head_seconds: u64,

    /// What the x-replica response header says [default: $REPLICA_NAME, else the host name].
    #[arg(long, env = "REPLICA_NAME")]
    pub replica_name: Option<String>,

    /// Seconds that requests in flight are given to finish after SIGTERM.
    #[arg(long, env = "INFERENCE_DRAIN_SECONDS", default_value_t = 10)]
    pub drain_seconds: u64,

    /// Log filter: error, warn, info, debug, trace.
    #[arg(long, env = "INFERENCE_LOG", default_value = "info")]
    pub log: String,
}

impl ServeOptions {
    /// The name this replica gives itself in the `x-replica` header.
    pub fn replica(&self) -> String {
        let from_host = || std::fs::read_to_string("/proc/sys/kernel/hostname").map(|h| h.trim().to_owned());
        self.replica_name.clone().or_else(|| from_host().ok()).unwrap_or_else(|| "unnamed".to_owned())
    }

    /// Worker threads: what was asked for, or what the CPU quota and the affinity of this process allow. ONNX Runtime
    /// and most thread pools count the host's cores instead, and then stall in every quota period.
    pub fn worker_count(&self) -> usize {
        self.workers.map_or_else(num_cpus::get, NonZeroUsize::get).max(1)
    }
}
