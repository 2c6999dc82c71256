//! From the flags of a sweep to what is searched, and what a replica is.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use orchestrator::{Cpus, Deployment, Host, ImageId, Limits, Program, Workload};

use super::sweep_options::SweepOptions;
use crate::{
    Error,
    output::{inside, model_mounts},
    runner::Pinning,
    sweep::{Settings, cpu_ladder, memory_ladder},
};

/// Memory that the host keeps for itself and the generator.
const HOST_RESERVE_BYTES: u64 = 512 << 20;
/// Served as a process where no model is named.
pub(super) const DEFAULT_MODEL: &str = "models/iris.onnx";

/// What is searched.
///
/// # Errors
/// When a ladder is beyond the host, or there is no rate to keep.
pub(super) fn settings(options: &SweepOptions, host: &Host, pinning: &Pinning) -> Result<Settings, Error> {
    let cores = pinning.replicas.as_ref().map_or(host.cpus as usize, Vec::len);
    let host_cpus = cores as u64 * 1000;
    let host_memory_bytes = host.memory_bytes.saturating_sub(HOST_RESERVE_BYTES);
    let mut replicas = options.replicas.clone();
    replicas.sort_unstable();
    replicas.dedup();
    if options.wait_time.planned_per_second(1.0).is_none() {
        return Err(Error::Usage(
            "--wait-time: a sweep needs a think time above 0, so that there is a rate to keep".to_owned(),
        ));
    }
    Ok(Settings {
        mode: options.mode,
        max_users: options.max_users,
        step: options.step,
        wait_time: options.wait_time,
        replicas,
        cpus: cpu_ladder(options.cpus.as_deref(), host_cpus)?,
        memory: memory_ladder(options.memory.as_deref(), host_memory_bytes)?,
        host_cpus,
        host_memory_bytes,
        cheapest: options.objective,
        cpu_price: options.cpu_price,
        memory_price: options.memory_price,
        most_steal: options.max_steal / 100.0,
    })
}

/// What a replica is: of the image, or, without one, a process.
///
/// # Errors
/// When a file is missing.
pub(super) fn deployment(options: &SweepOptions, image: Option<&ImageId>, port: u16) -> Result<Deployment, Error> {
    let workload = match image {
        Some(image) => image_workload(image, port, options)?,
        None => program_workload(options)?,
    };
    Ok(Deployment {
        name: "api".to_owned(),
        workload,
        env: options.env.iter().cloned().collect(),
        replicas: 1,
        limits: Limits { cpus: Cpus::from_millis(1000), memory_bytes: 1 << 30 },
        cpuset: None,
        ready_path: options.ready_path.clone(),
        ready_timeout: Duration::from_secs(30),
        cold: true,
    })
}

fn image_workload(image: &ImageId, port: u16, options: &SweepOptions) -> Result<Workload, Error> {
    let mut args = Vec::new();
    let mut mounts = options.mount.clone();
    if let Some(model) = &options.model {
        let model = readable(model)?;
        args = ["serve", "--model", &inside(&model), "--bind", "{addr}"].map(str::to_owned).to_vec();
        mounts.extend(model_mounts(&model));
    }
    // By its id: what the name stands for may change while the sweep runs.
    Ok(Workload::Image { reference: image.id.clone(), args, port, mounts })
}

fn program_workload(options: &SweepOptions) -> Result<Workload, Error> {
    if !options.mount.is_empty() {
        return Err(Error::Usage("--mount is for containers: say --image, or --orchestrator docker".to_owned()));
    }
    let model = readable(options.model.as_deref().unwrap_or(Path::new(DEFAULT_MODEL)))?;
    let beside = std::env::current_exe()
        .ok()
        .and_then(|exe| Some(exe.parent()?.join("inference-api")))
        .filter(|path| path.is_file())
        .ok_or_else(|| {
            Error::Machine(
                "there is no inference-api beside loadgen\n  help: cargo build --release, or --image for a container"
                    .to_owned(),
            )
        })?;
    let args = ["serve", "--model", &model.to_string_lossy(), "--bind", "{addr}", "--log", "warn"].map(str::to_owned);
    Ok(Workload::Program(Program { path: beside, args: args.to_vec() }))
}

/// The file's whole path.
///
/// # Errors
/// When it is not there.
pub(super) fn readable(model: &Path) -> Result<PathBuf, Error> {
    model
        .canonicalize()
        .map_err(|e| Error::Usage(format!("--model {}: {e}\n  help: give the path of an ONNX file", model.display())))
}
