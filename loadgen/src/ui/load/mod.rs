//! The load test page: its form, the tests of a session, and their figures.

pub(super) mod downloads;
mod form;
pub(super) mod live;
pub(super) mod locust;
mod packed;
mod progress;
mod replicas;
mod test;
mod tests;

pub use form::Form;

pub(super) use tests::Tests;
