//! Views of results. None measures or decides.

mod apply;
mod compare;
pub mod console;
mod journal;
mod prometheus;
mod report;
mod run;
mod sentences;
mod tables;

pub use apply::{Source, inside, model_mounts};
pub use compare::{RunFile, compare};
pub use journal::{Context, Journal, digest, hexadecimal};
pub use prometheus::Prometheus;
pub use report::{Environment, Report, kernel};
use run::failure_text;
pub use run::{FileOptions, RunReport};
