//! The flags of `loadgen sweep`.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use loadtest::{
    slo::Slo,
    workload::{WaitTime, parse_run_time},
};
use orchestrator::{Choice, Pull, docker::Attachment};
use sizing::trial::{Headroom, Minimize, Mode};

use crate::cli::payload::PayloadOptions;
use crate::{output::Price, runner::Pin};

/// `loadgen sweep …`.
#[derive(Debug, Args)]
pub(in crate::cli) struct SweepOptions {
    /// Mode of the sweep. minimal: smallest limits that hold --max-users; demand: least CPU for
    /// each step of users, in one service; capacity: most users, up to --max-users, that the
    /// largest limits hold; frontier: smallest limits, and the CPU that less memory costs; grid:
    /// every point, those near the edge three times.
    #[arg(long, value_enum, default_value_t)]
    pub(super) mode: Mode,

    /// Number of users to hold.
    #[arg(
        long,
        default_value_t = 10_000,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000),
    )]
    pub(super) max_users: u32,

    /// Users added in each step of a ramp or of a demand sweep.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) step: u32,

    /// Backend for the replicas: auto, docker or process. auto is process if CPU and memory limits
    /// can be written, else docker; with --image it is docker.
    #[arg(long, default_value = "auto")]
    pub(super) orchestrator: Choice,

    /// Image to size [default with --orchestrator docker: inference-api].
    #[arg(long)]
    pub(super) image: Option<String>,

    /// Pull policy of the image: always, missing (if it is not present) or never; credentials come
    /// from Docker's own config.
    #[arg(long, default_value = "missing", value_parser = parse_pull)]
    pub(super) pull: Pull,

    /// Size a running Compose service in place, compose:PROJECT/SERVICE: its containers get other
    /// limits, and copies are added as needed. The original state is restored at the end; after a
    /// kill, by loadgen clean.
    #[arg(
        long,
        value_name = "SERVICE",
        conflicts_with_all = ["image", "model", "env", "mount", "orchestrator"],
    )]
    pub(super) attach: Option<Attachment>,

    /// Port of the program in the image [default: 8000; with --attach, the port that the container
    /// exposes].
    #[arg(long)]
    pub(super) port: Option<u16>,

    /// ONNX file to serve [default without --image: models/iris.onnx]; with an image it is mounted
    /// read-only.
    #[arg(long)]
    pub(super) model: Option<PathBuf>,

    /// Environment variable for every replica, NAME=VALUE; repeatable.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_variable)]
    pub(super) env: Vec<(String, String)>,

    /// File or folder to mount read-only into every container, HERE:INSIDE; repeatable.
    #[arg(long, value_name = "HERE:INSIDE", value_parser = parse_mount)]
    pub(super) mount: Vec<(PathBuf, PathBuf)>,

    /// Command instead of the image's CMD, with shell quoting: "serve --port 8000". {addr} stands
    /// for the address to listen on.
    #[arg(long, value_name = "WORDS", conflicts_with = "attach")]
    pub(super) command: Option<String>,

    /// Kernel capability for every container, for instance CHOWN; repeatable [default: none].
    #[arg(long, value_name = "NAME", value_parser = parse_capability, conflicts_with = "attach")]
    pub(super) cap_add: Vec<String>,

    /// User of every container, USER or USER:GROUP [default: the image's].
    #[arg(long, conflicts_with = "attach")]
    pub(super) user: Option<String>,

    /// Path that answers GET with 2xx when a replica is ready.
    #[arg(long, default_value = "/health")]
    pub(super) ready_path: String,

    /// Longest time until a replica is ready, for instance 2m. Small limits slow down a start;
    /// limits under which it is not ready in time do not hold.
    #[arg(long, default_value = "30s", value_parser = parse_run_time)]
    pub(super) ready_timeout: Duration,

    #[command(flatten)]
    pub(super) payload: PayloadOptions,

    /// Objective to hold.
    #[arg(long, default_value = "p95<100ms,failures<0.1%,rate>=95%")]
    pub(super) slo: Slo,

    /// Think time between a user's requests.
    #[arg(long, default_value = "between(1, 2.5)")]
    pub(super) wait_time: WaitTime,

    /// Replica counts to size, separated by commas.
    #[arg(
        long,
        value_delimiter = ',',
        default_values_t = [1, 2, 4],
        value_parser = clap::value_parser!(u32).range(1..=256),
    )]
    pub(super) replicas: Vec<u32>,

    /// CPU limits to try, min:max:step in processors, or one limit [default: 0.05 up to the host's
    /// CPU beside the generator].
    #[arg(long)]
    pub(super) cpus: Option<String>,

    /// Memory limits to try, min:max:step, or one limit [default: 32Mi:1Gi:16Mi].
    #[arg(long)]
    pub(super) memory: Option<String>,

    /// Quantity to minimize among several answers: cost (by the prices), cpu, memory or replicas.
    #[arg(long, value_enum, default_value_t)]
    pub(super) minimize: Minimize,

    /// Share of fresh starts that hold the objective at the answer, above 0.5 and below 1.
    #[arg(long, default_value_t = 0.95, value_parser = parse_confidence)]
    pub(super) confidence: f64,

    /// Headroom above the minimum in the manifests, for instance cpu=20%,memory=15%; rounded up to
    /// a rung and confirmed by a fresh trial.
    #[arg(long, default_value = "cpu=0%,memory=0%", hide_default_value = true)]
    pub(super) headroom: Headroom,

    /// Price of a processor with currency and period, for instance "31.5 USD/month"; needs
    /// --memory-price [default: 1, without a unit].
    #[arg(long)]
    pub(super) cpu_price: Option<Price>,

    /// Price of a GiB of memory, in the same currency [default: 0.11, without a unit].
    #[arg(long)]
    pub(super) memory_price: Option<Price>,

    /// Processor pinning: auto separates the generator from the replicas, none does not, 2,3 gives
    /// these to the generator and the others to the replicas.
    #[arg(long, default_value = "auto")]
    pub(super) pin: Pin,

    /// Largest CPU steal (percent) in a valid trial; a pass is valid with any. Raise it on busy
    /// shared machines at the price of a less reliable answer.
    #[arg(long, default_value_t = 2.0, value_parser = parse_percent)]
    pub(super) max_steal: f64,

    /// Seed of think times; sweeps with the same seed and load have the same schedule.
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,

    /// Largest number of trials; what is confirmed by then is the answer.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) max_trials: Option<u32>,

    /// Time after which no trial begins, for instance 20m; what is confirmed by then is the answer.
    #[arg(long, value_parser = parse_run_time)]
    pub(super) max_duration: Option<Duration>,

    /// Show no progress, only the result.
    #[arg(short, long)]
    pub(super) quiet: bool,

    /// Write every event as a line of JSON to this file; - for standard output.
    #[arg(long, value_name = "FILE")]
    pub(super) events: Option<PathBuf>,

    /// Folder for the results [default: sweep-ID in the current folder].
    #[arg(long)]
    pub(super) out: Option<PathBuf>,

    /// Continue the sweep in this folder with its options; options given here override them.
    #[arg(long, value_name = "DIR")]
    pub(super) resume: Option<PathBuf>,

    /// Options that were set by flag, variable or file.
    #[arg(skip)]
    pub(in crate::cli) set: toml::Table,
}

