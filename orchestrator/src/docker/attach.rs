//! Service of a running Compose project, changed in place (limits and replicas) and restored.
//!
//! For each trial, the service's containers are stopped, given other limits and started again.
//! If more replicas are needed, copies of the first container run; surplus containers stay stopped.
//! The original state is written to disk before any change.
//! After a run was killed, `clean` can therefore restore it.

mod check;
mod copy;
mod in_place;

use std::{
    collections::HashMap,
    path::PathBuf,
    str::FromStr,
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;
use bollard::{
    Docker, models::ContainerUpdateBody, query_parameters::ListContainersOptionsBuilder,
};
use futures_util::future::join_all;

use super::{
    Engine, clean,
    connection::{engine, remove_container},
    container,
    foreign::{Mounted, configuration, mounts},
    image,
    ledger::{self, Entry},
    saved_state::{SavedState, put_back_all, start, stop},
};
use crate::{
    Deployment, Error, Host, ImageId, Limits, Orchestrator, Owner, Pull, Replica, Result, Service,
    Usage,
    checks::{check_deployment, check_in_use, check_limits},
    page_cache::{all_here, make_cold},
};

const PROJECT: &str = "com.docker.compose.project";
const SERVICE: &str = "com.docker.compose.service";
/// Filter against containers of `docker compose run`, which have the same labels but run one task.
const NOT_ONCE: &str = "com.docker.compose.oneoff=False";

/// Target of an attachment: `compose:PROJECT/SERVICE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    project: String,
    service: String,
}

impl FromStr for Attachment {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts = text.strip_prefix("compose:").and_then(|rest| rest.split_once('/'));
        match parts.filter(|(project, service)| !project.is_empty() && !service.is_empty()) {
            Some((project, service)) => {
                Ok(Self { project: project.to_owned(), service: service.to_owned() })
            }
            None => Err(Error::Unsatisfiable(format!(
                "{text:?}: write compose:PROJECT/SERVICE, as docker compose ps has them"
            ))),
        }
    }
}

impl Attachment {
    /// Returns the service's name in its Compose file.
    pub fn service(&self) -> &str {
        &self.service
    }
}

impl std::fmt::Display for Attachment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "compose:{}/{}", self.project, self.service)
    }
}

/// Attached service.
pub struct Attached {
    engine: Engine,
    saved: Vec<SavedState>,
    /// Path of the ledger entry with the saved, from the first change on.
    ledger: Mutex<Option<PathBuf>>,
}

