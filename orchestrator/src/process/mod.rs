//! Replicas as child processes in cgroups, for machines without an Engine.
//!
//! The kernel enforces the limits as in a container.
//! All else is shared with the host: files, users and network (one loopback port per replica).
//! Results are not comparable with those of containers, because the network modes differ.
//!
//! The run's cgroup carries its [`Owner`] in its name.
//! Children survive a kill of this process; `clean` finds them.

mod clean;
mod deploy;
mod log;
mod replica;
mod spawn;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError, atomic::AtomicU32},
};

use async_trait::async_trait;
use futures_util::future::join_all;
use nix::sys::signal::Signal;

use self::replica::Running;
use crate::{
    Cpus, Deployment, Error, Host, ImageId, Limits, Orchestrator, Owner, Pull, Replica, Result,
    Service, Usage,
    backend::Backend,
    cgroup::{Group, RootGroup, find_root_group},
    checks::{check_deployment, check_in_use, check_limits},
    machine,
};

/// Child processes of this process.
pub struct Processes {
    owner: Owner,
    base: RootGroup,
    run: Group,
    next: AtomicU32,
    running: Mutex<BTreeMap<String, Running>>,
    /// Files that replicas had mapped.
    mapped: Mutex<BTreeSet<PathBuf>>,
}

impl Processes {
    /// Creates the run's cgroup and tests, on a group in it, that limits can be written.
    ///
    /// # Errors
    /// Returns [`Error::NoCgroup`], with the command that helps, if they cannot.
    pub fn new(owner: Owner) -> Result<Self> {
        let base = find_root_group()?;
        base.create()?;
        let run = base.group.child(&owner.dir_name());
        let processes = Self {
            owner,
            base,
            run,
            next: AtomicU32::new(0),
            running: Mutex::default(),
            mapped: Mutex::default(),
        };
        // On an error, dropping `processes` removes what was created by then.
        processes.probe().map_err(|error| processes.base.explain(&error))?;
        Ok(processes)
    }

    /// Creates the run's cgroup if it is absent: at first, or after `close`.
    fn create_run(&self) -> Result<()> {
        let create = || self.base.group.create().and_then(|()| self.run.create());
        // Retry once: another run that was the last one in the base may remove the base in between.
        create().or_else(|_| create())
    }

    /// Writes limits to a test group in the run's group.
    fn probe(&self) -> Result<()> {
        let probe = self.run.child("probe");
        let limits = Limits { cpus: Cpus::from_millis(1000), memory_bytes: 64 << 20 };
        let probed =
            self.create_run().and_then(|()| probe.create()).and_then(|()| probe.set_limits(limits));
        let removed = probe.kill_and_remove();
        probed.and(removed.map(|_| ()))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Orchestrator for Processes {
    fn name(&self) -> &'static str {
        "process"
    }

    async fn host(&self) -> Result<Host> {
        Ok(Host {
            cpus: machine::online_cpus()?,
            memory_bytes: machine::memory_bytes()?,
            cgroup_version: self.base.hierarchies.version(),
            description: self.name().to_owned(),
        })
    }

    async fn deploy(&self, deployment: &Deployment) -> Result<Service> {
        check_deployment(deployment, &self.host().await?)?;
        self.start(deployment).await
    }

    async fn scale(&self, service: &mut Service, replicas: u32) -> Result<()> {
        self.change(service, replicas).await
    }

    async fn set_limits(&self, service: &mut Service, limits: Limits) -> Result<()> {
        check_limits(limits, service.deployment.cpuset.as_deref(), &self.host().await?)?;
        check_in_use(limits, &self.usage(service).await?)?;
        for replica in &service.replicas {
            if let Err(error) = self.run.child(&replica.name).set_limits(limits) {
                for replica in &service.replicas {
                    let _ = self.run.child(&replica.name).set_limits(service.deployment.limits);
                }
                return Err(error);
            }
        }
        service.deployment.limits = limits;
        Ok(())
    }

    async fn usage(&self, service: &Service) -> Result<Vec<Usage>> {
        let mut running = self.lock();
        let usage = service.replicas.iter().map(|replica| match running.get_mut(&replica.name) {
            Some(running) => running.usage(&replica.name),
            None => Usage { replica: replica.name.clone(), ..Usage::default() },
        });
        Ok(usage.collect())
    }

    async fn logs(&self, replica: &Replica, lines: usize) -> Result<String> {
        Ok(self
            .lock()
            .get(&replica.name)
            .map(|running| running.log.tail(lines))
            .unwrap_or_default())
    }

    async fn fetch(&self, reference: &str, _pull: Pull) -> Result<ImageId> {
        Err(Error::Unsatisfiable(format!(
            "image {reference} needs a Docker Engine: --orchestrator docker"
        )))
    }

    /// Returns a constant: this backend lives as long as this process.
    async fn incarnation(&self) -> Result<String> {
        Ok(String::new())
    }

    async fn kill(&self, replica: &Replica) -> Result<()> {
        if let Some(running) = self.lock().get(&replica.name) {
            running.group.signal(Signal::SIGKILL);
        }
        Ok(())
    }

    async fn tear_down(&self, service: Service) -> Result<()> {
        self.remove(&service.replicas).await
    }

    async fn close(&self) -> Result<()> {
        let left: Vec<_> = std::mem::take(&mut *self.lock()).into_values().collect();
        let results = join_all(left.into_iter().map(Running::stop)).await;
        results.into_iter().collect::<Result<()>>()?;
        let (run, base) = (self.run.clone(), self.base.group.clone());
        let removed = tokio::task::spawn_blocking(move || {
            let removed = run.kill_and_remove();
            base.remove_if_empty();
            removed
        });
        removed.await.unwrap_or(Ok(0)).map(|_| ())
    }

    async fn clean(&self) -> Result<Vec<String>> {
        let base = self.base.clone();
        tokio::task::spawn_blocking(move || clean::clean(&base))
            .await
            .unwrap_or_else(|_| Ok(Vec::new()))
    }
}

impl Drop for Processes {
    /// Kills all replicas without a grace after a panic or cancellation, as a best effort.
    fn drop(&mut self) {
        for running in std::mem::take(&mut *self.lock()).into_values() {
            let _ = running.kill();
        }
        let _ = self.run.kill_and_remove();
        self.base.group.remove_if_empty();
    }
}
