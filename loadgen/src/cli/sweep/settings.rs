//! Conversion of the flags of `loadgen sweep` into settings and a deployment.

use std::path::{Path, PathBuf};

use orchestrator::{Cpus, Deployment, Host, ImageId, Limits, Program, Rights, Workload};
use sizing::trial::{Mode, Settings, cpu_ladder, memory_ladder};

use super::options::SweepOptions;
use crate::{
    Error,
    output::{Prices, Source, inside, model_mounts},
    runner::Pinning,
};

/// Memory reserved for the host and the generator.
const HOST_RESERVE_BYTES: u64 = 512 << 20;
/// Relative prices of a processor and of a GiB of memory, if none are given: their usual ratio.
const RELATIVE_PRICES: (f64, f64) = (1.0, 0.11);
/// Model served by processes, if none is named.
pub(super) const DEFAULT_MODEL: &str = "models/iris.onnx";

/// Returns the settings of the sweep.
///
/// # Errors
/// Returns an error if a ladder exceeds the host, or if there is no rate to keep.
pub(super) fn settings(
    options: &SweepOptions,
    host: &Host,
    pinning: &Pinning,
    can_probe: bool,
) -> Result<Settings, Error> {
    let cores = pinning.replicas.as_ref().map_or(host.cpus as usize, Vec::len);
    let host_cpus = cores as u64 * 1000;
    let host_memory_bytes = host.memory_bytes.saturating_sub(HOST_RESERVE_BYTES);
    let mut replicas = options.replicas.clone();
    replicas.sort_unstable();
    replicas.dedup();
    if options.wait_time.planned_per_second(1.0).is_none() {
        return Err(Error::Usage(
            "--wait-time: a sweep needs a think time above 0, so that there is a rate to keep"
                .to_owned(),
        ));
    }
    if options.mode == Mode::Demand && !can_probe {
        return Err(Error::Usage(
            "--mode demand lowers limits of a running service in backend, which cannot be done \
                here\n  help: --mode minimal with each --max-users makes fresh trials alone"
                .to_owned(),
        ));
    }
    let prices = prices(options)?;
    let (cpu_price, memory_price) = prices.map_or(RELATIVE_PRICES, |prices| prices.per_month());
    Ok(Settings {
        mode: options.mode,
        objective: options.slo.clone(),
        max_users: options.max_users,
        step: options.step,
        wait_time: options.wait_time,
        replicas,
        cpus: cpu_ladder(options.cpus.as_deref(), host_cpus)?,
        memory: memory_ladder(options.memory.as_deref(), host_memory_bytes)?,
        host_cpus,
        host_memory_bytes,
        minimize: options.minimize,
        cpu_price,
        memory_price,
        confidence: options.confidence,
        can_probe,
        headroom: options.headroom,
        max_steal: options.max_steal / 100.0,
        seed: options.seed,
    })
}

/// Returns the given prices.
///
/// # Errors
/// Returns an error if only one is given, or if their currencies differ.
pub(super) fn prices(options: &SweepOptions) -> Result<Option<Prices>, Error> {
    Prices::new(options.cpu_price.clone(), options.memory_price.clone()).map_err(Error::Usage)
}

/// Returns the deployment of a replica: a container of the image, or without one a process.
///
/// # Errors
/// Returns an error if a file is missing.
pub(super) fn deployment(
    options: &SweepOptions,
    image: Option<&ImageId>,
    port: u16,
) -> Result<Deployment, Error> {
    let workload = match image {
        Some(image) => image_workload(image, port, options)?,
        None => program_workload(options)?,
    };
    Ok(Deployment {
        name: "api".to_owned(),
        workload,
        env: options.env.iter().cloned().collect(),
        rights: Rights { cap_add: options.cap_add.clone(), user: options.user.clone() },
        replicas: 1,
        limits: Limits { cpus: Cpus::from_millis(1000), memory_bytes: 1 << 30 },
        cpuset: None,
        ready_path: options.ready_path.clone(),
        ready_timeout: options.ready_timeout,
        cold: true,
        in_place: false,
    })
}

/// Returns the source of manifests for replicas of `deployment`; for processes, the image with
/// their program.
///
/// # Errors
/// Returns an error if the model is missing.
pub(super) fn source(
    options: &SweepOptions,
    deployment: &Deployment,
    port: u16,
) -> Result<Source, Error> {
    let (args, mounts) = match &deployment.workload {
        Workload::Image { args, mounts, .. } => (args.clone(), mounts.clone()),
        Workload::Program(_) => {
            let model = served(options)?;
            (process_args(&inside(&model)), model_mounts(&model))
        }
    };
    let addr = format!("0.0.0.0:{port}");
    Ok(Source {
        args: args.iter().map(|arg| arg.replace("{addr}", &addr)).collect(),
        port,
        env: deployment.env.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        mounts,
        ready_path: options.ready_path.clone(),
        rights: deployment.rights.clone(),
        ..Source::default()
    })
}

