//! Load engine: sends the requests of a plan and records their answers.
//!
//! Each load thread runs an epoll loop with one state machine per user. With a general HTTP client,
//! 10,000 connections cost 19 kB each and a quarter of the rate, and the generator must never be
//! the slowest part. Load threads share nothing while they run: each has its own users,
//! connections, timers and recorder.
//!
//! [`run`] blocks and owns its threads; no type of this crate is async. [`null_server`] is the peer
//! that the engine is measured against, and [`calibrate`] does that on this machine.
//!
//! ```
//! use std::time::Duration;
//!
//! use load_engine::{
//!     Control,
//!     null_server::{Behaviour, NullServer},
//!     run,
//! };
//! use loadtest::workload::{Plan, Request, Segment, Targets};
//!
//! let server = NullServer::start(([127, 0, 0, 1], 0).into(), None, Behaviour::default())?;
//! let plan = Plan::steady(10, 100.0, Duration::from_secs(1), "constant(0.1)".parse()?)?;
//! let targets = Targets::replicas(&[server.addr()], &Request::post_json("/predict", "{}"));
//! let segment = Segment::whole(plan, Vec::new());
//! let outcome =
//!     run(&segment, &targets, &[], &|event| println!("{event:?}"), &Control::default())?;
//! assert!(outcome.total.all.requests > 0 && outcome.total.all.failed() == 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod calibrate;
mod control;
mod error;
mod event;
pub mod http1;
mod merge;
pub mod null_server;
mod one_shot;
mod os;
mod run;
mod thread;

pub use calibrate::calibrate;
pub use control::Control;
pub use error::EngineError;
pub use event::LoadEvent;
pub use one_shot::{Answer, connect, request};
pub use os::{Steal, pin_to, raise_file_limit};
pub use run::run;
