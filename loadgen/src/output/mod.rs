//! Views of results. None computes a figure of its own.

mod compose;
pub mod console;
mod report;
pub mod run_json;
mod sentences;
mod tables;

pub use compose::Source;
pub use report::{Environment, Report};
