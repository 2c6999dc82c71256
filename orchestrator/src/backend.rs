//! Starting and scaling of several replicas as one operation, shared by all backends.

use std::path::PathBuf;

use async_trait::async_trait;
use futures_util::future::join_all;

use crate::{Deployment, Replica, Result, Service, page_cache::make_cold};

/// Operations of a backend on single replicas.
#[async_trait]
pub(crate) trait Backend: Sync {
    /// Creates the objects that all replicas share.
    async fn prepare(&self, deployment: &Deployment) -> Result<()>;

    /// Returns the files and folders that replicas run from, or the reason why they are unknown.
    async fn files(&self, deployment: &Deployment) -> std::result::Result<Vec<PathBuf>, String>;

    /// Starts a replica and returns when it is ready. After an error, nothing of it is left.
    async fn start_one(&self, deployment: &Deployment) -> Result<Replica>;

    /// Stops and removes replicas; missing ones are not an error.
    async fn remove(&self, replicas: &[Replica]) -> Result<()>;

    /// Starts the service.
    async fn start(&self, deployment: &Deployment) -> Result<Service> {
        self.prepare(deployment).await?;
        let page_cache = make_cold(deployment, self.files(deployment)).await;
        let replicas = self.add(deployment, deployment.replicas as usize).await?;
        Ok(Service { deployment: deployment.clone(), replicas, page_cache })
    }

    /// Starts `replicas` replicas at once: on return all of them are ready, or none is left.
    async fn add(&self, deployment: &Deployment, replicas: usize) -> Result<Vec<Replica>> {
        let results = join_all((0..replicas).map(|_| self.start_one(deployment))).await;
        let (started, failed): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
        let started: Vec<Replica> = started.into_iter().flatten().collect();
        match failed.into_iter().find_map(Result::err) {
            None => Ok(started),
            Some(error) => {
                // The first error says more than an error during removal.
                let _ = self.remove(&started).await;
                Err(error)
            }
        }
    }

    /// Starts replicas or removes the newest until the service has `replicas` of them.
    async fn change(&self, service: &mut Service, replicas: u32) -> Result<()> {
        let (now, wanted) = (service.replicas.len(), replicas as usize);
        if wanted > now {
            self.prepare(&service.deployment).await?;
            let added = self.add(&service.deployment, wanted - now).await?;
            service.replicas.extend(added);
        } else {
            let surplus = service.replicas.split_off(wanted);
            self.remove(&surplus).await?;
        }
        service.deployment.replicas = replicas;
        Ok(())
    }
}
