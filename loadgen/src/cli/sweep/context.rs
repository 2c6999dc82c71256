//! Context that the trials of a sweep must have in common.

use loadtest::workload::Request;
use orchestrator::{Host, Workload};
use sizing::trial::Timing;

use super::{backend::Backend, file_digests::contents, options::SweepOptions, planned::Planned};
use crate::{
    Error,
    output::{Context, JOURNAL_VERSION, Source, digest, kernel},
};

/// Returns the context of this sweep on this machine.
///
/// # Errors
/// Returns an error if a file cannot be read.
pub(super) fn context(
    options: &SweepOptions,
    host: &Host,
    planned: &Planned,
    source: &Source,
    backend: &Backend,
) -> Result<Context, Error> {
    let Planned { settings, deployment, request, pinning, .. } = planned;
    let (workload, port, command) = match &deployment.workload {
        Workload::Image { reference, port, args, .. } => {
            (reference.clone(), Some(*port), args.clone())
        }
        Workload::Program(program) => {
            let bytes = std::fs::read(&program.path);
            let bytes =
                bytes.map_err(|e| Error::Usage(format!("{}: {e}", program.path.display())))?;
            (digest(&bytes), None, Vec::new())
        }
    };
    Ok(Context {
        schema_version: JOURNAL_VERSION,
        workload,
        command,
        rights: deployment.rights.clone(),
        port,
        service: backend.configuration.as_ref().map(|service| digest(service.as_bytes())),
        files: contents(source.mounts.iter().chain(&backend.mounts))?,
        environment: source
            .env
            .iter()
            .map(|(name, value)| format!("{name}={}", digest(value.as_bytes())))
            .collect(),
        path: request.path.clone(),
        request: (!request.wants_payload()).then(|| request_digest(request)),
        timeout: format!("{:?}", options.payload.timeout()),
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

/// Returns the digest of everything that is sent; header values appear only in the digest.
fn request_digest(request: &Request) -> String {
    let headers: Vec<String> =
        request.headers.iter().map(|header| format!("{}: {}", header.name, header.value)).collect();
    digest(format!("{request:?} {headers:?}").as_bytes())
}
