//! Bridge network of a run.

use std::sync::Arc;

use bollard::{Docker, models::NetworkCreateRequest};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::connection::{engine, finish};
use crate::{Owner, Result};

/// Network that is created with the first container.
pub(super) struct Network {
    name: String,
    owner: Owner,
    /// True if the network exists; remembered because network names are not unique in old Engines.
    exists: Arc<Mutex<bool>>,
}

impl Network {
    pub(super) fn new(owner: &Owner) -> Self {
        Self {
            name: format!("loadgen-{}", owner.run),
            owner: owner.clone(),
            exists: Arc::default(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Creates the network unless it exists.
    pub(super) async fn ensure(&self, docker: &Docker) -> Result<()> {
        let mut exists = self.state().await;
        if *exists {
            return Ok(());
        }
        let request = NetworkCreateRequest {
            name: self.name.clone(),
            driver: Some("bridge".to_owned()),
            labels: Some(self.owner.labels().into_iter().collect()),
            ..Default::default()
        };
        let (docker, action) = (docker.clone(), format!("create network {}", self.name));
        finish(async move {
            docker.create_network(request).await.map_err(|e| engine(&action, &e))?;
            *exists = true;
            Ok(())
        })
        .await
    }

    /// Locks and returns whether the network exists; nobody creates it while the guard is held.
    pub(super) async fn state(&self) -> OwnedMutexGuard<bool> {
        Arc::clone(&self.exists).lock_owned().await
    }
}
