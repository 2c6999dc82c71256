//! State of a foreign container.

use bollard::{
    Docker,
    errors::Error as EngineError,
    models::{ContainerInspectResponse, ContainerUpdateBody, RestartPolicy},
    query_parameters::{
        InspectContainerOptions, StartContainerOptions, StopContainerOptionsBuilder,
    },
};
use serde::{Deserialize, Serialize};

use super::{Engine, connection::engine, container};
use crate::{Limits, Result};

/// Time between SIGTERM and SIGKILL, in seconds.
const GRACE_SECONDS: i32 = 5;
/// Scheduler period, in microseconds: Docker's default.
const PERIOD_MICROS: i64 = 100_000;

/// State of a container before any change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct SavedState {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) is_running: bool,
    nano_cpus: i64,
    cpu_period: i64,
    cpu_quota: i64,
    memory: i64,
    memory_swap: i64,
    cpuset_cpus: String,
    restart_policy: Option<RestartPolicy>,
    #[serde(default)]
    memory_reservation: i64,
}

impl SavedState {
    pub(super) fn of(container: &ContainerInspectResponse) -> Self {
        let config = container.host_config.clone().unwrap_or_default();
        let state = container.state.as_ref();
        Self {
            id: container.id.clone().unwrap_or_default(),
            name: container.name.as_deref().unwrap_or_default().trim_start_matches('/').to_owned(),
            is_running: state.and_then(|state| state.running).unwrap_or(false),
            nano_cpus: config.nano_cpus.unwrap_or(0),
            cpu_period: config.cpu_period.unwrap_or(0),
            cpu_quota: config.cpu_quota.unwrap_or(0),
            memory: config.memory.unwrap_or(0),
            memory_swap: config.memory_swap.unwrap_or(0),
            cpuset_cpus: config.cpuset_cpus.unwrap_or_default(),
            restart_policy: config.restart_policy,
            memory_reservation: config.memory_reservation.unwrap_or(0),
        }
    }

    /// Returns true if changed limits, and processors if `is_pinned`, can be restored exactly.
    ///
    /// An Engine changes an existing limit but removes none.
    pub(super) fn is_restorable(&self, is_pinned: bool) -> bool {
        let has_cpu = self.nano_cpus > 0 || (self.cpu_period > 0 && self.cpu_quota > 0);
        has_cpu
            && self.memory > 0
            && self.memory_swap != 0
            && !(is_pinned && self.cpuset_cpus.is_empty())
    }

    /// Returns the lowered memory reservation if the container's exceeds the limit `memory`.
    ///
    /// The Engine refuses a reservation above the limit.
    pub(super) fn reservation(&self, memory: i64) -> Option<i64> {
        (self.memory_reservation > memory).then_some(memory)
    }

    /// Returns a CPU limit in the form that the container has: an Engine refuses to mix them.
    ///
    /// A container without a limit gets a quota, which can be removed again.
    pub(super) fn cpu(&self, limits: Limits) -> ContainerUpdateBody {
        let millis = i64::from(limits.cpus.millis);
        match self.nano_cpus {
            0 => {
                let period = if self.cpu_period > 0 { self.cpu_period } else { PERIOD_MICROS };
                let (cpu_period, cpu_quota) = (Some(period), Some(period * millis / 1000));
                ContainerUpdateBody { cpu_period, cpu_quota, ..Default::default() }
            }
            _ => ContainerUpdateBody {
                nano_cpus: Some(container::nano_cpus(limits)),
                ..Default::default()
            },
        }
    }

