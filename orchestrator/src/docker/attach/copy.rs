//! Backend of the service's first container.

use std::sync::atomic::Ordering;

use bollard::{
    models::{ContainerCreateBody, EndpointSettings, NetworkConnectRequest, NetworkingConfig},
    query_parameters::CreateContainerOptionsBuilder,
};

use super::Attached;
use crate::{Deployment, Result, docker::connection::engine};

impl Attached {
    /// Creates and starts a copy of the first container; returns its id and name.
    pub(super) async fn copy(&self, deployment: &Deployment) -> Result<(String, String)> {
        let like = self.engine.inspect(&self.saved[0].id).await?;
        let number = self.engine.next_number();
        let name = format!("loadgen-{}-{}-{number}", self.engine.owner.run, deployment.name);
        let config = like.config.unwrap_or_default();
        let mut host = like.host_config.unwrap_or_default();
        // A host port can be published only once.
        host.port_bindings = None;
        // A restart policy would let the copy outlive the run when the machine restarts.
        host.restart_policy = None;
        let networks =
            like.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        // Engines before 25 create a container with one network: that of its network mode.
        let first = host.network_mode.clone().filter(|mode| networks.contains_key(mode));
        let first = first.or_else(|| networks.keys().min().cloned());
        let others: Vec<String> =
            networks.into_keys().filter(|name| Some(name) != first.as_ref()).collect();
        let endpoints = first.map(|name| (name, EndpointSettings::default())).into_iter().collect();
        let body = ContainerCreateBody {
            image: config.image,
            env: config.env,
            cmd: config.cmd,
            entrypoint: config.entrypoint,
            user: config.user,
            working_dir: config.working_dir,
            exposed_ports: config.exposed_ports,
            labels: Some(self.engine.owner.labels().into_iter().collect()),
            // Keep the health check: the measurement includes its processor time, as in production.
            healthcheck: config.healthcheck,
            stop_signal: config.stop_signal,
            tty: config.tty,
            host_config: Some(host),
            networking_config: Some(NetworkingConfig { endpoints_config: Some(endpoints) }),
            ..Default::default()
        };
        let options = CreateContainerOptionsBuilder::new().name(&name).build();
        let (docker, create) = (self.engine.docker.clone(), format!("create container {name}"));
        // Lets `Drop` clean up for a caller that gives up without closing.
        self.engine.has_objects.store(true, Ordering::Relaxed);
        let created = self.engine.finish_before_close(async move {
            let created = docker
                .create_container(Some(options), body)
                .await
                .map_err(|e| engine(&create, &e))?;
            for network in others {
                let connect =
                    NetworkConnectRequest { container: created.id.clone(), ..Default::default() };
                let connected = docker.connect_network(&network, connect).await;
                connected
                    .map_err(|e| engine(&format!("connect a copy to network {network}"), &e))?;
            }
            Ok(created)
        });
        let id = created.await?.id;
        self.change_and_start(&id, &name, deployment).await?;
        Ok((id, name))
    }
}
