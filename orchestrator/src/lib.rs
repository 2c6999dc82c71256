//! Deploys replicas of a service under CPU and memory limits, and reads from the kernel what they
//! used.
//!
//! One trait, [`Orchestrator`], and backends that are peers: [`docker`] (containers of a real
//! Engine) and [`process`] (child processes in cgroups, for machines without an Engine). A caller
//! that holds an `Arc<dyn Orchestrator>` cannot tell which one it has, and must not try.
//!
//! What this crate never does: it measures no latency and decides nothing. It knows no objective,
//! no user and no step.
//!
//! Everything it creates says whose it is ([`Owner`]: run, boot, owner's process id and start
//! time), so that [`Orchestrator::clean`] can remove what a killed run left behind and spare what a
//! live one still uses.

pub mod cgroup;
mod checks;
mod copies;
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

/// Processes and threads that one replica may have.
pub const MOST_PIDS: u32 = 512;

/// Deploys, limits, scales, observes and tears down replicas of one service.
///
/// A [`Service`] is plain data that names what was created; all state lives in the backend's
/// objects (containers, cgroups), never in this process alone, so that a `kill -9` loses nothing
/// that `clean` cannot find again.
#[async_trait]
pub trait Orchestrator: Send + Sync {
    /// `"docker"` or `"process"`: for reports and labels.
    fn name(&self) -> &'static str;

    /// What limits the host can give, apart from what is reserved for others.
    async fn host(&self) -> Result<Host>;

    /// Starts `deployment.replicas` copies under `deployment.limits` and returns when each answers
    /// its ready path with a 2xx.
    ///
    /// # Errors
    /// When the image or program is missing, a limit cannot be written, or a replica exits or does
    /// not become ready in `deployment.ready_timeout`; whatever had been created by then is removed
    /// first, and the error carries the last lines the replica wrote.
    async fn deploy(&self, deployment: &Deployment) -> Result<Service>;

    /// Starts or removes copies until the service has `replicas`; new ones are ready when this
    /// returns.
    async fn scale(&self, service: &mut Service, replicas: u32) -> Result<()>;

    /// Changes the limits of every running replica in place, without a restart.
    async fn set_limits(&self, service: &mut Service, limits: Limits) -> Result<()>;

    /// Whether [`Self::set_limits`] works here.
    fn can_set_limits(&self) -> bool {
        true
    }

    /// What each replica has used since it was started, in the order of `service.replicas`. A
    /// replica that died (for instance by an OOM kill) is still reported, with `running: false` and
    /// what is known of its end.
    async fn usage(&self, service: &Service) -> Result<Vec<Usage>>;

    /// How many files a replica may have open; 0 where that is left to the machine. An Engine may
    /// have refused what is wanted, which is known once a replica was started.
    fn file_limit(&self) -> u64 {
        0
    }

    /// Makes sure that an image is there, and tells what it is.
    ///
    /// # Errors
    /// When it cannot be had, or this backend runs no images.
    async fn fetch(&self, reference: &str, pull: Pull) -> Result<ImageId>;

    /// Tells one life of the backend from the next: what was begun in one may have been ended by
    /// nobody's fault in the next, for instance when an Engine is started again.
    ///
    /// # Errors
    /// When it does not answer now.
    async fn life(&self) -> Result<String>;

    /// The last `lines` lines that a replica wrote to its standard output and error.
    async fn logs(&self, replica: &Replica, lines: usize) -> Result<String>;

    /// Kills a replica at once (SIGKILL), as a fault would; it stays part of its service until that
    /// is torn down.
    ///
    /// # Errors
    /// When it cannot be told to; one that has ended already is no error.
    async fn kill(&self, replica: &Replica) -> Result<()>;

    /// Stops (SIGTERM, then SIGKILL after a grace of a few seconds) and removes everything `deploy`
    /// and `scale` made for this service. Calling it for a service that is gone already is no
    /// error.
    async fn tear_down(&self, service: Service) -> Result<()>;

    /// Removes what this backend created for the run it belongs to and that outlives a service (the
    /// run's network, the run's cgroup). Calling it twice is no error.
    async fn close(&self) -> Result<()>;

    /// Removes everything that any run on this machine created and whose owner is no longer alive,
    /// and returns a line for each thing removed. Spares what a live run owns.
    async fn clean(&self) -> Result<Vec<String>>;
}

/// What the host has.
#[derive(Debug, Clone, PartialEq)]
pub struct Host {
    /// Processors that are online.
    pub cpus: u32,
    /// Physical memory.
    pub memory_bytes: u64,
    /// 1 or 2.
    pub cgroup_version: u8,
    /// Backend and its version, for the report's environment: `"docker 20.10.24"`, `"process"`.
    pub description: String,
}
