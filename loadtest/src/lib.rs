//! Pure core of a load test: [`workload`] (requests, targets and schedule), [`measure`] (windows of
//! latencies), [`slo`] (the objective) and [`verdict`] (pass, fail, undecided or invalid).
//!
//! Nothing here opens a connection or reads a clock. Scenario files, certificates and host names
//! are read once, when a workload is built.

#![forbid(unsafe_code)]

pub mod measure;
pub mod slo;
pub mod verdict;
pub mod workload;