    /// Returns the current state of the container; `None` if it is gone.
    async fn now(&self, docker: &Docker) -> Result<Option<Self>> {
        match docker.inspect_container(&self.id, None::<InspectContainerOptions>).await {
            Err(EngineError::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            Err(error) => Err(engine(&format!("inspect container {}", self.name), &error)),
            Ok(container) => Ok(Some(Self::of(&container))),
        }
    }

    fn has_limits_of(&self, other: &Self) -> bool {
        Self { is_running: other.is_running, ..self.clone() } == *other
    }

    /// Restores the container's limits and starts it if it was running.
    async fn put_back(&self, docker: &Docker) -> Result<()> {
        // Another user may have removed it meanwhile.
        if self.now(docker).await?.is_none() {
            return Ok(());
        }
        stop(docker, &self.id, &self.name).await?;
        let now = self.now(docker).await?;
        if now.is_some_and(|now| !now.has_limits_of(self)) {
            let cpu = match self.nano_cpus {
                0 => ContainerUpdateBody {
                    cpu_period: Some(self.cpu_period),
                    cpu_quota: Some(self.cpu_quota),
                    ..Default::default()
                },
                nano => ContainerUpdateBody { nano_cpus: Some(nano), ..Default::default() },
            };
            let body = ContainerUpdateBody {
                memory: Some(self.memory),
                memory_swap: Some(self.memory_swap),
                memory_reservation: (self.memory_reservation > 0)
                    .then_some(self.memory_reservation),
                cpuset_cpus: Some(self.cpuset_cpus.clone()).filter(|cpus| !cpus.is_empty()),
                restart_policy: self.restart_policy.clone(),
                ..cpu
            };
            let updated = docker.update_container(&self.id, body).await;
            updated.map_err(|e| engine(&format!("put back the limits of {}", self.name), &e))?;
        }
        if self.is_running { start(docker, &self.id, &self.name).await } else { Ok(()) }
    }
}

/// Restores each container if possible and returns the first error.
pub(super) async fn put_back_all(saved: &[SavedState], engine: &Engine) -> Result<()> {
    let mut done = Ok(());
    for original in saved {
        let put_back = original.put_back(&engine.docker).await;
        done = done.and(put_back);
    }
    done
}

pub(super) async fn start(docker: &Docker, id: &str, name: &str) -> Result<()> {
    let started = docker.start_container(id, None::<StartContainerOptions>).await;
    started.map_err(|e| engine(&format!("start container {name}"), &e))
}

pub(super) async fn stop(docker: &Docker, id: &str, name: &str) -> Result<()> {
    let options = StopContainerOptionsBuilder::new().t(GRACE_SECONDS).build();
    match docker.stop_container(id, Some(options)).await {
        Err(EngineError::DockerResponseServerError { status_code: 304 | 404, .. }) => Ok(()),
        other => other.map_err(|e| engine(&format!("stop container {name}"), &e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cpus;

    #[test]
    fn limits_are_set_in_the_way_in_which_they_are_there() {
        let original = |nano_cpus, cpu_period| SavedState {
            id: String::new(),
            name: String::new(),
            is_running: true,
            nano_cpus,
            cpu_period,
            cpu_quota: 0,
            memory: 0,
            memory_swap: 0,
            cpuset_cpus: String::new(),
            restart_policy: None,
            memory_reservation: 0,
        };
        let limits = Limits { cpus: Cpus::from_millis(250), memory_bytes: 1 << 26 };
        let body = original(0, 0).cpu(limits);
        assert_eq!(
            (body.cpu_period, body.cpu_quota, body.nano_cpus),
            (Some(100_000), Some(25_000), None)
        );
        assert_eq!(original(0, 50_000).cpu(limits).cpu_quota, Some(12_500));
        assert_eq!(original(1_000_000_000, 0).cpu(limits).nano_cpus, Some(250_000_000));
    }

    #[test]
    fn limits_are_changed_only_where_they_can_be_taken_back() {
        let none = SavedState::of(&ContainerInspectResponse::default());
        assert!(!none.is_restorable(false), "an Engine takes no limit away");
        let limited = SavedState { nano_cpus: 1, memory: 1 << 29, memory_swap: 1 << 30, ..none };
        assert!(limited.is_restorable(false) && !limited.is_restorable(true));
        assert!(SavedState { cpuset_cpus: "0".to_owned(), ..limited.clone() }.is_restorable(true));
        assert!(!SavedState { memory: 0, ..limited.clone() }.is_restorable(false));
        let quota = SavedState { nano_cpus: 0, cpu_quota: 50_000, ..limited };
        assert!(!quota.is_restorable(false), "a period would remain");
        assert!(SavedState { cpu_period: 100_000, ..quota }.is_restorable(false));
    }
}
