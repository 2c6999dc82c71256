//! `loadgen sweep`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::mpsc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use clap::Args;
use orchestrator::{Choice, Cpus, Deployment, Host, Limits, Owner, Program, Workload, select};

use super::{interrupt::stop_on_signal, payload::PayloadOptions};
use crate::{
    Error, ExitStatus,
    engine::Control,
    event::Event,
    output::{Environment, Report, Source, console},
    runner::{Ending, Pinning, Sweep, pin},
    slo::Objective,
    sweep::{Answer, Finding, Settings, cpu_ladder, memory_ladder},
    workload::WaitTime,
};

/// `loadgen sweep …`.
#[derive(Debug, Args)]
pub(super) struct SweepOptions {
    /// Users to hold.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    max_users: u32,

    /// Users added at a time when the winner is confirmed.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    step: u32,

    /// Where replicas run: auto, docker or process. auto is process where CPU and memory limits can be written, else
    /// Docker; with --image it is Docker.
    #[arg(long, default_value = "auto")]
    orchestrator: Choice,

    /// The image to size [default with --orchestrator docker: inference-api].
    #[arg(long)]
    image: Option<String>,

    /// The port that the program in the image listens on.
    #[arg(long, default_value_t = 8000)]
    port: u16,

    /// The ONNX file to serve [default without --image: models/iris.onnx]. With an image it is mounted, read-only.
    #[arg(long)]
    model: Option<PathBuf>,

    /// GET on this path answers 2xx when a replica is ready.
    #[arg(long, default_value = "/health")]
    ready_path: String,

    #[command(flatten)]
    payload: PayloadOptions,

    /// What has to hold.
    #[arg(long, default_value = "p95<100ms,failures<0.1%,rate>=95%")]
    slo: Objective,

    /// Think time between a user's requests.
    #[arg(long, default_value = "between(1, 2.5)")]
    wait_time: WaitTime,

    /// Replica counts to answer for.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 4], value_parser = clap::value_parser!(u32).range(1..=256))]
    replicas: Vec<u32>,

    /// CPU limits to try, min:max:step in processors [default: 0.05 up to what the host has beside the generator].
    #[arg(long)]
    cpus: Option<String>,

    /// Memory limits to try, min:max:step [default: 32Mi:1Gi:16Mi].
    #[arg(long)]
    memory: Option<String>,

    /// Where results go [default: sweep-DATE-TIME].
    #[arg(long)]
    out: Option<PathBuf>,
}

/// What a GiB of memory costs, with a processor as the unit.
const MEMORY_PRICE: f64 = 0.11;
/// Memory that the host keeps for itself and the generator.
const HOST_RESERVE_BYTES: u64 = 512 << 20;
const DEFAULT_IMAGE: &str = "inference-api";

pub(super) async fn run(options: SweepOptions) -> Result<ExitStatus, Error> {
    let run = run_id();
    let image =
        options.image.clone().or_else(|| (options.orchestrator == Choice::Docker).then(|| DEFAULT_IMAGE.to_owned()));
    let orchestrator = select(options.orchestrator, image.is_some(), Owner::current(&run)?).await?;
    // auto may have ended at Docker for want of a cgroup.
    let image = image.or_else(|| (orchestrator.name() == "docker").then(|| DEFAULT_IMAGE.to_owned()));
    let host = orchestrator.host().await?;
    let pinning = pin(host.cpus as usize);
    let (settings, deployment) = match plan(&options, &host, &pinning, image.as_deref()) {
        Ok(planned) => planned,
        Err(error) => {
            orchestrator.close().await?;
            return Err(error);
        }
    };
    let request = options
        .payload
        .request(options.model.as_deref().or_else(|| image.is_none().then(|| Path::new(DEFAULT_MODEL))))?;

    let out = options.out.clone().unwrap_or_else(|| PathBuf::from(format!("sweep-{run}")));
    let environment = Environment::new(&run, &options.slo, &settings, &host, &pinning, image.as_deref());
    let model = match &deployment.workload {
        Workload::Image { mounts, .. } => mounts.last().map(|(file, _)| file.clone()),
        Workload::Program(_) => options.model.as_deref().map(readable).transpose()?,
    };
    let report = Report::create(&out, environment, Source { image: image.clone(), port: options.port, model })?;
    let control = Control::default();
    stop_on_signal(control.clone())?;
    let (events, inbox) = mpsc::channel();
    let view = console::watch_sweep(inbox, settings.clone());
    let _ = events.send(Event::Log(format!(
        "Looking for the smallest limits that hold {} users on {} ({}); results go to {}",
        settings.max_users,
        image.as_deref().map_or_else(|| "processes".to_owned(), |i| format!("containers of {i}")),
        host.description,
        out.display()
    )));

    let mut sweep = Sweep {
        orchestrator: orchestrator.clone(),
        deployment,
        request,
        path: options.payload.path.clone(),
        answered: false,
        objective: options.slo.clone(),
        settings: settings.clone(),
        pinning,
    };
    let mut trials = Vec::new();
    let ended = sweep.run(&mut trials, |trial| report.journal(trial), &events, &control).await;
    drop(events);
    let _ = view.join();
    let closed = orchestrator.close().await;
    // What was measured is written whatever ended the sweep.
    report.finish(&settings, &trials)?;
    let ending = ended?;
    closed?;

    let answer = Answer::from_trials(&settings, &trials);
    println!("{}", report.text(&settings, &trials));
    Ok(match ending {
        Ending::Interrupted => ExitStatus::Interrupted,
        Ending::Complete if answer.cheapest(settings.memory_price).is_some() => ExitStatus::Met,
        Ending::Complete if answer.per_replicas.iter().any(|a| a.finding == Finding::Unmeasurable) => {
            ExitStatus::GeneratorLimited
        }
        Ending::Complete => ExitStatus::Missed,
    })
}

