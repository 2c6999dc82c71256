//! Resource usage of containers.
//!
//! The Engine's own figures take a second each, even "one shot"; 20.10 omits some of version 2.
//! With a local Engine, the container's cgroup files are read instead, which takes microseconds.
//! The API serves remote Engines.
//! A container's cgroup disappears with it, so the last reading is reported for a dead one.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bollard::{
    Docker,
    errors::Error as EngineError,
    models::{ContainerInspectResponse, ContainerState, ContainerStatsResponse},
    query_parameters::{InspectContainerOptions, StatsOptionsBuilder},
};
use futures_util::StreamExt;

use super::connection::engine;
use crate::{
    MemoryUsage, Replica, Result, Usage,
    cgroup::{Group, Hierarchies},
    ready::ALIVE_POLL,
};

/// Longest time for the Engine to learn of an OOM kill after the container's end.
const EXPLAINED_AFTER: Duration = Duration::from_secs(2);

/// Last reading of each container, by id.
pub(super) struct Readings {
    hierarchies: Option<Hierarchies>,
    known: Mutex<HashMap<String, Known>>,
}

#[derive(Default, Clone)]
struct Known {
    /// First process, which identifies the container's incarnation.
    ///
    /// A restarted container has the same cgroup name but new counters.
    pid: Option<u32>,
    group: Option<Group>,
    /// Usage of its former incarnations.
    former: Usage,
    last: Usage,
    /// True if the reason for its end was waited for, or the end was requested.
    is_end_explained: bool,
}

impl Readings {
    pub(super) fn new(is_local: bool) -> Self {
        Self { hierarchies: Hierarchies::find().ok().filter(|_| is_local), known: Mutex::default() }
    }

    /// Returns the usage of a container, running or not.
    pub(super) async fn read(&self, docker: &Docker, replica: &Replica) -> Result<Usage> {
        let known = self.lock().get(&replica.id).cloned().unwrap_or_default();
        if let Some(counters) =
            known.group.as_ref().and_then(|group| live_counters(group, known.pid?))
        {
            return Ok(self.keep(replica, known.pid, known.group, counters));
        }
        let inspected = match known.is_end_explained {
            true => docker.inspect_container(&replica.id, None::<InspectContainerOptions>).await,
            false => inspect_explained(docker, &replica.id).await,
        };
        let container = match inspected {
            Ok(container) => container,
            Err(EngineError::DockerResponseServerError { status_code: 404, .. }) => {
                return Ok(Usage { replica: replica.name.clone(), running: false, ..known.last });
            }
            Err(error) => {
                return Err(engine(&format!("inspect container {}", replica.name), &error));
            }
        };
        let state = container.state.as_ref();
        let oom_kills = known.last.oom_kills.max(oom_killed(state).into());
        if let Some(end) = end(state, oom_kills > 0) {
            self.expect_end(&replica.id);
            let replica = replica.name.clone();
            return Ok(Usage { replica, running: false, end: Some(end), oom_kills, ..known.last });
        }
        let pid = state.and_then(|state| u32::try_from(state.pid?).ok()).filter(|pid| *pid > 0);
        let group = pid.and_then(|pid| self.find_group(&replica.id, pid));
        match group.as_ref().and_then(|group| live_counters(group, pid?)) {
            Some(counters) => Ok(self.keep(replica, pid, group, counters)),
            // It is ending: its group is gone, but the Engine has not noticed yet.
            None if known.group.is_some() => Ok(known.last),
            None => Ok(self.keep(replica, pid, None, stats(docker, replica).await?)),
        }
    }

    /// Notes that the container's end is expected, so its reason need not be waited for.
    pub(super) fn expect_end(&self, id: &str) {
        self.lock().entry(id.to_owned()).or_default().is_end_explained = true;
    }

    pub(super) fn forget(&self, id: &str) {
        self.lock().remove(id);
    }

    fn keep(
        &self,
        replica: &Replica,
        pid: Option<u32>,
        group: Option<Group>,
        counters: Usage,
    ) -> Usage {
        let mut known = self.lock();
        let known = known.entry(replica.id.clone()).or_default();
        if known.pid.zip(pid).is_some_and(|(before, now)| before != now) {
            known.former = Usage { restarts: known.last.restarts + 1, ..known.last.clone() };
        }
        known.pid = pid.or(known.pid);
        let mut usage =
            Usage { replica: replica.name.clone(), running: true, ..counters.after(&known.former) };
        // The Engine reports zeros for a container that is ending; counters only grow.
        if usage.cpu_seconds < known.last.cpu_seconds {
            return known.last.clone();
        }
        // A kernel without a peak counter reports only the current value.
        usage.memory.peak_bytes = usage.memory.peak_bytes.max(known.last.memory.peak_bytes);
        known.group = group;
        known.last = usage.clone();
        usage
    }

