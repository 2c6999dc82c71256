//! What the trials of a sweep have to have in common.

use orchestrator::{Host, Workload};

use super::{sweep::Planned, sweep_contents::contents, sweep_options::SweepOptions, sweep_place::Place};
use crate::{
    Error,
    output::{Context, JOURNAL_VERSION, Source, digest, kernel},
    trial::Timing,
};

/// Of this sweep, here.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn context(
    options: &SweepOptions,
    host: &Host,
    planned: &Planned,
    source: &Source,
    place: &Place,
) -> Result<Context, Error> {
    let Planned { settings, deployment, request, pinning, .. } = planned;
    let (workload, port) = match &deployment.workload {
        Workload::Image { reference, port, .. } => (reference.clone(), Some(*port)),
        Workload::Program(program) => {
            let bytes = std::fs::read(&program.path);
            let bytes = bytes.map_err(|e| Error::Usage(format!("{}: {e}", program.path.display())))?;
            (digest(&bytes), None)
        }
    };
    Ok(Context {
        schema_version: JOURNAL_VERSION,
        workload,
        port,
        service: place.made_as.as_ref().map(|service| digest(service.as_bytes())),
        files: contents(source.mounts.iter().chain(&place.mounts))?,
        environment: source.env.iter().map(|(name, value)| format!("{name}={}", digest(value.as_bytes()))).collect(),
        path: options.payload.path.clone(),
        request: request.as_ref().map(|request| digest(format!("{request:?}").as_bytes())),
        ready_path: deployment.ready_path.clone(),
        ready_timeout: format!("{:?}", deployment.ready_timeout),
        orchestrator: host.description.clone(),
        kernel: kernel(),
        cpus: host.cpus,
        memory_bytes: host.memory_bytes,
        cgroup_version: host.cgroup_version,
        generator_cores: pinning.generator.clone(),
        replica_cores: pinning.replicas.clone(),
        objective: options.slo.to_string(),
        wait_time: options.wait_time.to_string(),
        step: options.step,
        loads: digest(Timing::new(options.wait_time).loads(settings).as_bytes()),
    })
}
