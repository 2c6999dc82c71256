//! Pure core of a load test: [`workload`] (requests, targets and schedule), [`measure`] (windows of
//! latencies), [`slo`] (the objective) and [`verdict`] (pass, fail, undecided or invalid).
//!
//! Nothing here opens a connection or reads a clock. Scenario files, certificates and host names
//! are read once, when a workload is built.
//!
//! ```
//! use std::time::Duration;
//!
//! use loadtest::{slo::Slo, workload::Plan};
//!
//! // 10,000 users who think for 1.75 s on average send 5,714 requests/s.
//! let wait_time = "between(1, 2.5)".parse()?;
//! let plan = Plan::steady(10_000, 500.0, Duration::from_secs(60), wait_time)?;
//! assert_eq!(plan.planned_per_second(0).map(f64::round), Some(5714.0));
//!
//! let slo: Slo = "p95<100ms,failures<0.1%,rate>=95%".parse()?;
//! assert_eq!(slo.limits(), [Duration::from_millis(100)]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

pub mod measure;
pub mod slo;
pub mod verdict;
pub mod workload;
