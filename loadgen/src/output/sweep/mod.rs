//! Results of a sweep: its files, its table on the terminal, its summary.

mod events;
mod files;
mod json;
mod markdown;
mod price;
mod rows;
#[cfg(test)]
mod snapshots;
mod summary;
pub mod terminal;

pub use events::EventLog;
pub use files::{Environment, Report, kernel};
pub use price::{Price, PriceError, Prices};
pub use rows::{HEADER, row};
pub use summary::{Summary, count_line};
