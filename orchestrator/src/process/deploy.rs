//! Start and stop of child processes.

use std::{
    path::PathBuf,
    sync::{PoisonError, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::time::sleep;

use super::{
    Processes,
    replica::Running,
    spawn::{Spawn, free_addr},
};
use crate::{
    Deployment, Error, Orchestrator, Program, Replica, Result, Workload, backend::Backend,
    page_cache::mapped_files, ready,
};

/// Attempts to start a replica: another process may take a free port before the replica binds it.
const PORT_TRIES: u32 = 3;
/// Number of log lines in an error.
const LOG_LINES: usize = 20;

#[async_trait]
impl Backend for Processes {
    async fn prepare(&self, _: &Deployment) -> Result<()> {
        self.create_run().map_err(|error| self.base.explain(&error))
    }

    async fn files(&self, deployment: &Deployment) -> std::result::Result<Vec<PathBuf>, String> {
        let mapped = self.mapped.lock().unwrap_or_else(PoisonError::into_inner);
        if mapped.is_empty() {
            return Err("which files the program maps is known only when it has run".to_owned());
        }
        let named = match &deployment.workload {
            // A model that is read, not mapped, is charged to its first reader too.
            Workload::Program(program) => {
                program.args.iter().map(PathBuf::from).filter(|path| path.is_file()).collect()
            }
            Workload::Image { .. } => Vec::new(),
        };
        Ok(mapped.iter().cloned().chain(named).collect())
    }

    async fn start_one(&self, deployment: &Deployment) -> Result<Replica> {
        let Workload::Program(program) = &deployment.workload else {
            return Err(Error::Unsatisfiable(
                "an image needs a Docker Engine: use --orchestrator docker, or give a program"
                    .to_owned(),
            ));
        };
        let number = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let name = format!("loadgen-{}-{}-{number}", self.owner.run, deployment.name);
        let mut tries = 1;
        loop {
            match self.try_start(deployment, program, &name).await {
                Err(Error::NotReady { logs, .. }) if tries < PORT_TRIES && is_port_clash(&logs) => {
                    tries += 1;
                }
                other => return other,
            }
        }
    }

    async fn remove(&self, replicas: &[Replica]) -> Result<()> {
        let stops: Vec<_> =
            replicas.iter().filter_map(|replica| self.lock().remove(&replica.name)).collect();
        let results = join_all(stops.into_iter().map(Running::stop)).await;
        results.into_iter().collect()
    }
}

impl Processes {
    async fn try_start(
        &self,
        deployment: &Deployment,
        program: &Program,
        name: &str,
    ) -> Result<Replica> {
        let replica = self.spawn(deployment, program, name)?;
        let ended = async {
            loop {
                if let Some(end) =
                    self.lock().get_mut(name).map_or(Some("removed".to_owned()), Running::end)
                {
                    return Ok(end);
                }
                sleep(ready::ALIVE_POLL).await;
            }
        };
        let (path, limit) = (&deployment.ready_path, deployment.ready_timeout);
        let outcome = ready::wait(replica.addr, path, limit, ended).await?;
        let Some(what) = outcome.failure(path, limit) else {
            self.learn_mapped_files(name);
            return Ok(replica);
        };
        // The last lines may still be in the pipe.
        sleep(Duration::from_millis(20)).await;
        let logs = self.logs(&replica, LOG_LINES).await?;
        let oom_killed = self.lock().get(name).is_some_and(|running| running.oom_kills() > 0);
        self.remove(std::slice::from_ref(&replica)).await?;
        Err(Error::NotReady { replica: name.to_owned(), what, logs, oom_killed, hint: None })
    }

    /// Records the files that a replica has mapped, for the next cold start.
    fn learn_mapped_files(&self, name: &str) {
        let pids = self.lock().get(name).map(|running| running.group.pids()).unwrap_or_default();
        let files = pids.into_iter().flat_map(mapped_files);
        self.mapped.lock().unwrap_or_else(PoisonError::into_inner).extend(files);
    }

    fn spawn(&self, deployment: &Deployment, program: &Program, name: &str) -> Result<Replica> {
        let group = self.run.child(name);
        let created = group.create().and_then(|()| group.set_limits(deployment.limits));
        let started = created.map_err(|error| self.base.explain(&error)).and_then(|()| {
            let addr = free_addr()?;
            let mut env = deployment.env.clone();
            env.insert("REPLICA_NAME".to_owned(), name.to_owned());
            env.insert("LOADGEN_RUN".to_owned(), self.owner.run.clone());
            let (child, log) =
                Spawn { program, env, group: &group, cpuset: deployment.cpuset.as_deref(), addr }
                    .start()?;
            Ok((addr, child, log))
        });
        let (addr, child, log) = match started {
            Ok(started) => started,
            Err(error) => {
                let _ = group.kill_and_remove();
                return Err(error);
            }
        };
        let id = child.id().to_string();
        self.lock().insert(name.to_owned(), Running { child, group, log, peak_bytes: 0 });
        Ok(Replica { name: name.to_owned(), addr, id })
    }
}

fn is_port_clash(logs: &str) -> bool {
    let logs = logs.to_ascii_lowercase();
    logs.contains("address already in use")
        || logs.contains("address in use")
        || logs.contains("eaddrinuse")
}
