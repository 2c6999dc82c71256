//! Windows of requests: pure bookkeeping, one recorder a thread, merged when a window is over.

mod histogram;
mod recorder;
mod window;

pub use histogram::{Latencies, Percentiles};
pub use recorder::{Finished, Recorder, Second};
pub use window::{FailureKind, GeneratorLoad, SLICE, Slice, Window};
