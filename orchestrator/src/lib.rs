//! Deployment of a service's replicas under CPU and memory limits, and their usage from the kernel.
//!
//! One trait, [`Orchestrator`], has equal backends.
//! [`docker`] runs containers of a real Engine.
//! [`process`] runs child processes in cgroups, for machines without an Engine.
//! A caller with an `Arc<dyn Orchestrator>` must not depend on which one it has.
//!
//! This crate measures no latency and makes no decisions. It knows no objective, user or step.
//!
//! Every created object names its [`Owner`]: run, boot, and the owner's process id and start time.
//! [`Orchestrator::clean`] can therefore remove what a killed run left and spare live runs.
//!
//! ```no_run
//! use orchestrator::{Choice, Cpus, Limits, Owner, Pull, select};
//!
//! # async fn example(deployment: orchestrator::Deployment) -> orchestrator::Result<()> {
//! let orchestrator = select(Choice::Docker, true, Owner::current("run-1")?).await?;
//! orchestrator.fetch("inference-api", Pull::Missing).await?;
//! let mut service = orchestrator.deploy(&deployment).await?;
//! let limits = Limits { cpus: Cpus::from_millis(200), memory_bytes: 64 << 20 };
//! orchestrator.set_limits(&mut service, limits).await?;
//! println!("{:?}", orchestrator.usage(&service).await?);
//! orchestrator.tear_down(service).await?;
//! orchestrator.close().await
//! # }
//! ```

mod backend;
pub mod cgroup;
mod checks;
mod deployment;
pub mod docker;
mod error;
mod machine;
mod owner;
mod page_cache;
pub mod process;
mod ready;
mod select;
mod usage;

use async_trait::async_trait;

pub use deployment::{
    Cpus, Deployment, ImageId, Limits, Program, Pull, Replica, Rights, Service, Workload,
};
pub use error::{Blame, Error, Result};
pub use owner::Owner;
pub use page_cache::PageCache;
pub use select::{Choice, select};
pub use usage::{MemoryUsage, Usage};

/// Limit on processes and threads of one replica.
pub const MOST_PIDS: u32 = 512;

/// Orchestrator that deploys, limits, scales, observes and tears down replicas of one service.
///
/// A [`Service`] is plain data that names the created objects.
/// All state lives in the backend's objects (containers, cgroups), never in this process alone.
/// After a `kill -9`, `clean` can therefore still find everything.
#[async_trait]
pub trait Orchestrator: Send + Sync {
    /// Returns `"docker"` or `"process"`, for reports and labels.
    fn name(&self) -> &'static str;

    /// Returns the total resources of the host; reservations for others are not subtracted.
    async fn host(&self) -> Result<Host>;

    /// Starts `deployment.replicas` replicas under `deployment.limits`.
    ///
    /// Returns when each answers its ready path with a 2xx.
    ///
    /// # Errors
    /// Returns an error if the image or program is missing or a limit cannot be written.
    /// A replica that exits or is not ready within `deployment.ready_timeout` is an error too.
    /// Everything created by then is removed first, and the error has the replica's last lines.
    async fn deploy(&self, deployment: &Deployment) -> Result<Service>;

    /// Starts or removes replicas until the service has `replicas`; new ones are ready on return.
    async fn scale(&self, service: &mut Service, replicas: u32) -> Result<()>;

    /// Changes the limits of every running replica in place, without a restart.
    async fn set_limits(&self, service: &mut Service, limits: Limits) -> Result<()>;

    /// Returns true if [`Self::set_limits`] works here.
    fn can_set_limits(&self) -> bool {
        true
    }

    /// Returns the usage of each replica since its start, in the order of `service.replicas`.
    ///
    /// A dead replica (for instance after an OOM kill) has `running: false` and its known end.
    async fn usage(&self, service: &Service) -> Result<Vec<Usage>>;

    /// Returns the limit on open files of a replica; 0 if it is left to the machine.
    ///
    /// An Engine may refuse the wanted limit, which is known once a replica has started.
    fn file_limit(&self) -> u64 {
        0
    }

    /// Ensures that an image is present and returns its identity.
    ///
    /// # Errors
    /// Returns an error if the image is unavailable or this backend runs no images.
    async fn fetch(&self, reference: &str, pull: Pull) -> Result<ImageId>;

    /// Returns an identifier of the backend's current incarnation.
    ///
    /// Replicas of one incarnation may end in the next through no fault of theirs, for instance
    /// when an Engine restarts.
    ///
    /// # Errors
    /// Returns an error if the backend does not answer now.
    async fn incarnation(&self) -> Result<String>;

    /// Returns the last `lines` lines of a replica's standard output and error.
    async fn logs(&self, replica: &Replica, lines: usize) -> Result<String>;

    /// Kills a replica at once (SIGKILL), as a fault would.
    ///
    /// It stays part of its service until that is torn down.
    ///
    /// # Errors
    /// Returns an error if the backend refuses; a replica that has already ended is not an error.
    async fn kill(&self, replica: &Replica) -> Result<()>;

    /// Stops (SIGTERM, then SIGKILL after a few seconds) and removes the replicas of the service.
    ///
    /// A service that is already gone is not an error.
    async fn tear_down(&self, service: Service) -> Result<()>;

    /// Removes the run's objects that outlive a service (the run's network, the run's cgroup).
    ///
    /// A second call is not an error.
    async fn close(&self) -> Result<()>;

    /// Removes all objects on this machine whose owner is dead and returns a line for each.
    ///
    /// Spares the objects of live runs.
    async fn clean(&self) -> Result<Vec<String>>;
}

/// Resources of the host.
#[derive(Debug, Clone, PartialEq)]
pub struct Host {
    /// Number of online processors.
    pub cpus: u32,
    /// Physical memory, in bytes.
    pub memory_bytes: u64,
    /// Cgroup version: 1 or 2.
    pub cgroup_version: u8,
    /// Backend and its version, for the report's environment: `"docker 20.10.24"`, `"process"`.
    pub description: String,
}