const DEFAULT_MODEL: &str = "models/iris.onnx";

/// What is searched, and what a replica is.
fn plan(
    options: &SweepOptions,
    host: &Host,
    pinning: &Pinning,
    image: Option<&str>,
) -> Result<(Settings, Deployment), Error> {
    let cores = pinning.replicas.as_ref().map_or(host.cpus as usize, Vec::len);
    let host_cpus = cores as u64 * 1000;
    let host_memory_bytes = host.memory_bytes.saturating_sub(HOST_RESERVE_BYTES);
    let mut replicas = options.replicas.clone();
    replicas.sort_unstable();
    replicas.dedup();
    let settings = Settings {
        max_users: options.max_users,
        step: options.step,
        wait_time: options.wait_time,
        replicas,
        cpus: cpu_ladder(options.cpus.as_deref(), host_cpus)?,
        memory: memory_ladder(options.memory.as_deref(), host_memory_bytes)?,
        host_cpus,
        host_memory_bytes,
        memory_price: MEMORY_PRICE,
    };
    if settings.wait_time.planned_per_second(1.0).is_none() {
        return Err(Error::Usage(
            "--wait-time: a sweep needs a think time above 0, so that there is a rate to keep".to_owned(),
        ));
    }
    let workload = match image {
        Some(image) => image_workload(image, options)?,
        None => program_workload(options)?,
    };
    let deployment = Deployment {
        name: "api".to_owned(),
        workload,
        env: BTreeMap::new(),
        replicas: 1,
        limits: Limits { cpus: Cpus::from_millis(1000), memory_bytes: 1 << 30 },
        cpuset: None,
        ready_path: options.ready_path.clone(),
        ready_timeout: Duration::from_secs(30),
        cold: true,
    };
    Ok((settings, deployment))
}

fn image_workload(image: &str, options: &SweepOptions) -> Result<Workload, Error> {
    let mut args = Vec::new();
    let mut mounts = Vec::new();
    if let Some(model) = &options.model {
        let model = readable(model)?;
        let name = model.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let inside = |name: &str| PathBuf::from(format!("/mounted/{name}"));
        args = ["serve", "--model", &format!("/mounted/{name}"), "--bind", "{addr}"].map(str::to_owned).to_vec();
        let sidecar = model.with_extension("json");
        if sidecar.is_file() {
            let name = sidecar.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            mounts.push((sidecar, inside(&name)));
        }
        mounts.push((model, inside(&name)));
    }
    Ok(Workload::Image { reference: image.to_owned(), args, port: options.port, mounts })
}

fn program_workload(options: &SweepOptions) -> Result<Workload, Error> {
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

fn readable(model: &Path) -> Result<PathBuf, Error> {
    model
        .canonicalize()
        .map_err(|e| Error::Usage(format!("--model {}: {e}\n  help: give the path of an ONNX file", model.display())))
}

/// Unique enough to tell runs apart, short enough to read: seconds in base 36.
fn run_id() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut number = now.as_millis() as u64 / 10;
    let mut id = Vec::new();
    while number > 0 {
        id.push(char::from_digit((number % 36) as u32, 36).unwrap_or('0'));
        number /= 36;
    }
    id.iter().rev().collect()
}
