//! Views of results; they measure and decide nothing.

mod charts;
mod compare;
pub mod console;
mod journal;
mod machine;
mod manifests;
mod numbers;
mod page;
mod prometheus;
mod run;
mod sweep;
mod tables;
mod time;

pub use charts::{Chart, Theme};
pub use compare::{Compared, compare, comparison_page};
pub use journal::{Context, JOURNAL_VERSION, Journal, digest, hexadecimal};
pub use machine::{command_line, kernel};
pub use manifests::{Source, inside, model_mounts};
pub use page::escape;
pub use prometheus::Prometheus;
pub(crate) use run::failure_text;
pub use run::{FileOptions, RunFormat, RunReport, write_file};
#[cfg(test)]
pub(crate) use sweep::tests::simulated as simulated_sweep;
pub use sweep::{
    Basis, COMMAND, Environment, EventLog, Extent, JudgedSweep, Judging, Kept, Price, PriceError,
    Prices, SweepFolder, judge_again, terminal::watch as watch_sweep,
};
