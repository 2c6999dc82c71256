//! Control groups, versions 1 and 2, through the few files that are needed.
//!
//! They are accessed directly: `cgroups-rs` would add some 94 crates for a handful of accesses.
//! A host counts as version 1 if its CPU and memory controllers are mounted that way.
//! Other mounts beside them (systemd's "hybrid") do not matter.
//!
//! Groups are named `BASE/run-…/REPLICA`.
//! For root, the base is `/loadgen` at the hierarchy's root.
//! For other users (version 2 only), it is `loadgen` in the subtree that systemd delegated.
//!
//! `tests/vm/run` tests the version that a developer's machine lacks.

mod advice;
mod mounts;
mod root_group;
mod v1;
mod v2;

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

pub use mounts::Hierarchies;
pub use root_group::{RootGroup, find_root_group};

use crate::{Error, Limits, MOST_PIDS, Result, Usage};

/// Period of the CPU quota, in microseconds: the kernel's default.
pub const PERIOD_MICROS: u64 = 100_000;
/// Smallest CPU quota, in thousandths of a processor: the kernel requires 1 ms per period.
pub const LEAST_CPU_MILLIS: u32 = 10;

/// Control group: one directory in version 2, one per controller hierarchy in version 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Group {
    /// Group of version 1.
    V1(v1::Dirs),
    /// Group of version 2.
    V2(PathBuf),
}

