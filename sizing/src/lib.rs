//! Pure core of a sweep: [`trial`] (load, end and verdict of a trial), [`sweep`] (the next trial or
//! the answer) and [`simulator`] (a service with physics, on which sweeps run in milliseconds).
//!
//! Only value types of `orchestrator` are used: limits and usage.
//!
//! ```
//! use sizing::{
//!     simulator::{KINDS, World},
//!     sweep::{Next, answer, next},
//!     trial::Settings,
//! };
//!
//! let settings = Settings::example();
//! let mut world = World::new(KINDS[0].service, KINDS[0].machine, 1);
//! let mut trials = Vec::new();
//! while let Next::Try(planned) = next(&settings, &trials) {
//!     trials.push(world.trial(&settings, planned.spec));
//! }
//! let minimum = answer(&settings, &trials).cheapest(&settings).expect("an answer");
//! assert!(minimum.p_hold >= settings.confidence);
//! ```

#![forbid(unsafe_code)]

pub mod simulator;
pub mod sweep;
pub mod trial;
