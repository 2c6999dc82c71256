//! A trial: its limits, its load, its end and its verdict.
//!
//! It is pure: seconds and readings of the kernel's counters go in, limits to set and a verdict
//! come out. The same code judges trials on a real service (the runner of `loadgen`) and on a
//! simulated one ([`crate::simulator`]).

mod again;
mod bottleneck;
mod deciding;
mod futility;
mod growth;
mod ladder;
mod monitor;
mod probe;
mod record;
mod settings;
mod spec;
mod steps;
mod summary;
mod timing;
mod usage;

pub use again::{AgainError, judge_again};
pub use bottleneck::{Bottleneck, THROTTLED, bottleneck};
pub use growth::Growth;
pub use ladder::{Ladder, LadderError, cpu_ladder, memory_ladder};
pub use monitor::{Action, Monitor};
pub use record::{Histograms, Reading, StepResult, Trial, TrialUsage};
pub use settings::{Headroom, Minimize, Mode, Rungs, Settings};
pub use spec::{Point, Purpose, TrialSpec};
pub use summary::{Idle, Measurements, not_started, summarize, without_load};
pub use timing::Timing;
pub use usage::UsageLog;