fn parse_pull(text: &str) -> Result<Pull, String> {
    match text {
        "always" => Ok(Pull::Always),
        "missing" => Ok(Pull::Missing),
        "never" => Ok(Pull::Never),
        _ => Err("always, missing or never".to_owned()),
    }
}

fn parse_capability(text: &str) -> Result<String, String> {
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("CAP_").unwrap_or(&name).to_owned();
    let is_name =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    if is_name {
        Ok(name)
    } else {
        Err("a capability, for instance CHOWN or NET_BIND_SERVICE".to_owned())
    }
}

fn parse_percent(text: &str) -> Result<f64, String> {
    let percent =
        text.trim_end_matches('%').parse().ok().filter(|percent| (0.0..=100.0).contains(percent));
    percent.ok_or_else(|| "a percentage from 0 to 100".to_owned())
}

fn parse_variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("NAME=VALUE".to_owned()),
    }
}

fn parse_mount(text: &str) -> Result<(PathBuf, PathBuf), String> {
    let text = text.strip_suffix(":ro").unwrap_or(text);
    match text.rsplit_once(':') {
        Some((here, inside)) if !here.is_empty() && inside.starts_with('/') => {
            let here = PathBuf::from(here).canonicalize().map_err(|e| format!("{here}: {e}"))?;
            Ok((here, PathBuf::from(inside)))
        }
        _ => Err("HERE:INSIDE, for instance ./models:/models".to_owned()),
    }
}

pub(in crate::cli) fn parse_confidence(text: &str) -> Result<f64, String> {
    let confidence = text.parse().ok().filter(|confidence| *confidence > 0.5 && *confidence < 1.0);
    confidence.ok_or_else(|| "a share above 0.5 and below 1, for instance 0.95".to_owned())
}
