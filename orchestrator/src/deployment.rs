//! Requests to an orchestrator and the resulting services.

use std::{collections::BTreeMap, fmt, net::SocketAddr, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use crate::PageCache;

/// CPU quota in thousandths of a processor: exact, ordered and hashable, unlike an `f64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cpus {
    /// Thousandths of a processor; 1,000 is one whole processor.
    pub millis: u32,
}

impl Cpus {
    /// Creates a quota of `millis` thousandths of a processor.
    pub const fn from_millis(millis: u32) -> Self {
        Self { millis }
    }

    /// Creates a quota from processors, such as `0.25`, rounded to a thousandth.
    pub fn from_f64(cpus: f64) -> Self {
        Self { millis: (cpus * 1000.0).round().max(0.0) as u32 }
    }

    /// Returns the number of processors, for arithmetic and display.
    pub fn as_f64(self) -> f64 {
        f64::from(self.millis) / 1000.0
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_f64())
    }
}

impl Serialize for Cpus {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.as_f64())
    }
}

impl<'de> Deserialize<'de> for Cpus {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        f64::deserialize(deserializer).map(Self::from_f64)
    }
}

/// Limits of one replica, enforced by the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Limits {
    /// CFS bandwidth quota.
    pub cpus: Cpus,
    /// Memory limit with swap off; exceeding it ends in an OOM kill.
    pub memory_bytes: u64,
}

/// Program to run as a child process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Executable.
    pub path: PathBuf,
    /// Arguments; `{addr}` is replaced by the address on which the replica must listen.
    pub args: Vec<String>,
}

/// Workload of a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Workload {
    /// Container image that listens on `port`.
    Image {
        /// Name and tag, or a digest.
        reference: String,
        /// Command that overrides the image's if not empty; `{addr}` is replaced by `0.0.0.0:port`.
        args: Vec<String>,
        /// Port on which the program in the image listens.
        port: u16,
        /// Read-only bind mounts, host path to container path. Empty unless the user requests one.
        mounts: Vec<(PathBuf, PathBuf)>,
    },
    /// Program on this machine.
    Program(Program),
}

/// Policy for pulling an image from its registry, in Docker's terms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pull {
    /// Always, even if the Engine has an image of this name.
    Always,
    /// Only if the Engine has none.
    #[default]
    Missing,
    /// Never.
    Never,
}

/// Identity of an image, independent of what its name refers to later.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageId {
    /// Id in the Engine, `sha256:…`.
    pub id: String,
    /// Digests in registries, `name@sha256:…`; empty for an image that was never in one.
    pub digests: Vec<String>,
}

/// User and capabilities of a container; by default it has no kernel capability, whatever its user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights {
    /// Capabilities to add: `CHOWN`, `SETUID`, …, or `ALL`.
    pub cap_add: Vec<String>,
    /// `USER` or `USER:GROUP` that overrides the image's.
    pub user: Option<String>,
}

/// Service to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// Short name, part of the replicas' names: `[a-z0-9-]+`.
    pub name: String,
    /// Workload of every replica.
    pub workload: Workload,
    /// Variables added to the environment of every replica.
    pub env: BTreeMap<String, String>,
    /// Rights of containers beyond the default.
    pub rights: Rights,
    /// Number of replicas.
    pub replicas: u32,
    /// Limits of each replica.
    pub limits: Limits,
    /// Processors on which the replicas may run; all of them if `None`.
    pub cpuset: Option<Vec<usize>>,
    /// Path whose `GET` returns 2xx once a replica is ready.
    pub ready_path: String,
    /// Longest time for a replica to become ready.
    pub ready_timeout: Duration,
    /// True to evict the replicas' files from the page cache before the first start.
    pub cold: bool,
    /// True to keep an attached service's running containers and change only their limits.
    ///
    /// Backends that start their own replicas ignore it.
    pub in_place: bool,
}

/// Running replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Replica {
    /// Name, unique on this machine; also the host name and the replica name of the server.
    pub name: String,
    /// Listening address, reachable from this process without a proxy.
    pub addr: SocketAddr,
    /// Handle of the backend: a container id or a process id.
    pub id: String,
}

/// Deployed service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Deployment, with the current limits and number of replicas.
    pub deployment: Deployment,
    /// Replicas, oldest first.
    pub replicas: Vec<Replica>,
    /// Page cache state at the start of the first replicas.
    pub page_cache: PageCache,
}
