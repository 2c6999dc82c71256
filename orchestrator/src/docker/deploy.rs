//! Start and removal of containers.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
};

use async_trait::async_trait;
use bollard::{
    Docker,
    models::{ContainerCreateBody, ContainerInspectResponse, ContainerState},
    query_parameters::{
        CreateContainerOptionsBuilder, InspectContainerOptions, StartContainerOptions,
        StopContainerOptionsBuilder,
    },
};
use futures_util::future::join_all;

use super::{
    Engine,
    connection::{engine, finish, refused, remove_container},
    container::{self, Image, is_rlimit_refused},
    hints, image, readings,
};
use crate::{
    Deployment, Error, Orchestrator, Pull, Replica, Result,
    backend::Backend,
    machine,
    page_cache::all_here,
    ready::{self, Outcome},
};

/// Time between SIGTERM and SIGKILL, in seconds.
const GRACE_SECONDS: i32 = 5;
/// Number of log lines in an error.
const LOG_LINES: usize = 20;

#[async_trait]
impl Backend for Engine {
    async fn prepare(&self, deployment: &Deployment) -> Result<()> {
        image::fetch(&self.docker, image_of(deployment)?.reference, Pull::Missing).await?;
        self.has_objects.store(true, Ordering::Relaxed);
        self.network.ensure(&self.docker).await
    }

    async fn files(&self, deployment: &Deployment) -> std::result::Result<Vec<PathBuf>, String> {
        if !self.is_local {
            return Err("the Engine is on another machine".to_owned());
        }
        let image = image_of(deployment).map_err(|error| error.to_string())?;
        let mut files = image::layers(&self.docker, image.reference).await?;
        files.extend(all_here(image.mounts.iter().map(|(host, _)| host.clone()).collect())?);
        Ok(files)
    }

    async fn start_one(&self, deployment: &Deployment) -> Result<Replica> {
        let image = image_of(deployment)?;
        let name = format!("loadgen-{}-{}-{}", self.owner.run, deployment.name, self.next_number());
        let id = loop {
            let files = self.files.load(Ordering::Relaxed);
            match self.create_and_start(deployment, image, &name, files).await {
                Err(error) if files > 0 && is_rlimit_refused(&error) => {
                    self.lower_file_limit(files);
                }
                other => break other?,
            }
        };
        let result = self.make_ready(deployment, image, &name, &id).await;
        if result.is_err() {
            let _ = remove_container(&self.docker, &id).await;
        }
        result
    }

    async fn remove(&self, replicas: &[Replica]) -> Result<()> {
        let removals = replicas.iter().map(async |replica| {
            let options = StopContainerOptionsBuilder::new().t(GRACE_SECONDS).build();
            // A failed stop does not matter: the forced removal follows.
            let _ = self.docker.stop_container(&replica.id, Some(options)).await;
            self.readings.forget(&replica.id);
            remove_container(&self.docker, &replica.id).await
        });
        join_all(removals).await.into_iter().collect()
    }
}

impl Engine {
    /// Lowers the file limit to this process's own, which a local Engine probably shares.
    fn lower_file_limit(&self, refused: u64) {
        let own = machine::file_limit().filter(|own| self.is_local && *own < refused).unwrap_or(0);
        // Another replica may have lowered it already.
        let _ = self.files.compare_exchange(refused, own, Ordering::Relaxed, Ordering::Relaxed);
        tracing::debug!(refused, next = own, "the Engine refuses to raise the file limit");
    }

    async fn create_and_start(
        &self,
        deployment: &Deployment,
        image: Image<'_>,
        name: &str,
        files: u64,
    ) -> Result<String> {
        let mut body = container::body(deployment, image, name, self.network.name(), &self.owner);
        container::adapt(&mut body, &self.info, files);
        let (docker, name, reference) =
            (self.docker.clone(), name.to_owned(), image.reference.to_owned());
        self.finish_before_close(
            async move { create_and_start(&docker, &name, &reference, body).await },
        )
        .await
    }

