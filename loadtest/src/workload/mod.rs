//! Users' behaviour and its schedule: pure, seeded, and testable without a network.

mod amend;
mod arrivals;
mod due;
mod level;
mod payload;
mod plan;
mod pool;
mod request;
mod run_time;
mod scenario;
mod shape;
mod targets;
mod tls;
mod wait_time;

pub use arrivals::{Arrivals, ArrivalsError, Gaps, Piece, Schedule};
pub use due::think_times;
pub use level::Level;
pub use payload::{Field, Payload};
pub use plan::{Plan, Presence, Segment, Step, StepTimes, Traffic};
pub use pool::{Address, Pool};
pub use request::{Header, Host, HostError, Request};
pub use run_time::parse_run_time;
pub use scenario::{
    Authority, Check, ModelMetadata, Scenario, ScenarioError, Sender, Task, Tensors, Wanted,
};
pub use shape::{Pace, Shape};
pub use targets::{Balance, Targets};
pub use tls::{Secure, Trust};
pub use wait_time::{WaitTime, WaitTimeError};
