//! Pure core of a sweep: [`trial`] (load, end and verdict of a trial), [`sweep`] (the next trial or
//! the answer) and [`simulator`] (a service with physics, on which sweeps run in milliseconds).
//!
//! Only value types of `orchestrator` are used: limits and usage.

#![forbid(unsafe_code)]

pub mod simulator;
pub mod sweep;
pub mod trial;