fn image_workload(image: &ImageId, port: u16, options: &SweepOptions) -> Result<Workload, Error> {
    let mut args = command(options)?;
    let mut mounts = options.mount.clone();
    if let Some(model) = &options.model {
        let model = readable(model)?;
        if !args.is_empty() {
            return Err(Error::Usage(
                "--command and --model: each says what the program is told; give one".to_owned(),
            ));
        }
        args = serve_args(&inside(&model));
        mounts.extend(model_mounts(&model));
    }
    // Referenced by id, because the name may move to another image during the sweep.
    Ok(Workload::Image { reference: image.id.clone(), args, port, mounts })
}

/// Returns the words of `--command`.
fn command(options: &SweepOptions) -> Result<Vec<String>, Error> {
    let Some(text) = &options.command else { return Ok(Vec::new()) };
    let words = shlex::split(text).filter(|words| !words.is_empty());
    words.ok_or_else(|| {
        Error::Usage(format!("--command {text:?}: a quote is not closed, or there is no word"))
    })
}

fn program_workload(options: &SweepOptions) -> Result<Workload, Error> {
    if !options.mount.is_empty() {
        return Err(Error::Usage(
            "--mount is for containers: say --image, or --orchestrator docker".to_owned(),
        ));
    }
    let model = served(options)?;
    let beside = std::env::current_exe()
        .ok()
        .and_then(|exe| Some(exe.parent()?.join("inference-api")))
        .filter(|path| path.is_file())
        .ok_or_else(|| {
            Error::Machine(
                "there is no inference-api beside loadgen\n  help: cargo build --release, or \
                    --image for a container"
                    .to_owned(),
            )
        })?;
    Ok(Workload::Program(Program { path: beside, args: process_args(&model.to_string_lossy()) }))
}

fn serve_args(model: &str) -> Vec<String> {
    ["serve", "--model", model, "--bind", "{addr}"].map(str::to_owned).to_vec()
}

fn process_args(model: &str) -> Vec<String> {
    serve_args(model).into_iter().chain(["--log", "warn"].map(str::to_owned)).collect()
}

/// Returns the path of the model that processes serve.
fn served(options: &SweepOptions) -> Result<PathBuf, Error> {
    readable(options.model.as_deref().unwrap_or(Path::new(DEFAULT_MODEL)))
}

/// Returns the absolute path of a file.
///
/// # Errors
/// Returns an error if it does not exist.
fn readable(model: &Path) -> Result<PathBuf, Error> {
    model.canonicalize().map_err(|e| {
        Error::Usage(format!(
            "--model {}: {e}\n  help: give the path of an ONNX file",
            model.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command, FromArgMatches};

    use super::*;

    fn options(words: &[&str]) -> SweepOptions {
        let command = SweepOptions::augment_args(Command::new("sweep").no_binary_name(true));
        SweepOptions::from_arg_matches(&command.get_matches_from(words)).unwrap()
    }

    #[test]
    fn replicas_have_as_long_to_become_ready_as_was_said() {
        for (words, seconds) in [(&[][..], 30), (&["--ready-timeout", "1m30s"], 90)] {
            let deployment = deployment(&options(words), Some(&ImageId::default()), 80).unwrap();
            assert_eq!(deployment.ready_timeout.as_secs(), seconds);
        }
    }

    #[test]
    fn files_say_what_trials_were_told() {
        let dir = tempfile::tempdir().unwrap();
        let model = dir.path().join("m.onnx");
        std::fs::write(&model, "").unwrap();
        std::fs::write(model.with_extension("json"), "{}").unwrap();
        let options =
            options(&["--model", &model.to_string_lossy(), "--env", "A=1", "--env", "A=2"]);
        let program = Program { path: "inference-api".into(), args: Vec::new() };
        let container = deployment(&options, Some(&ImageId::default()), 9000).unwrap();
        let process = Deployment { workload: Workload::Program(program), ..container.clone() };
        let serve = ["serve", "--model", "/mounted/m.onnx", "--bind", "0.0.0.0:9000"];
        for (deployment, more) in [(container, &[][..]), (process, &["--log", "warn"])] {
            let source = source(&options, &deployment, 9000).unwrap();
            assert_eq!(source.args, [&serve, more].concat());
            assert_eq!(source.mounts.len(), 2, "the sidecar too");
            assert_eq!(
                source.env,
                [("A".to_owned(), "2".to_owned())],
                "said twice, it is said once"
            );
        }
    }
}
