//! Windows of requests: pure bookkeeping, one recorder per thread, merged when a window ends.

mod address;
mod failure;
mod generator;
mod histogram;
mod outcome;
mod recorder;
mod second;
mod simulate;
mod window;

pub use address::{AddressRequests, ByAddress};
pub use failure::{FailureKind, Failures, UnknownFailure};
pub use generator::{GeneratorLoad, GeneratorSecond};
pub use histogram::{Latencies, Percentiles};
pub use outcome::{Measured, Outcome};
pub use recorder::{Finished, Recorder, Slot};
pub use second::{Second, TaskSecond, ThreadSecond, Words};
pub use simulate::simulate;
pub use window::{SLICE, Slice, Window};