impl Attached {
    /// Finds the service's containers, after restoring what killed runs left changed.
    ///
    /// # Errors
    /// Returns an error if there are none, another run is attached, or the Engine is remote.
    pub async fn connect(to: Attachment, owner: Owner) -> Result<Self> {
        let docker = Engine::connect(owner).await?;
        if !docker.is_local {
            return Err(Error::Unsatisfiable(format!(
                "{to}: the Engine is on another machine: its containers' addresses mean nothing \
                    here"
            )));
        }
        docker.put_back_left().await?;
        let labels = vec![
            format!("{PROJECT}={}", to.project),
            format!("{SERVICE}={}", to.service),
            NOT_ONCE.to_owned(),
        ];
        let filters = HashMap::from([("label", labels)]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let found = docker.docker.list_containers(Some(options)).await;
        let mut saved = Vec::new();
        for id in found.map_err(|e| engine("list containers", &e))?.into_iter().filter_map(|c| c.id)
        {
            let container = docker.inspect(&id).await?;
            check::check(&container)?;
            saved.push(SavedState::of(&container));
        }
        // Running containers come first: they are certainly intact.
        saved.sort_by(|a, b| b.is_running.cmp(&a.is_running).then_with(|| a.name.cmp(&b.name)));
        if !saved.iter().any(|original| original.is_running) {
            return Err(Error::Unsatisfiable(format!(
                "{to}: no container of it runs\n  help: docker compose up -d starts them"
            )));
        }
        if let Some(other) = ledger::live().into_iter().find(|entry| entry.names_one_of(&saved)) {
            return Err(Error::Unsatisfiable(format!(
                "{to}: run {} of process {} varies it now",
                other.owner.run, other.owner.pid
            )));
        }
        Ok(Self { engine: docker, saved, ledger: Mutex::default() })
    }

    /// Returns the image's id, and the first container's exposed port if there is exactly one.
    ///
    /// # Errors
    /// Returns an error if the container is gone.
    pub async fn image(&self) -> Result<(String, Option<u16>)> {
        let first = self.engine.inspect(&self.saved[0].id).await?;
        let config = first.config.unwrap_or_default();
        let mut ports = config.exposed_ports.unwrap_or_default().into_iter();
        let port =
            ports.next().and_then(|port| port.strip_suffix("/tcp").unwrap_or(&port).parse().ok());
        Ok((first.image.unwrap_or_default(), port.filter(|_| ports.next().is_none())))
    }

    /// Returns the first container's command, user, variables and mounts, without limits.
    ///
    /// # Errors
    /// Returns an error if the container is gone.
    pub async fn configuration(&self) -> Result<String> {
        Ok(configuration(&self.engine.inspect(&self.saved[0].id).await?))
    }

    /// Returns the first container's mounts from the Engine's file system.
    ///
    /// # Errors
    /// Returns an error if the container is gone.
    pub async fn mounts(&self) -> Result<Vec<Mounted>> {
        Ok(mounts(&self.engine.inspect(&self.saved[0].id).await?))
    }

    /// Returns the files that replicas read at the start.
    async fn files(&self, image: &str) -> std::result::Result<Vec<PathBuf>, String> {
        let mut files = image::layers(&self.engine.docker, image).await?;
        let mounted = self.mounts().await.map_err(|error| error.to_string())?;
        files.extend(all_here(mounted.into_iter().map(|mounted| mounted.here).collect())?);
        Ok(files)
    }

    /// Returns true if the service's containers can get other limits and be restored exactly.
    fn is_restorable(&self, deployment: &Deployment) -> bool {
        self.saved.iter().all(|original| original.is_restorable(deployment.cpuset.is_some()))
    }

    /// Writes the ledger entry with the saved, once.
    fn write_down(&self) -> Result<()> {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        if ledger.is_none() {
            let entry = Entry { owner: self.engine.owner.clone(), containers: self.saved.clone() };
            *ledger = Some(ledger::write(&entry)?);
        }
        Ok(())
    }

    async fn start_all(&self, deployment: &Deployment) -> Result<Vec<Replica>> {
        let wanted = deployment.replicas as usize;
        // Containers that cannot be restored exactly stay stopped, and copies run instead.
        let changed = if self.is_restorable(deployment) { wanted.min(self.saved.len()) } else { 0 };
        let used = &self.saved[..changed];
        let mut started = Vec::new();
        for original in used {
            self.change_and_start(&original.id, &original.name, deployment).await?;
            started.push((original.id.clone(), original.name.clone()));
        }
        for _ in used.len()..wanted {
            started.push(self.copy(deployment).await?);
        }
        let ready = started.into_iter().map(|(id, name)| self.ready(deployment, id, name));
        join_all(ready).await.into_iter().collect()
    }

    /// Changes and starts a container as one operation, even if the caller is cancelled.
    ///
    /// A half-done one would undo what `close` restores.
    async fn change_and_start(&self, id: &str, name: &str, deployment: &Deployment) -> Result<()> {
        let body = self.body(id, deployment).await?;
        let (docker, id, name) = (self.engine.docker.clone(), id.to_owned(), name.to_owned());
        self.engine
            .finish_before_close(async move {
                update(&docker, &id, &name, body).await?;
                start(&docker, &id, &name).await
            })
            .await
    }

    /// Returns the update of a container to the limits of a deployment.
    async fn body(&self, id: &str, deployment: &Deployment) -> Result<ContainerUpdateBody> {
        let now = SavedState::of(&self.engine.inspect(id).await?);
        let cpuset = deployment
            .cpuset
            .as_ref()
            .map(|cpus| cpus.iter().map(usize::to_string).collect::<Vec<_>>().join(","));
        let memory = Some(deployment.limits.memory_bytes.cast_signed());
        Ok(ContainerUpdateBody {
            memory,
            memory_swap: memory,
            memory_reservation: memory.and_then(|memory| now.reservation(memory)),
            cpuset_cpus: cpuset,
            restart_policy: Some(container::never_again()),
            ..now.cpu(deployment.limits)
        })
    }

    async fn ready(&self, deployment: &Deployment, id: String, name: String) -> Result<Replica> {
        let container = self.engine.inspect(&id).await?;
        let port = container::Image::of(&deployment.workload).map_or(0, |image| image.port);
        let networks =
            container.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        let mut addresses: Vec<std::net::IpAddr> = networks
            .into_values()
            .filter_map(|endpoint| endpoint.ip_address?.parse().ok())
            .collect();
        addresses.sort_unstable();
        let ip = addresses.first().copied();
        let ip = ip.ok_or_else(|| {
            Error::Unsatisfiable(format!("container {name} has no address of its own"))
        })?;
        let replica = Replica { name, addr: (ip, port).into(), id };
        self.engine.wait_until_ready(deployment, replica, false).await
    }

    /// Stops the service's containers and forgets their readings, which belong to the ended trial.
    async fn stop_all(&self) -> Result<()> {
        self.saved.iter().for_each(|original| self.engine.readings.forget(&original.id));
        let running = self
            .saved
            .iter()
            .map(|original| stop(&self.engine.docker, &original.id, &original.name));
        join_all(running).await.into_iter().collect()
    }
}

async fn update(docker: &Docker, id: &str, name: &str, body: ContainerUpdateBody) -> Result<()> {
    let updated = docker.update_container(id, body).await;
    updated.map_err(|e| engine(&format!("change the limits of {name}"), &e))
}

#[async_trait]
impl Orchestrator for Attached {
    fn name(&self) -> &'static str {
        "docker"
    }

