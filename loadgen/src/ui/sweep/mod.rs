//! The sweep page: one sweep runs at a time as a process of its own, and a folder keeps them all.

mod archive;
mod form;
mod job;
mod live;
pub(super) mod routes;

pub use form::{SweepForm, Workload};

pub(super) use job::Sweeps;
