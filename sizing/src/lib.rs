//! Pure core of a sweep: [`trial`] (when a trial ends, and what it says), [`sweep`] (given the
//! trials so far, the next trial or the answer) and [`simulator`] (a service with physics, on which
//! whole sweeps run in milliseconds).
//!
//! Of `orchestrator` only its value types are used: limits and usage.

#![forbid(unsafe_code)]

pub mod simulator;
pub mod sweep;
pub mod trial;