    /// Returns the cgroup of the container's first process if its path contains the container's id.
    ///
    /// Every driver puts the id there; else the process id is of another machine or namespace.
    fn find_group(&self, id: &str, pid: u32) -> Option<Group> {
        let group = self.hierarchies.as_ref()?.of_pid(pid).ok()?;
        group.path().to_string_lossy().contains(id).then_some(group)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Describes how a container ended, if it has.
pub(super) fn end(state: Option<&ContainerState>, is_oom_killed: bool) -> Option<String> {
    let state = state.filter(|state| !state.running.unwrap_or(false))?;
    match state.exit_code.unwrap_or(0) {
        137 if is_oom_killed => Some("out of memory".to_owned()),
        // The Engine encodes a signal as shells do.
        code @ 129..=192 => Some(format!("signal {}", code - 128)),
        code => Some(format!("exit {code}")),
    }
}

/// Returns true if the Engine saw an OOM kill.
pub(super) fn oom_killed(state: Option<&ContainerState>) -> bool {
    state.and_then(|state| state.oom_killed).unwrap_or(false)
}

/// Inspects a container; if it was killed, waits until the reason is known or a time limit passes.
///
/// The Engine learns of the end and of the kernel's reason separately, in either order.
///
/// # Errors
/// Returns the Engine's error.
pub(super) async fn inspect_explained(
    docker: &Docker,
    id: &str,
) -> std::result::Result<ContainerInspectResponse, EngineError> {
    let began = Instant::now();
    loop {
        let container = docker.inspect_container(id, None::<InspectContainerOptions>).await?;
        let is_unexplained = |state: &ContainerState| {
            !state.running.unwrap_or(false)
                && state.exit_code == Some(137)
                && !state.oom_killed.unwrap_or(false)
        };
        if !container.state.as_ref().is_some_and(is_unexplained)
            || began.elapsed() >= EXPLAINED_AFTER
        {
            return Ok(container);
        }
        tokio::time::sleep(ALIVE_POLL).await;
    }
}

/// Returns the counters of a group if it contains the container's first process.
///
/// Otherwise the container is ending, or the group belongs to its next incarnation.
fn live_counters(group: &Group, first: u32) -> Option<Usage> {
    let counters = group.usage().ok()?;
    group.pids().contains(&first).then_some(counters)
}

async fn stats(docker: &Docker, replica: &Replica) -> Result<Usage> {
    let options = StatsOptionsBuilder::new().stream(false).one_shot(true).build();
    match docker.stats(&replica.id, Some(options)).next().await {
        Some(stats) => stats
            .map(|stats| parse_stats(&stats))
            .map_err(|e| engine(&format!("measure {}", replica.name), &e)),
        None => Ok(Usage::default()),
    }
}

fn parse_stats(stats: &ContainerStatsResponse) -> Usage {
    let cpu = stats.cpu_stats.clone().unwrap_or_default();
    let throttling = cpu.throttling_data.unwrap_or_default();
    let memory = stats.memory_stats.clone().unwrap_or_default();
    let fields = memory.stats.unwrap_or_default();
    let field =
        |v1: &str, v2: &str| fields.get(v1).or_else(|| fields.get(v2)).copied().unwrap_or(0);
    let current_bytes = memory.usage.unwrap_or(0);
    Usage {
        cpu_seconds: cpu.cpu_usage.and_then(|usage| usage.total_usage).unwrap_or(0) as f64 / 1e9,
        periods: throttling.periods.unwrap_or(0),
        throttled_periods: throttling.throttled_periods.unwrap_or(0),
        throttled_seconds: throttling.throttled_time.unwrap_or(0) as f64 / 1e9,
        memory: MemoryUsage {
            current_bytes,
            peak_bytes: memory.max_usage.unwrap_or(current_bytes),
            anon_bytes: field("total_rss", "anon"),
            file_bytes: field("total_cache", "file"),
            mapped_file_bytes: None,
            sock_bytes: field("sock", "sock"),
            major_faults: field("total_pgmajfault", "pgmajfault"),
            reclaims: memory.failcnt.unwrap_or(0),
        },
        ..Usage::default()
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::{
        ContainerCpuStats, ContainerCpuUsage, ContainerMemoryStats, ContainerThrottlingData,
    };

    use super::*;

    #[test]
    fn ends_are_described() {
        let state = |running, exit_code| ContainerState {
            running: Some(running),
            exit_code: Some(exit_code),
            ..Default::default()
        };
        assert_eq!(end(Some(&state(true, 0)), false), None);
        assert_eq!(end(Some(&state(false, 3)), false).as_deref(), Some("exit 3"));
        assert_eq!(end(Some(&state(false, 137)), false).as_deref(), Some("signal 9"));
        assert_eq!(end(Some(&state(false, 137)), true).as_deref(), Some("out of memory"));
        assert_eq!(end(Some(&state(false, 1)), true).as_deref(), Some("exit 1"));
        assert_eq!(end(Some(&state(false, 255)), false).as_deref(), Some("exit 255"));
    }

    #[test]
    fn the_engines_figures_are_read_for_both_versions() {
        let stats = |max_usage, fields: &[(&str, u64)]| {
            parse_stats(&ContainerStatsResponse {
                cpu_stats: Some(ContainerCpuStats {
                    cpu_usage: Some(ContainerCpuUsage {
                        total_usage: Some(1_500_000_000),
                        ..Default::default()
                    }),
                    throttling_data: Some(ContainerThrottlingData {
                        periods: Some(9),
                        throttled_periods: Some(4),
                        throttled_time: Some(500_000_000),
                    }),
                    ..Default::default()
                }),
                memory_stats: Some(ContainerMemoryStats {
                    usage: Some(100),
                    max_usage,
                    stats: Some(
                        fields.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect(),
                    ),
                    ..Default::default()
                }),
                ..Default::default()
            })
        };
        let v1 = stats(Some(300), &[("total_rss", 60), ("total_cache", 40)]);
        assert_eq!((v1.periods, v1.throttled_periods), (9, 4));
        assert!((v1.cpu_seconds - 1.5).abs() < 1e-9 && (v1.throttled_seconds - 0.5).abs() < 1e-9);
        assert_eq!(
            (v1.memory.peak_bytes, v1.memory.anon_bytes, v1.memory.file_bytes),
            (300, 60, 40)
        );
        let v2 = stats(None, &[("anon", 50), ("file", 30), ("sock", 5)]);
        assert_eq!(
            (v2.memory.peak_bytes, v2.memory.anon_bytes, v2.memory.sock_bytes),
            (100, 50, 5)
        );
    }
}
