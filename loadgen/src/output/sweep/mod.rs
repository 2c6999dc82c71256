//! Results of a sweep: its folder, its files, its table on the terminal, its summary.

mod environment;
mod events;
mod files;
mod folder;
mod html;
mod json;
mod judged;
mod markdown;
mod price;
mod rows;
#[cfg(test)]
mod snapshots;
mod summary;
pub mod terminal;
#[cfg(test)]
pub(crate) mod tests;

pub use environment::Environment;
pub use events::EventLog;
pub use folder::{Basis, COMMAND, Kept, SweepFolder};
pub use judged::{JudgedSweep, Judging, judge_again};
pub use price::{Price, PriceError, Prices};
pub use rows::{HEADER, row};
pub use summary::{Extent, Summary, count_line};
