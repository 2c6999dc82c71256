//! Owners of cgroups, containers and networks.
//!
//! A process id alone is not unique, because ids are reused.
//! The start time, in ticks since the boot, and the boot's id make it permanently unique.
//! [`Orchestrator::clean`](crate::Orchestrator::clean) can therefore spare live runs.
//! (Ids are those of the reader's PID namespace: the host does not see a run inside a container.)

use std::{collections::BTreeMap, io};

use nix::{errno::Errno, sys::signal::kill, unistd::Pid};

use crate::{Error, Result};

/// Label with the run's id.
pub(crate) const RUN: &str = "loadgen.run";
const BOOT: &str = "loadgen.boot";
const PID: &str = "loadgen.owner.pid";
const START: &str = "loadgen.owner.start";

/// Process that owns all objects of a run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Owner {
    /// Id of the run: `[a-z0-9]+`.
    pub run: String,
    /// `/proc/sys/kernel/random/boot_id` when the owner started.
    pub boot: String,
    /// Process id of the owner.
    pub pid: u32,
    /// Start time of the owner, in clock ticks since the boot.
    pub start_time: u64,
}

impl Owner {
    /// Returns this process as the owner of `run`.
    ///
    /// # Errors
    /// Returns an error if `run` is not 1 to 24 of `[a-z0-9]`, or `/proc` is unreadable.
    pub fn current(run: &str) -> Result<Self> {
        if !is_run_id(run) {
            return Err(Error::Unsatisfiable(format!(
                "{run:?} cannot be a run's id: 1 to 24 letters a-z and digits"
            )));
        }
        let pid = std::process::id();
        let stat = read("/proc/self/stat")?;
        let start_time = parse_stat(&stat).map(|(_, start)| start).ok_or_else(|| {
            Error::file(
                "parse",
                "/proc/self/stat",
                io::Error::new(io::ErrorKind::InvalidData, "no start time"),
            )
        })?;
        Ok(Self { run: run.to_owned(), boot: boot_id()?, pid, start_time })
    }

    /// Returns true if the owner runs or may run: objects spared by mistake can be removed later.
    pub fn is_alive(&self) -> bool {
        if boot_id().is_ok_and(|boot| boot != self.boot) {
            return false;
        }
        match std::fs::read_to_string(format!("/proc/{}/stat", self.pid)) {
            Ok(stat) => match parse_stat(&stat) {
                Some((state, start)) => start == self.start_time && !matches!(state, 'Z' | 'X'),
                None => true,
            },
            // With `hidepid`, `/proc` hides foreign processes that a signal can still reach.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                kill(Pid::from_raw(self.pid.cast_signed()), None) == Err(Errno::EPERM)
            }
            Err(_) => true,
        }
    }

    /// Returns true if the owner started during the current boot of this machine.
    pub(crate) fn is_of_this_boot(&self) -> bool {
        boot_id().is_ok_and(|boot| boot == self.boot)
    }

    /// Returns the labels for an Engine's objects.
    pub fn labels(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            (RUN.to_owned(), self.run.clone()),
            (BOOT.to_owned(), self.boot.clone()),
            (PID.to_owned(), self.pid.to_string()),
            (START.to_owned(), self.start_time.to_string()),
        ])
    }

    /// Returns the owner from an object's labels, if they are this program's.
    pub fn from_labels<'a>(get: impl Fn(&str) -> Option<&'a String>) -> Option<Self> {
        let run = get(RUN).filter(|run| is_run_id(run))?.clone();
        let (pid, start_time) = (get(PID)?.parse().ok()?, get(START)?.parse().ok()?);
        Some(Self { run, boot: get(BOOT)?.clone(), pid, start_time })
    }

    /// Returns the name of the run's cgroup.
    pub fn dir_name(&self) -> String {
        format!("run-{}-{}-{}-{}", self.run, self.pid, self.start_time, self.boot)
    }

    /// Returns the owner from a cgroup's name, if it is this program's.
    pub fn from_dir_name(name: &str) -> Option<Self> {
        // The boot id comes last because it contains dashes.
        let mut parts = name.strip_prefix("run-")?.splitn(4, '-');
        let run = parts.next().filter(|run| is_run_id(run))?.to_owned();
        let (pid, start_time) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let boot = parts.next().filter(|boot| !boot.is_empty())?.to_owned();
        Some(Self { run, boot, pid, start_time })
    }
}

/// Checks a run id; the length limit keeps a replica's name within a host name.
fn is_run_id(run: &str) -> bool {
    (1..=24).contains(&run.len())
        && run.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

fn boot_id() -> Result<String> {
    Ok(read("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// Returns state and start time (fields 3 and 22); the command (field 2) may contain `)`.
fn parse_stat(stat: &str) -> Option<(char, u64)> {
    let mut rest = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace();
    let state = rest.next()?.chars().next()?;
    Some((state, rest.nth(18)?.parse().ok()?))
}

fn read(path: &str) -> Result<String> {
    std::fs::read_to_string(path).map_err(|source| Error::file("read", path, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive() {
        let owner = Owner::current("a1").unwrap();
        assert!(owner.is_alive() && owner.is_of_this_boot());
        assert!(
            !Owner { start_time: owner.start_time + 1, ..owner.clone() }.is_alive(),
            "the id was used again"
        );
        assert!(
            !Owner { boot: "another".into(), ..owner.clone() }.is_alive(),
            "the machine was started again"
        );
        assert!(
            !Owner { pid: 4_194_305, ..owner }.is_alive(),
            "no process has an id over the kernel's limit"
        );
    }

    #[test]
    fn a_child_that_ended_is_dead_even_before_it_is_reaped() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        let start_time = parse_stat(&stat).unwrap().1;
        let owner = Owner { pid: child.id(), start_time, ..Owner::current("a").unwrap() };
        assert!(owner.is_alive());
        child.kill().unwrap();
        let until = std::time::Instant::now() + std::time::Duration::from_secs(2);
        while owner.is_alive() && std::time::Instant::now() < until {
            std::thread::yield_now();
        }
        assert!(!owner.is_alive());
        child.wait().unwrap();
    }

    #[test]
    fn names_and_labels_round_trip() {
        for (run, pid, start_time) in
            [("a", 1, 0), ("0z9", 4_194_304, u64::MAX), ("run", 77, 47_555)]
        {
            let boot = "f3afb9fc-ffa7-42d1-be35-526f526467c1".to_owned();
            let owner = Owner { run: run.into(), boot, pid, start_time };
            assert_eq!(Owner::from_dir_name(&owner.dir_name()).as_ref(), Some(&owner));
            let labels = owner.labels();
            assert_eq!(Owner::from_labels(|key| labels.get(key)), Some(owner));
        }
    }

    #[test]
    fn foreign_names_are_nobodys() {
        for name in [
            "",
            "run-",
            "run-a",
            "run-a-1-2",
            "run-a-1-2-",
            "run-A-1-2-b",
            "run-a-x-2-b",
            "system.slice",
        ] {
            assert_eq!(Owner::from_dir_name(name), None, "{name}");
        }
        assert!(Owner::current("a-b").is_err());
        assert!(Owner::current("").is_err());
    }

    #[test]
    fn a_command_may_hold_anything() {
        let stat = "7 (a) Z (b) R 1 7 7 0 -1 4194304 100 0 0 0 0 0 0 0 20 0 1 0 47555 3133440 379";
        assert_eq!(parse_stat(stat), Some(('R', 47_555)));
        assert_eq!(parse_stat("7 (a) R 1"), None);
    }
}
