//! `loadgen`: runs load tests and sweeps, and shows their results.
//!
//! [`runner`] drives the load engine and the orchestrator; the views ([`cli`], [`ui`], [`output`])
//! read [`event`]s and measure nothing. Load comes from `load_engine`, verdicts from `loadtest`,
//! the search from `sizing`, and an Engine is reached only through `orchestrator`.

#![forbid(unsafe_code)]

pub mod cli;
mod error;
pub mod event;
pub mod load_test;
pub mod output;
pub mod runner;
pub mod ui;

pub use error::{Error, ExitStatus};
