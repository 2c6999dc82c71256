//! Version 2: one hierarchy.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{PERIOD_MICROS, field, number, write};
use crate::{Error, Limits, MemoryUsage, Result, Usage};

/// Hands `dir`'s controllers down to its children.
///
/// # Errors
/// When CPU or memory cannot be handed down: `dir` does not have them, may not be written, or has processes of its own.
pub(super) fn enable_controllers(dir: &Path) -> Result<()> {
    let file = dir.join("cgroup.subtree_control");
    let enabled = read(&file)?;
    let available = read(&dir.join("cgroup.controllers"))?;
    for (controller, is_needed) in [("cpu", true), ("memory", true), ("pids", false)] {
        let has = |list: &str| list.split_ascii_whitespace().any(|name| name == controller);
        if has(&enabled) || (!is_needed && !has(&available)) {
            continue;
        }
        match write(&file, &format!("+{controller}")) {
            Err(e) if is_needed => return Err(e),
            _ => {}
        }
    }
    Ok(())
}

pub(super) fn set_limits(dir: &Path, limits: Limits) -> Result<()> {
    write(&dir.join("cpu.max"), &cpu_max(limits))?;
    // The file is absent on a kernel without swap, where there is nothing to turn off.
    let swap = dir.join("memory.swap.max");
    if swap.exists() {
        write(&swap, "0")?;
    }
    write(&dir.join("memory.max"), &limits.memory_bytes.to_string())
}

pub(super) fn usage(dir: &Path) -> io::Result<Usage> {
    let current = number(&dir.join("memory.current"))?;
    let memory = MemoryUsage {
        current_bytes: current,
        // Since Linux 5.19; before, whoever reads repeatedly keeps the highest figure.
        peak_bytes: number(&dir.join("memory.peak")).unwrap_or(current),
        ..parse_memory_stat(&fs::read_to_string(dir.join("memory.stat"))?)
    };
    let events = fs::read_to_string(dir.join("memory.events"))?;
    let oom_kills = field(&events, "oom_kill").unwrap_or(0);
    Ok(Usage { memory, oom_kills, ..parse_cpu_stat(&fs::read_to_string(dir.join("cpu.stat"))?) })
}

/// The group of this process, or its parent where this process has moved to the leaf `supervisor` already.
pub(super) fn without_supervisor(own: PathBuf) -> PathBuf {
    match (own.file_name(), own.parent()) {
        (Some(name), Some(parent)) if name == SUPERVISOR => parent.to_owned(),
        _ => own,
    }
}

/// Only leaves may have processes, so whoever shares out its own group must step down into a leaf first.
pub(super) const SUPERVISOR: &str = "supervisor";

fn cpu_max(limits: Limits) -> String {
    format!("{} {PERIOD_MICROS}", u64::from(limits.cpus.millis) * PERIOD_MICROS / 1000)
}

fn parse_cpu_stat(text: &str) -> Usage {
    let seconds = |key| field(text, key).unwrap_or(0) as f64 / 1e6;
    Usage {
        cpu_seconds: seconds("usage_usec"),
        periods: field(text, "nr_periods").unwrap_or(0),
        throttled_periods: field(text, "nr_throttled").unwrap_or(0),
        throttled_seconds: seconds("throttled_usec"),
        ..Usage::default()
    }
}

fn parse_memory_stat(text: &str) -> MemoryUsage {
    MemoryUsage {
        anon_bytes: field(text, "anon").unwrap_or(0),
        file_bytes: field(text, "file").unwrap_or(0),
        sock_bytes: field(text, "sock").unwrap_or(0),
        ..MemoryUsage::default()
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|source| Error::file("read", path, source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cpus;

    #[test]
    fn counters_are_parsed() {
        let usage = parse_cpu_stat(
            "usage_usec 1250000\nuser_usec 1000000\nsystem_usec 250000\ncore_sched.force_idle_usec 0\nnr_periods 62\n\
             nr_throttled 61\nthrottled_usec 4878000\nnr_bursts 0\nburst_usec 0\n",
        );
        assert_eq!((usage.periods, usage.throttled_periods), (62, 61));
        assert!((usage.cpu_seconds - 1.25).abs() < 1e-9 && (usage.throttled_seconds - 4.878).abs() < 1e-9);
        let memory =
            parse_memory_stat("anon 1486848\nfile 4096\nkernel 311296\nsock 8192\nanon_thp 0\nfile_mapped 0\n");
        assert_eq!((memory.anon_bytes, memory.file_bytes, memory.sock_bytes), (1_486_848, 4_096, 8_192));
        let events = "low 0\nhigh 0\nmax 12\noom 1\noom_kill 1\noom_group_kill 0\n";
        assert_eq!(field(events, "oom_kill"), Some(1));
    }

    #[test]
    fn quotas_are_exact() {
        let limits = |millis| Limits { cpus: Cpus::from_millis(millis), memory_bytes: 0 };
        assert_eq!(cpu_max(limits(50)), "5000 100000");
        assert_eq!(cpu_max(limits(1500)), "150000 100000");
    }

    #[test]
    fn files_are_read_and_written() {
        // Any directory with these files looks like a group: this machine's kernel has no controllers on version 2.
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        put("memory.current", "2048\n");
        put("memory.stat", "anon 1024\nfile 512\nsock 0\n");
        put("memory.events", "oom_kill 0\n");
        put("cpu.stat", "usage_usec 5\n");
        assert_eq!(usage(dir.path()).unwrap().memory.peak_bytes, 2048, "no memory.peak before Linux 5.19");
        put("memory.peak", "4096\n");
        assert_eq!(usage(dir.path()).unwrap().memory.peak_bytes, 4096);

        put("memory.swap.max", "max\n");
        set_limits(dir.path(), Limits { cpus: Cpus::from_millis(200), memory_bytes: 1 << 26 }).unwrap();
        let got = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!((got("cpu.max").as_str(), got("memory.max").as_str()), ("20000 100000", "67108864"));
        assert_eq!(got("memory.swap.max"), "0");

        put("cgroup.controllers", "cpuset cpu io memory\n");
        put("cgroup.subtree_control", "cpu\n");
        enable_controllers(dir.path()).unwrap();
        assert_eq!(got("cgroup.subtree_control"), "+memory", "cpu is on already, pids is not to be had");
    }

    #[test]
    fn the_supervisor_steps_aside_once() {
        let scope = PathBuf::from("/sys/fs/cgroup/user.slice/run-u1.scope");
        assert_eq!(without_supervisor(scope.join(SUPERVISOR)), scope);
        assert_eq!(without_supervisor(scope.clone()), scope);
    }
}