impl Group {
    /// Returns the subgroup `name`, whether it exists or not.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        match self {
            Self::V1(dirs) => Self::V1(dirs.map(|dir| dir.join(name))),
            Self::V2(dir) => Self::V2(dir.join(name)),
        }
    }

    /// Creates the group, and in version 2 enables the parent's controllers for it.
    ///
    /// Does nothing if the group exists.
    pub fn create(&self) -> Result<()> {
        if let Self::V2(dir) = self
            && let Some(parent) = dir.parent()
        {
            v2::enable_controllers(parent)?;
        }
        for dir in self.dirs() {
            match fs::create_dir(dir) {
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(Error::file("create", dir, e));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Returns true if the group exists.
    pub fn exists(&self) -> bool {
        self.dirs().iter().any(|dir| dir.is_dir())
    }

    /// Sets the CPU quota and the memory limit, turns swap off and limits the number of processes.
    ///
    /// # Errors
    /// Returns an error if a file cannot be written.
    /// Returns [`Error::Unsatisfiable`] if the kernel cannot reclaim memory down to the new limit.
    pub fn set_limits(&self, limits: Limits) -> Result<()> {
        // The limit on processes only guards against fork bombs, so it is optional.
        // It is not set on parent groups, whose replicas would share it.
        if let Some(file) = self.pids_max() {
            let _ = fs::write(file, MOST_PIDS.to_string());
        }
        match self {
            Self::V1(dirs) => v1::set_limits(dirs, limits),
            Self::V2(dir) => v2::set_limits(dir, limits),
        }
    }

    /// Returns the usage of the group's processes, without `replica`, `running`, `end`, `restarts`.
    ///
    /// # Errors
    /// Returns an error if the group is gone or its files are unreadable.
    pub fn usage(&self) -> io::Result<Usage> {
        let mut usage = match self {
            Self::V1(dirs) => v1::usage(dirs),
            Self::V2(dir) => v2::usage(dir),
        }?;
        usage.memory.mapped_file_bytes =
            self.pids().into_iter().filter_map(mapped_file_bytes).max();
        Ok(usage)
    }

    /// Returns the processes of the group without those of subgroups; empty if the group is gone.
    pub fn pids(&self) -> Vec<u32> {
        let Some(file) = self.procs_files().into_iter().next() else { return Vec::new() };
        fs::read_to_string(file)
            .unwrap_or_default()
            .lines()
            .filter_map(|line| line.trim().parse().ok())
            .collect()
    }

    /// Returns the files to which a process writes its id to join.
    pub fn procs_files(&self) -> Vec<PathBuf> {
        self.dirs().iter().map(|dir| dir.join("cgroup.procs")).collect()
    }

    /// Returns the subgroups.
    pub fn children(&self) -> Vec<(String, Self)> {
        let mut names: Vec<String> =
            self.dirs().iter().flat_map(|dir| subdirectories(dir)).collect();
        names.sort();
        names.dedup();
        names.into_iter().map(|name| (name.clone(), self.child(&name))).collect()
    }

    /// Sends `signal` to every process in the group.
    pub fn signal(&self, signal: Signal) {
        for pid in self.pids() {
            // The process may have ended since the list was read.
            let _ = kill(Pid::from_raw(pid.cast_signed()), signal);
        }
    }

    /// Kills every process in the group and its subgroups, removes them and counts the processes.
    ///
    /// Blocks for at most a few seconds. Does nothing if the group does not exist.
    pub fn kill_and_remove(&self) -> Result<usize> {
        let mut killed = 0;
        for (_, child) in self.children() {
            killed += child.kill_and_remove()?;
        }
        killed += self.pids().len();
        let deadline = Instant::now() + Duration::from_secs(3);
        loop {
            if !self.pids().is_empty() {
                self.kill_once();
            }
            match self.remove_once() {
                Ok(()) => return Ok(killed),
                // A killed process leaves its group only after a moment.
                Err(_) if Instant::now() < deadline => pause(Duration::from_millis(5)),
                Err((dir, source)) => return Err(Error::file("remove", dir, source)),
            }
        }
    }

    /// Removes the group if it has no processes and no subgroups; the kernel refuses otherwise.
    pub fn remove_if_empty(&self) {
        for dir in self.dirs() {
            let _ = fs::remove_dir(dir);
        }
    }

    /// Returns the group's path, for messages.
    pub fn path(&self) -> &Path {
        match self {
            Self::V1(dirs) => &dirs.cpu,
            Self::V2(dir) => dir,
        }
    }

    fn dirs(&self) -> Vec<&Path> {
        match self {
            Self::V1(dirs) => dirs.all(),
            Self::V2(dir) => vec![dir],
        }
    }

    fn pids_max(&self) -> Option<PathBuf> {
        match self {
            Self::V1(dirs) => dirs.pids.as_ref().map(|dir| dir.join("pids.max")),
            Self::V2(dir) => Some(dir.join("pids.max")),
        }
    }

    fn kill_once(&self) {
        if let Self::V2(dir) = self
            && fs::write(dir.join("cgroup.kill"), "1").is_ok()
        {
            return;
        }
        self.signal(Signal::SIGKILL);
    }

    fn remove_once(&self) -> std::result::Result<(), (PathBuf, io::Error)> {
        for dir in self.dirs() {
            match fs::remove_dir(dir) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err((dir.to_owned(), e)),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Returns a value from `key value` lines, as in `cpu.stat`, `memory.stat`, `memory.events`.
fn field(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

fn number(path: &Path) -> io::Result<u64> {
    let text = fs::read_to_string(path)?;
    text.trim().parse().map_err(|_| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{}: {text}", path.display()))
    })
}

fn write(path: &Path, value: &str) -> Result<()> {
    fs::write(path, value).map_err(|source| Error::file("write", path, source))
}

/// Returns the error for a memory limit below the memory in use.
fn in_use(limit: u64, used: u64) -> Error {
    Error::Unsatisfiable(format!(
        "memory cannot be lowered to {limit} bytes: {used} bytes are in use"
    ))
}

fn subdirectories(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

/// Returns the resident bytes of files that a process has mapped.
fn mapped_file_bytes(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kib: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("RssFile:")?.trim().strip_suffix(" kB")?.parse().ok())?;
    Some(kib << 10)
}

#[expect(
    clippy::disallowed_methods,
    reason = "runs in spawn_blocking, or in a Drop where nothing can be awaited"
)]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_matched_by_its_whole_name() {
        let text = "cache 70443008\nrss 5107712\nrss_huge 0\ntotal_rss 151961600\n";
        assert_eq!(field(text, "rss"), Some(5_107_712));
        assert_eq!(field(text, "total_rss"), Some(151_961_600));
        assert_eq!(field(text, "rss_"), None);
        assert_eq!(field(text, "mapped"), None);
    }

    #[test]
    fn a_process_has_its_own_program_mapped() {
        let mapped = mapped_file_bytes(std::process::id()).unwrap();
        assert!(mapped > 100_000, "{mapped}");
        assert_eq!(mapped_file_bytes(u32::MAX), None);
    }
}
