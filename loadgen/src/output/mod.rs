//! Views of results. None measures or decides.

mod compare;
mod compose;
pub mod console;
mod report;
mod run;
mod sentences;
mod tables;

pub use compare::{RunFile, compare};
pub use compose::Source;
pub use report::{Environment, Report};
pub use run::{FileOptions, RunReport};
