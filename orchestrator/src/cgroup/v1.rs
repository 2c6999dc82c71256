//! Version 1: one hierarchy for each controller.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use nix::errno::Errno;

use super::{PERIOD_MICROS, field, in_use, number, write};
use crate::{Error, Limits, MemoryUsage, Result, Usage};

/// Directories of a group, one per hierarchy; two may be the same (`cpu,cpuacct`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dirs {
    /// Directory of the CPU bandwidth controller.
    pub cpu: PathBuf,
    /// Directory of the CPU time controller.
    pub cpuacct: PathBuf,
    /// Directory of the memory controller.
    pub memory: PathBuf,
    /// Directory of the `pids` controller, if mounted.
    pub pids: Option<PathBuf>,
}

impl Dirs {
    /// Returns all distinct directories.
    pub(super) fn all(&self) -> Vec<&Path> {
        let mut all: Vec<&Path> = vec![&self.cpu];
        for dir in
            [Some(&self.cpuacct), Some(&self.memory), self.pids.as_ref()].into_iter().flatten()
        {
            if !all.contains(&dir.as_path()) {
                all.push(dir);
            }
        }
        all
    }

    /// Applies `f` to every directory.
    pub(super) fn map(&self, f: impl Fn(&Path) -> PathBuf) -> Self {
        Self {
            cpu: f(&self.cpu),
            cpuacct: f(&self.cpuacct),
            memory: f(&self.memory),
            pids: self.pids.as_deref().map(f),
        }
    }
}

pub(super) fn set_limits(dirs: &Dirs, limits: Limits) -> Result<()> {
    write(&dirs.cpu.join("cpu.cfs_period_us"), &PERIOD_MICROS.to_string())?;
    let quota = u64::from(limits.cpus.millis) * PERIOD_MICROS / 1000;
    write(&dirs.cpu.join("cpu.cfs_quota_us"), &quota.to_string())?;
    set_memory(&dirs.memory, limits.memory_bytes)
}

pub(super) fn usage(dirs: &Dirs) -> io::Result<Usage> {
    let cpu_seconds = number(&dirs.cpuacct.join("cpuacct.usage"))? as f64 / 1e9;
    let memory = MemoryUsage {
        current_bytes: number(&dirs.memory.join("memory.usage_in_bytes"))?,
        peak_bytes: number(&dirs.memory.join("memory.max_usage_in_bytes"))?,
        // Some kernels lack these files.
        sock_bytes: number(&dirs.memory.join("memory.kmem.tcp.usage_in_bytes")).unwrap_or(0),
        reclaims: number(&dirs.memory.join("memory.failcnt")).unwrap_or(0),
        ..parse_memory_stat(&fs::read_to_string(dirs.memory.join("memory.stat"))?)
    };
    let stat = fs::read_to_string(dirs.cpu.join("cpu.stat"))?;
    let oom_control = fs::read_to_string(dirs.memory.join("memory.oom_control"))?;
    let oom_kills = field(&oom_control, "oom_kill").unwrap_or(0);
    Ok(Usage { cpu_seconds, memory, oom_kills, ..parse_cpu_stat(&stat) })
}

/// Sets the memory limit, which may never exceed the limit with swap: the direction sets the order.
fn set_memory(dir: &Path, bytes: u64) -> Result<()> {
    let (memory, with_swap) =
        (dir.join("memory.limit_in_bytes"), dir.join("memory.memsw.limit_in_bytes"));
    let value = bytes.to_string();
    let result = match number(&with_swap) {
        Ok(now) if bytes > now => write(&with_swap, &value).and_then(|()| write(&memory, &value)),
        Ok(_) => write(&memory, &value).and_then(|()| write(&with_swap, &value)),
        // The kernel has no swap accounting.
        Err(_) => write(&memory, &value).and_then(|()| write(&dir.join("memory.swappiness"), "0")),
    };
    result.map_err(|error| match error {
        Error::File { source, .. } if source.raw_os_error() == Some(Errno::EBUSY as i32) => {
            in_use(bytes, number(&dir.join("memory.usage_in_bytes")).unwrap_or(0))
        }
        other => other,
    })
}

fn parse_cpu_stat(text: &str) -> Usage {
    Usage {
        periods: field(text, "nr_periods").unwrap_or(0),
        throttled_periods: field(text, "nr_throttled").unwrap_or(0),
        throttled_seconds: field(text, "throttled_time").unwrap_or(0) as f64 / 1e9,
        ..Usage::default()
    }
}

fn parse_memory_stat(text: &str) -> MemoryUsage {
    MemoryUsage {
        anon_bytes: field(text, "total_rss").unwrap_or(0),
        file_bytes: field(text, "total_cache").unwrap_or(0),
        major_faults: field(text, "total_pgmajfault").unwrap_or(0),
        ..MemoryUsage::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_parsed() {
        let usage = parse_cpu_stat(
            "nr_periods 31\nnr_throttled 30\nthrottled_time 2433862117\nnr_bursts 0\n",
        );
        assert_eq!((usage.periods, usage.throttled_periods), (31, 30));
        assert!((usage.throttled_seconds - 2.433_862_117).abs() < 1e-9);
        let memory = parse_memory_stat(
            "cache 1\nrss 2\npgmajfault 3\ntotal_cache 3804352512\ntotal_rss \
                151961600\ntotal_pgmajfault 77\n",
        );
        assert_eq!((memory.anon_bytes, memory.file_bytes), (151_961_600, 3_804_352_512));
        assert_eq!(memory.major_faults, 77);
        assert_eq!(field("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n", "oom_kill"), Some(2));
    }

    #[test]
    fn shared_directories_count_once() {
        let path = PathBuf::from;
        let dirs = Dirs { cpu: path("/c"), cpuacct: path("/c"), memory: path("/m"), pids: None };
        assert_eq!(dirs.all(), [Path::new("/c"), Path::new("/m")]);
        assert_eq!(dirs.map(|d| d.join("x")).memory, Path::new("/m/x"));
    }
}