    /// Runs `call` to its end, even if the caller is cancelled, and makes `close` wait for it.
    pub(super) async fn finish_before_close<T: Send + 'static>(
        &self,
        call: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let creating = Arc::clone(&self.creating).read_owned().await;
        finish(async move {
            let _creating = creating;
            call.await
        })
        .await
    }

    async fn make_ready(
        &self,
        deployment: &Deployment,
        image: Image<'_>,
        name: &str,
        id: &str,
    ) -> Result<Replica> {
        let container = self.inspect(id).await?;
        let ip = match (end(container.state.as_ref()), address_in(&container, self.network.name()))
        {
            (_, Some(ip)) => ip,
            // The container has ended, so the address is not used.
            (Some(_), None) => IpAddr::from([0, 0, 0, 0]),
            (None, None) => {
                return Err(refused(
                    &format!("give container {name} an address"),
                    "it has none on the run's network",
                ));
            }
        };
        let replica = Replica {
            name: name.to_owned(),
            addr: SocketAddr::new(ip, image.port),
            id: id.to_owned(),
        };
        self.wait_until_ready(deployment, replica, true).await
    }

    /// Waits until a started container is ready; an error contains its last log lines.
    ///
    /// `is_ours` is true if this program's restrictions apply to the container.
    pub(super) async fn wait_until_ready(
        &self,
        deployment: &Deployment,
        replica: Replica,
        is_ours: bool,
    ) -> Result<Replica> {
        let (path, limit, id) = (&deployment.ready_path, deployment.ready_timeout, &replica.id);
        let outcome = match end(self.inspect(id).await?.state.as_ref()) {
            Some(_) => Outcome::Ended(self.ended(id).await?),
            None => ready::wait(replica.addr, path, limit, self.ended(id)).await?,
        };
        let Some(what) = outcome.failure(path, limit) else {
            // Take a first reading now, in case the container ends before the next one.
            self.readings.read(&self.docker, &replica).await?;
            return Ok(replica);
        };
        let logs = self.logs(&replica, LOG_LINES).await?;
        let oom_killed = readings::oom_killed(self.inspect(id).await?.state.as_ref());
        let hint = hints::hint(&logs, deployment, is_ours);
        Err(Error::NotReady { replica: replica.name, what, logs, oom_killed, hint })
    }

    /// Waits until the container has ended and returns how.
    async fn ended(&self, id: &str) -> Result<String> {
        loop {
            let container = readings::inspect_explained(&self.docker, id).await;
            let container =
                container.map_err(|e| engine(&format!("inspect container {id}"), &e))?;
            if let Some(end) = end(container.state.as_ref()) {
                return Ok(end);
            }
            tokio::time::sleep(ready::ALIVE_POLL).await;
        }
    }

    pub(super) async fn inspect(&self, id: &str) -> Result<ContainerInspectResponse> {
        let container = self.docker.inspect_container(id, None::<InspectContainerOptions>).await;
        container.map_err(|e| engine(&format!("inspect container {id}"), &e))
    }
}

fn image_of(deployment: &Deployment) -> Result<Image<'_>> {
    Image::of(&deployment.workload).ok_or_else(|| {
        Error::Unsatisfiable(
            "a container needs an image: give one, or use --orchestrator process".to_owned(),
        )
    })
}

async fn create_and_start(
    docker: &Docker,
    name: &str,
    image: &str,
    body: ContainerCreateBody,
) -> Result<String> {
    let options = CreateContainerOptionsBuilder::new().name(name).build();
    let created = docker.create_container(Some(options), body).await;
    let created = created.map_err(|e| engine(&format!("create container {name}"), &e))?;
    for warning in created.warnings {
        tracing::warn!(container = name, "{warning}");
    }
    if let Err(error) = docker.start_container(&created.id, None::<StartContainerOptions>).await {
        // Remove by id: the name may belong to another container.
        let _ = remove_container(docker, &created.id).await;
        return Err(container::start_error(name, image, &error));
    }
    Ok(created.id)
}

fn end(state: Option<&ContainerState>) -> Option<String> {
    readings::end(state, readings::oom_killed(state))
}

fn address_in(container: &ContainerInspectResponse, network: &str) -> Option<IpAddr> {
    let endpoint = container.network_settings.as_ref()?.networks.as_ref()?.get(network)?;
    endpoint.ip_address.as_ref()?.parse().ok()
}
