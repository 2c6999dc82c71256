//! What users do, and when: pure, seeded, and testable without a network.

mod arrivals;
mod level;
mod plan;
mod request;
mod run_time;
mod shape;
mod wait_time;

pub use arrivals::{Arrivals, ArrivalsError, Gaps, Piece, Schedule};
pub use level::Level;
pub use plan::{Plan, Presence, Segment, Step, StepTimes, Traffic};
pub use request::{Balance, Host, HostError, Request, Targets};
pub use run_time::parse_run_time;
pub use shape::{Pace, Shape};
pub use wait_time::{WaitTime, WaitTimeError};
