//! Removal of this program's containers and networks.

use std::{collections::HashMap, time::Duration};

use bollard::{
    Docker,
    errors::Error as EngineError,
    models::ContainerSummaryStateEnum,
    query_parameters::{ListContainersOptionsBuilder, ListNetworksOptionsBuilder},
};

use super::connection::{engine, remove_container};
use crate::{Owner, Result, owner::RUN};

/// Owners whose objects are removed.
#[derive(Clone, Copy)]
pub(super) enum Scope<'a> {
    /// One owner.
    Of(&'a Owner),
    /// All dead owners.
    Dead {
        /// True if the Engine is on this machine, so that an owner of another boot cannot be alive.
        is_local: bool,
    },
}

/// Removes the objects, containers first, and returns a line for each.
pub(super) async fn remove(docker: &Docker, scope: Scope<'_>) -> Result<Vec<String>> {
    let filters = HashMap::from([("label", vec![RUN])]);
    let mut removed = Vec::new();
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    for container in
        docker.list_containers(Some(options)).await.map_err(|e| engine("list containers", &e))?
    {
        let labels = container.labels.unwrap_or_default();
        let is_running = container.state == Some(ContainerSummaryStateEnum::RUNNING);
        let (Some(id), Some(owner)) = (container.id, Owner::from_labels(|key| labels.get(key)))
        else {
            continue;
        };
        if scope.has(&owner, is_running) {
            remove_container(docker, &id).await?;
            let name = container.names.unwrap_or_default().into_iter().next().unwrap_or(id);
            removed.push(format!("container {}", name.trim_start_matches('/')));
        }
    }
    let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
    for network in
        docker.list_networks(Some(options)).await.map_err(|e| engine("list networks", &e))?
    {
        let labels = network.labels.unwrap_or_default();
        let (Some(id), Some(owner)) = (network.id, Owner::from_labels(|key| labels.get(key)))
        else {
            continue;
        };
        if scope.has(&owner, false) && remove_network(docker, &id).await? {
            removed.push(format!("network {}", network.name.unwrap_or(id)));
        }
    }
    Ok(removed)
}

impl Scope<'_> {
    fn has(self, owner: &Owner, is_running: bool) -> bool {
        match self {
            Self::Of(us) => owner == us,
            Self::Dead { .. } if owner.is_of_this_boot() => !owner.is_alive(),
            // These containers do not start with the machine: a running one is owned elsewhere.
            Self::Dead { is_local } => is_local && !is_running,
        }
    }
}

/// Removes a network; returns false if it is already gone or still in use by a living owner.
async fn remove_network(docker: &Docker, id: &str) -> Result<bool> {
    for _ in 0..10 {
        match docker.remove_network(id).await {
            Ok(()) => return Ok(true),
            Err(EngineError::DockerResponseServerError { status_code: 404, .. }) => {
                return Ok(false);
            }
            // An endpoint outlives its container by a moment.
            Err(EngineError::DockerResponseServerError { status_code: 403, .. }) => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => return Err(engine(&format!("remove network {id}"), &error)),
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_living_are_spared() {
        let us = Owner::current("a").unwrap();
        let (here, remote) = (Scope::Dead { is_local: true }, Scope::Dead { is_local: false });
        assert!(!here.has(&us, true) && !remote.has(&us, false));
        let dead = Owner { start_time: 1, ..us.clone() };
        assert!(here.has(&dead, true) && remote.has(&dead, true));
        let of_another_boot = Owner { boot: "b".into(), ..us.clone() };
        assert!(here.has(&of_another_boot, false), "from before the machine was started again");
        assert!(
            !here.has(&of_another_boot, true) && !remote.has(&of_another_boot, false),
            "from another machine"
        );
        assert!(Scope::Of(&us).has(&us, true) && !Scope::Of(&us).has(&dead, true));
    }
}
