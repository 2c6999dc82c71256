//! Plan of a sweep.

use loadtest::workload::Request;
use orchestrator::{Deployment, ImageId};
use sizing::trial::Settings;

use crate::runner::Pinning;

/// Plan of a sweep, complete before its first trial.
pub(super) struct Planned {
    pub(super) settings: Settings,
    pub(super) deployment: Deployment,
    pub(super) image: Option<ImageId>,
    pub(super) request: Request,
    pub(super) pinning: Pinning,
}
