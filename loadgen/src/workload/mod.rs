//! What users do, and when: pure, seeded, and testable without a network.

mod arrivals;
mod level;
mod plan;
mod request;
mod run_time;
mod scenario;
mod shape;
mod targets;
mod tls;
mod wait_time;

pub use arrivals::{Arrivals, ArrivalsError, Gaps, Piece, Schedule};
pub use level::Level;
pub use plan::{Plan, Presence, Segment, Step, StepTimes, Traffic};
pub use request::{Host, HostError, Request};
pub use run_time::parse_run_time;
pub use scenario::{Authority, Check, ModelMetadata, Scenario, ScenarioError, Sender, Task, Tensors, Wanted};
pub use shape::{Pace, Shape};
pub use targets::{Balance, Targets};
pub use tls::{Secure, Trust};
pub use wait_time::{WaitTime, WaitTimeError};
