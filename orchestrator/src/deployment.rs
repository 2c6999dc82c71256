//! What a caller asks for, and what it gets back.

use std::{collections::BTreeMap, fmt, net::SocketAddr, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use crate::PageCache;

/// A CPU quota, in thousandths of a processor: exact, ordered and hashable, unlike the `f64` people
/// write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cpus {
    /// Thousandths of a processor; 1,000 is one whole processor.
    pub millis: u32,
}

impl Cpus {
    /// `millis` thousandths of a processor.
    pub const fn from_millis(millis: u32) -> Self {
        Self { millis }
    }

    /// Processors as people write them, rounded to a thousandth: `0.25`.
    pub fn from_f64(cpus: f64) -> Self {
        Self { millis: (cpus * 1000.0).round().max(0.0) as u32 }
    }

    /// Processors, for arithmetic and for show.
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
    /// Memory, with swap off. An OOM kill follows when it cannot be held.
    pub memory_bytes: u64,
}

/// A program to run as a child process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The executable.
    pub path: PathBuf,
    /// Its arguments. `{addr}` in one is replaced by the address that the replica must listen on.
    pub args: Vec<String>,
}

/// What a replica runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Workload {
    /// A container image, listening on `port`.
    Image {
        /// Name and tag, or a digest.
        reference: String,
        /// Overrides the image's command when not empty. `{addr}` is replaced by `0.0.0.0:port`.
        args: Vec<String>,
        /// The port that the program in the image listens on.
        port: u16,
        /// Read-only bind mounts, host path to container path. Empty unless the user asked for one.
        mounts: Vec<(PathBuf, PathBuf)>,
    },
    /// A program on this machine.
    Program(Program),
}

/// When an image is pulled from its registry, in Docker's words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pull {
    /// Also when the Engine has one of this name.
    Always,
    /// When the Engine has none.
    #[default]
    Missing,
    /// Not at all.
    Never,
}

/// What an image is, whatever its name will stand for tomorrow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageId {
    /// The Engine's own, `sha256:…`.
    pub id: String,
    /// What registries call it, `name@sha256:…`; none of an image that was never in one.
    pub digests: Vec<String>,
}

/// What a container of ours runs as. Without more it has no capability of the kernel's, whoever it
/// runs as.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights {
    /// Capabilities, `CHOWN`, `SETUID`, …, or `ALL`.
    pub cap_add: Vec<String>,
    /// `USER` or `USER:GROUP`, instead of the image's.
    pub user: Option<String>,
}

/// A service to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// Short name, part of the replicas' names: `[a-z0-9-]+`.
    pub name: String,
    /// What every replica runs.
    pub workload: Workload,
    /// Added to the environment of every replica.
    pub env: BTreeMap<String, String>,
    /// What containers may do beyond what ours may.
    pub rights: Rights,
    /// How many copies.
    pub replicas: u32,
    /// Limits of each copy.
    pub limits: Limits,
    /// The processors that the replicas may run on; all of them if `None`.
    pub cpuset: Option<Vec<usize>>,
    /// `GET` on this path answers 2xx when a replica is ready.
    pub ready_path: String,
    /// How long a replica may take to become ready.
    pub ready_timeout: Duration,
    /// Whether the files that the replicas run from are evicted from the page cache before the
    /// first one starts.
    pub cold: bool,
    /// Whether containers of others that run already go on running, with other limits. Backends
    /// that start replicas of their own start them in any case.
    pub in_place: bool,
}

/// One running copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Replica {
    /// Unique on this machine; also its host name, and what the server reports as its replica name.
    pub name: String,
    /// Where it listens; reachable from this process without a proxy in between.
    pub addr: SocketAddr,
    /// The backend's handle: a container id, or a process id.
    pub id: String,
}

/// A deployed service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// What was asked for, with the limits and the replica count as they are now.
    pub deployment: Deployment,
    /// The copies, oldest first.
    pub replicas: Vec<Replica>,
    /// What was in the page cache when the first of them were started.
    pub page_cache: PageCache,
}
