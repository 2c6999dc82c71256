//! Views of results. None measures or decides.

mod compose;
pub mod console;
mod report;
pub mod run_json;
mod sentences;
mod tables;

pub use compose::Source;
pub use report::{Environment, Report};