    async fn host(&self) -> Result<Host> {
        self.engine.host().await
    }

    async fn deploy(&self, deployment: &Deployment) -> Result<Service> {
        check_deployment(deployment, &self.host().await?)?;
        self.write_down()?;
        // If limits cannot be changed in place, the containers are restarted under them.
        if deployment.in_place
            && self.is_restorable(deployment)
            && self.runs_as(deployment.replicas).await?
            && let Ok(service) = self.go_on(deployment).await
        {
            return Ok(service);
        }
        self.stop_all().await?;
        let image = container::Image::of(&deployment.workload)
            .map(|image| image.reference.to_owned())
            .unwrap_or_default();
        let page_cache = make_cold(deployment, self.files(&image)).await;
        let replicas = match self.start_all(deployment).await {
            Ok(replicas) => replicas,
            Err(error) => {
                let _ = self.stop_all().await;
                let _ =
                    clean::remove(&self.engine.docker, clean::Scope::Of(&self.engine.owner)).await;
                return Err(error);
            }
        };
        Ok(Service { deployment: deployment.clone(), replicas, page_cache })
    }

    async fn scale(&self, service: &mut Service, replicas: u32) -> Result<()> {
        let deployment = Deployment { replicas, ..service.deployment.clone() };
        self.tear_down(service.clone()).await?;
        *service = self.deploy(&deployment).await?;
        Ok(())
    }

    async fn set_limits(&self, service: &mut Service, limits: Limits) -> Result<()> {
        check_limits(limits, service.deployment.cpuset.as_deref(), &self.host().await?)?;
        check_in_use(limits, &self.usage(service).await?)?;
        let deployment = Deployment { limits, ..service.deployment.clone() };
        if let Err(error) = self.update_all(&service.replicas, &deployment).await {
            let _ = self.update_all(&service.replicas, &service.deployment).await;
            return Err(error);
        }
        service.deployment = deployment;
        Ok(())
    }

    async fn usage(&self, service: &Service) -> Result<Vec<Usage>> {
        self.engine.usage(service).await
    }

    async fn fetch(&self, reference: &str, pull: Pull) -> Result<ImageId> {
        self.engine.fetch(reference, pull).await
    }

    async fn incarnation(&self) -> Result<String> {
        self.engine.incarnation().await
    }

    async fn logs(&self, replica: &Replica, lines: usize) -> Result<String> {
        self.engine.logs(replica, lines).await
    }

    async fn kill(&self, replica: &Replica) -> Result<()> {
        self.engine.kill(replica).await
    }

    /// Removes copies; stops the service's own containers unless they run on (`in_place`).
    async fn tear_down(&self, service: Service) -> Result<()> {
        for replica in service.replicas {
            if !self.saved.iter().any(|original| original.id == replica.id) {
                self.engine.readings.forget(&replica.id);
                remove_container(&self.engine.docker, &replica.id).await?;
            }
        }
        if service.deployment.in_place { Ok(()) } else { self.stop_all().await }
    }

    /// Restores the original state, if it was changed.
    async fn close(&self) -> Result<()> {
        let closed = self.engine.close().await;
        let changed = self.ledger.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(path) = changed else { return closed };
        put_back_all(&self.saved, &self.engine).await?;
        ledger::remove(&path)?;
        *self.ledger.lock().unwrap_or_else(PoisonError::into_inner) = None;
        closed
    }

    async fn clean(&self) -> Result<Vec<String>> {
        self.engine.clean().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attachments_name_project_and_service() {
        let attachment: Attachment = "compose:shop/api".parse().unwrap();
        assert_eq!(attachment.to_string(), "compose:shop/api");
        for wrong in ["shop/api", "compose:shop", "compose:/api", ""] {
            assert!(wrong.parse::<Attachment>().is_err(), "{wrong}");
        }
    }
}
