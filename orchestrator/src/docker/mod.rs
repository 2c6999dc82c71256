//! Replicas as containers of a Docker Engine.
//!
//! Each run has its own bridge network and uses the containers' addresses directly.
//! A published port would use the userland proxy, whose CPU time is charged to no replica.
//! On the host's network, replicas would collide.
//!
//! CPU limits are always given as `NanoCpus`: the Engine refuses to mix it with a quota.
//! Memory is always given with an equal memory-and-swap limit, which turns swap off.

mod attach;
mod clean;
mod connection;
mod container;
mod credentials;
mod deploy;
mod find;
mod foreign;
mod hints;
mod image;
mod ledger;
mod list;
mod monitor;
mod network;
mod readings;
mod saved_state;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bollard::{
    Docker,
    errors::Error as EngineError,
    models::{ContainerUpdateBody, SystemInfo},
    query_parameters::{KillContainerOptions, LogsOptionsBuilder},
};
use futures_util::{StreamExt, future::join_all};
use tokio::sync::RwLock;

pub use attach::{Attached, Attachment};
pub use find::{Selector, find};
pub use foreign::Mounted;
pub use list::{Inventory, list};
pub use monitor::{Monitored, monitor};

use self::{
    clean::Scope,
    connection::{address, engine, open},
    network::Network,
    readings::Readings,
};
use crate::{
    Deployment, Error, Host, ImageId, Limits, Orchestrator, Owner, Pull, Replica, Result, Service,
    Usage,
    backend::Backend,
    checks::{check_deployment, check_in_use, check_limits},
};

/// Longest time for a live Engine to answer a ping.
const PING: Duration = Duration::from_secs(5);

/// Docker Engine.
pub struct Engine {
    docker: Docker,
    at: String,
    owner: Owner,
    info: SystemInfo,
    is_local: bool,
    network: Network,
    readings: Readings,
    next: AtomicU32,
    /// Lock read while a container is created or changed, so that `close` finds everything.
    creating: Arc<RwLock<()>>,
    /// Limit on open files of a container; 0 for the Engine's own.
    ///
    /// Lowered if an Engine without `CAP_SYS_RESOURCE` refuses it.
    files: AtomicU64,
    /// True if something was created that `close` has not removed.
    has_objects: AtomicBool,
}

impl Engine {
    /// Connects to `DOCKER_HOST`, or to the default socket.
    ///
    /// # Errors
    /// Returns [`Error::NoEngine`] if none answers.
    /// Returns [`Error::NoCgroup`] if it cannot enforce limits.
    pub async fn connect(owner: Owner) -> Result<Self> {
        Self::connect_to(&address(), owner).await
    }

    /// Connects to the Engine at `unix://…` or `tcp://…`.
    ///
    /// # Errors
    /// Returns the errors of [`connect`](Self::connect).
    pub async fn connect_to(at: &str, owner: Owner) -> Result<Self> {
        let at = at.to_owned();
        let docker = open(&at).await.map_err(|cause| Error::NoEngine { at: at.clone(), cause })?;
        let info = docker.info().await.map_err(|e| engine("tell about itself", &e))?;
        if info.memory_limit == Some(false) || info.cpu_cfs_quota == Some(false) {
            return Err(Error::NoCgroup {
                cause: format!("the Engine at {at} has no CPU or memory controller"),
                help: "run a rootful Engine, or delegate the controllers: \
                    https://docs.docker.com/engine/security/rootless/tips/#limiting-resources"
                    .to_owned(),
            });
        }
        let is_local = at.starts_with("unix://");
        Ok(Self {
            network: Network::new(&owner),
            readings: Readings::new(is_local),
            docker,
            at,
            owner,
            info,
            is_local,
            next: AtomicU32::new(0),
            creating: Arc::default(),
            files: AtomicU64::new(container::FILES),
            has_objects: AtomicBool::new(false),
        })
    }

    /// Restores foreign containers that killed runs left changed; returns a line for each.
    async fn put_back_left(&self) -> Result<Vec<String>> {
        let mut done = Vec::new();
        let mut all = Ok(());
        for (path, entry) in ledger::left() {
            match saved_state::put_back_all(&entry.containers, self).await {
                Ok(()) => ledger::remove(&path)?,
                Err(error) => {
                    all = all.and(Err(error));
                    continue;
                }
            }
            let line = |name: &str| format!("what was changed of the limits of container {name}");
            done.extend(entry.containers.iter().map(|original| line(&original.name)));
        }
        all.map(|()| done)
    }

    /// Returns the next container's number, unique within a run.
    fn next_number(&self) -> u32 {
        self.next.fetch_add(1, Ordering::Relaxed) + 1
    }

