//! A container that is as the service's first one.

use std::sync::atomic::Ordering;

use bollard::{
    models::{ContainerCreateBody, EndpointSettings, NetworkConnectRequest, NetworkingConfig},
    query_parameters::CreateContainerOptionsBuilder,
};

use super::Attached;
use crate::{Deployment, Result, docker::connection::engine};

impl Attached {
    /// Makes and starts a container that is as the first one.
    pub(super) async fn copy(&self, deployment: &Deployment) -> Result<(String, String)> {
        let like = self.engine.inspect(&self.originals[0].id).await?;
        let number = self.engine.next_number();
        let name = format!("loadgen-{}-{}-{number}", self.engine.owner.run, deployment.name);
        let config = like.config.unwrap_or_default();
        let mut host = like.host_config.unwrap_or_default();
        // A port of the host can be published once.
        host.port_bindings = None;
        // Nor may it outlive the run with the machine's next start.
        host.restart_policy = None;
        let networks =
            like.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        // An Engine before 25 makes a container with one network: the one that its network mode
        // names.
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
            // What runs in production is measured, with the processor time that its health check
            // takes.
            healthcheck: config.healthcheck,
            stop_signal: config.stop_signal,
            tty: config.tty,
            host_config: Some(host),
            networking_config: Some(NetworkingConfig { endpoints_config: Some(endpoints) }),
            ..Default::default()
        };
        let options = CreateContainerOptionsBuilder::new().name(&name).build();
        let (docker, create) = (self.engine.docker.clone(), format!("create container {name}"));
        // For a caller that gives up without closing.
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
