//! Windows of requests: pure bookkeeping, one recorder a thread, merged when a window is over.

mod failure;
mod generator;
mod histogram;
mod recorder;
mod second;
mod simulate;
mod window;

pub use failure::{FailureKind, Failures};
pub use generator::{GeneratorLoad, GeneratorSecond};
pub use histogram::{Latencies, Percentiles};
pub use recorder::{Finished, Recorder, Slot};
pub use second::{Second, TaskSecond, ThreadSecond};
pub use simulate::simulate;
pub use window::{SLICE, Slice, Window};