    async fn update(&self, id: &str, limits: Limits) -> Result<()> {
        let memory = Some(limits.memory_bytes.cast_signed());
        let nano_cpus = Some(container::nano_cpus(limits));
        let body =
            ContainerUpdateBody { nano_cpus, memory, memory_swap: memory, ..Default::default() };
        self.docker
            .update_container(id, body)
            .await
            .map_err(|e| engine(&format!("change the limits of {id}"), &e))
    }
}

#[async_trait]
impl Orchestrator for Engine {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn file_limit(&self) -> u64 {
        self.files.load(Ordering::Relaxed)
    }

    async fn host(&self) -> Result<Host> {
        let is_v2 = self.info.cgroup_version.is_some_and(|version| version.to_string() == "2");
        let version = self.info.server_version.as_deref().unwrap_or("of an unknown version");
        Ok(Host {
            cpus: self.info.ncpu.and_then(|n| u32::try_from(n).ok()).unwrap_or(1),
            memory_bytes: self.info.mem_total.map_or(0, i64::cast_unsigned),
            cgroup_version: if is_v2 { 2 } else { 1 },
            description: format!("docker {version}"),
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
        let updates =
            join_all(service.replicas.iter().map(|replica| self.update(&replica.id, limits))).await;
        if let Err(error) = updates.into_iter().collect::<Result<()>>() {
            let before = service.deployment.limits;
            join_all(service.replicas.iter().map(|replica| self.update(&replica.id, before))).await;
            return Err(error);
        }
        service.deployment.limits = limits;
        Ok(())
    }

    async fn usage(&self, service: &Service) -> Result<Vec<Usage>> {
        let readings =
            service.replicas.iter().map(|replica| self.readings.read(&self.docker, replica));
        join_all(readings).await.into_iter().collect()
    }

    async fn logs(&self, replica: &Replica, lines: usize) -> Result<String> {
        let options =
            LogsOptionsBuilder::new().stdout(true).stderr(true).tail(&lines.to_string()).build();
        let mut stream = self.docker.logs(&replica.id, Some(options));
        let mut bytes = Vec::new();
        while let Some(part) = stream.next().await {
            bytes.extend_from_slice(
                part.map_err(|e| engine(&format!("read the logs of {}", replica.name), &e))?
                    .as_ref(),
            );
        }
        Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
    }

    async fn fetch(&self, reference: &str, pull: Pull) -> Result<ImageId> {
        image::fetch(&self.docker, reference, pull).await
    }

    async fn incarnation(&self) -> Result<String> {
        let ping = tokio::time::timeout(PING, self.docker.ping()).await;
        let answered = ping.map_err(|_| {
            connection::refused("answer", &format!("no word in {} s", PING.as_secs()))
        })?;
        answered.map_err(|e| engine("answer", &e))?;
        Ok(connection::incarnation(&self.at).unwrap_or_default())
    }

    async fn kill(&self, replica: &Replica) -> Result<()> {
        self.readings.expect_end(&replica.id);
        match self.docker.kill_container(&replica.id, None::<KillContainerOptions>).await {
            // 404: it is gone; 409: it does not run.
            Err(EngineError::DockerResponseServerError { status_code: 404 | 409, .. }) => Ok(()),
            other => other.map_err(|e| engine(&format!("kill container {}", replica.name), &e)),
        }
    }

    async fn tear_down(&self, service: Service) -> Result<()> {
        self.remove(&service.replicas).await
    }

    async fn close(&self) -> Result<()> {
        let mut network_exists = self.network.state().await;
        let _created = self.creating.write().await;
        clean::remove(&self.docker, Scope::Of(&self.owner)).await?;
        *network_exists = false;
        self.has_objects.store(false, Ordering::Relaxed);
        Ok(())
    }

    async fn clean(&self) -> Result<Vec<String>> {
        let mut done = clean::remove(&self.docker, Scope::Dead { is_local: self.is_local }).await?;
        done.extend(self.put_back_left().await?);
        Ok(done)
    }
}

impl Drop for Engine {
    /// Removes the run's objects after a panic or cancellation, as a best effort.
    ///
    /// Uses its own runtime, since the caller's may be ending.
    fn drop(&mut self) {
        if !self.has_objects.load(Ordering::Relaxed) {
            return;
        }
        let (at, owner) = (self.at.clone(), self.owner.clone());
        let remove = move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build()
            else {
                return;
            };
            runtime.block_on(async {
                let removed = async {
                    if let Ok(docker) = open(&at).await {
                        let _ = clean::remove(&docker, Scope::Of(&owner)).await;
                    }
                };
                let _ = tokio::time::timeout(Duration::from_secs(10), removed).await;
            });
        };
        let _ = std::thread::spawn(remove).join();
    }
}
