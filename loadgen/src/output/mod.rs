//! Views of results; they measure and decide nothing.

mod charts;
mod compare;
pub mod console;
mod journal;
mod manifests;
mod numbers;
mod prometheus;
mod run;
mod sweep;
mod tables;

pub use compare::{RunFile, compare};
pub use journal::{Context, JOURNAL_VERSION, Journal, digest, hexadecimal};
pub use manifests::{Source, inside, model_mounts};
pub use prometheus::Prometheus;
pub(crate) use run::failure_text;
pub use run::{FileOptions, RunFormat, RunReport, Theme};
pub use sweep::{
    Environment, EventLog, Price, PriceError, Prices, Report, kernel,
    terminal::watch as watch_sweep,
};
