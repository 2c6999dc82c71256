//! A load generator, and the search for the smallest containers that hold an objective.
//!
//! Seams, each pure where it can be: [`workload`] (what users do, when) → [`engine`] (sends,
//! records) → [`measure`] (windows) → [`verdict`] (statistics) → [`trial`] (when a trial ends, and
//! what it says) → [`sweep`] (given the trials so far, the next trial or the answer) → [`runner`]
//! (drives engine and orchestrator) → views ([`cli`], [`ui`], [`output`]), which read [`event`]s.
//! [`simulator`] is a service with physics on which whole sweeps run in milliseconds.
//!
//! What this crate never does: it links no model runtime, and it talks to an Engine only through
//! `orchestrator`.

pub mod cli;
pub mod engine;
mod error;
pub mod event;
pub mod measure;
pub mod null_server;
pub mod output;
pub mod runner;
pub mod simulator;
pub mod slo;
pub mod sweep;
pub mod trial;
pub mod ui;
pub mod verdict;
pub mod workload;

pub use error::{Error, ExitStatus};
