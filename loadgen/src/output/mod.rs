//! Views of results. None measures or decides.

mod compare;
mod compose;
pub mod console;
mod prometheus;
mod report;
mod run;
mod sentences;
mod tables;

pub use compare::{RunFile, compare};
pub use compose::Source;
pub use prometheus::Prometheus;
pub use report::{Environment, Report};
use run::failure_text;
pub use run::{FileOptions, RunReport};
