//! What users do, and when: pure, seeded, and testable without a network.

mod plan;
mod request;
mod wait_time;

pub use plan::{Plan, Segment, Step, StepTimes};
pub use request::{Host, HostError, Request, Targets};
pub use wait_time::{WaitTime, WaitTimeError};
