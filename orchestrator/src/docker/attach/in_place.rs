//! Changes of a running service's limits.

use super::{Attached, SavedState, update};
use crate::{Deployment, PageCache, Replica, Result, Service};

impl Attached {
    /// Gives running containers the limits of a deployment.
    pub(super) async fn update_all(
        &self,
        replicas: &[Replica],
        deployment: &Deployment,
    ) -> Result<()> {
        for replica in replicas {
            let body = self.body(&replica.id, deployment).await?;
            update(&self.engine.docker, &replica.id, &replica.name, body).await?;
        }
        Ok(())
    }

    /// Returns true if exactly the first `replicas` of the service's containers run now.
    pub(super) async fn runs_as(&self, replicas: u32) -> Result<bool> {
        let mut running = Vec::new();
        for original in &self.saved {
            running.push(SavedState::of(&self.engine.inspect(&original.id).await?).is_running);
        }
        let wanted = replicas as usize;
        Ok(wanted <= running.len()
            && running.iter().enumerate().all(|(index, runs)| *runs == (index < wanted)))
    }

    /// Keeps the service's containers running, under other limits.
    pub(super) async fn go_on(&self, deployment: &Deployment) -> Result<Service> {
        let mut replicas = Vec::new();
        for SavedState { id, name, .. } in &self.saved[..deployment.replicas as usize] {
            update(&self.engine.docker, id, name, self.body(id, deployment).await?).await?;
            replicas.push(self.ready(deployment, id.clone(), name.clone()).await?);
        }
        let page_cache = PageCache::Warm("the service went on running".to_owned());
        Ok(Service { deployment: deployment.clone(), replicas, page_cache })
    }
}
