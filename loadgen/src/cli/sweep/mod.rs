//! `loadgen sweep`.

mod backend;
mod context;
mod file_digests;
mod options;
mod planned;
mod resume;
mod settings;

use std::{
    path::{Path, PathBuf},
    sync::mpsc,
    thread::JoinHandle,
    time::{SystemTime, UNIX_EPOCH},
};

use load_engine::Control;
use orchestrator::{Host, ImageId, Orchestrator};
use sizing::{
    sweep::{Answer, Finding},
    trial::Settings,
};

use self::{
    backend::{Backend, backend},
    context::context,
    planned::Planned,
    settings::{DEFAULT_MODEL, deployment, prices, settings, source},
};
pub(super) use self::{
    options::{SweepOptions, parse_confidence},
    resume::{set_options, with_kept_options},
};
use super::interrupt::stop_on_signal;
use crate::{
    Error, ExitStatus,
    event::Event,
    output::{
        Basis, Environment, EventLog, Journal, JudgedSweep, Kept, Source, Theme, watch_sweep,
    },
    runner::{Budget, Ending, Sweep},
};

pub(super) async fn run(options: SweepOptions) -> Result<ExitStatus, Error> {
    // Checks the options before any change.
    prices(&options)?;
    options.payload.check(&options.slo)?;
    let run = run_id();
    let backend = backend(&options, &run).await?;
    let done = swept(&options, &run, &backend).await;
    // Removes the deployment even if the sweep failed.
    let closed = backend.orchestrator.close().await;
    let status = done?;
    closed?;
    Ok(status)
}

async fn swept(options: &SweepOptions, run: &str, backend: &Backend) -> Result<ExitStatus, Error> {
    let Backend { orchestrator, image, image_id, port, service, .. } = backend;
    let cleaned = clean(orchestrator.as_ref()).await;
    let host = orchestrator.host().await?;
    let planned =
        plan(options, &host, orchestrator.as_ref(), image.as_deref(), image_id.clone(), *port)
            .await?;

    let out = options.out.clone().unwrap_or_else(|| PathBuf::from(format!("sweep-{run}")));
    let source = Source {
        image: image.clone(),
        digest: planned.image.as_ref().and_then(|image| image.digests.first().cloned()),
        service: service.clone(),
        ..source(options, &planned.deployment, *port)?
    };
    let context = context(options, &host, &planned, &source, backend)?;
    let Planned { settings, deployment, image: image_id, request, pinning } = planned;
    let environment = Environment::new(run, &settings, &host, &pinning, image.as_deref(), image_id);
    let timeout_seconds = options.payload.timeout().as_secs_f64();
    let (prices, settings_kept) = (prices(options)?, settings.clone());
    let mut basis = Basis { settings: settings_kept, prices, source, environment, timeout_seconds };
    let (journal, mut trials) = match &options.resume {
        Some(dir) => Journal::resume(dir, &context)?,
        None => (Journal::create(&out, &context)?, Vec::new()),
    };
    Kept::here(options.set.clone(), &basis)?.write(&out)?;
    let control = Control::default();
    stop_on_signal(control.clone())?;
    let (events, inbox) = mpsc::channel();
    let views = views(options, &settings, inbox)?;
    if !settings.can_probe {
        let _ = events.send(Event::Log(
            "limits of running replicas cannot be changed in place here: the sweep makes fresh \
                trials only, which takes longer"
                .to_owned(),
        ));
    }
    cleaned.into_iter().for_each(|line| drop(events.send(Event::Log(line))));
    let _ = events.send(Event::Log(format!(
        "Looking for the smallest limits that hold {} users on {} ({}); results go to {}{}",
        settings.max_users,
        image.as_deref().map_or_else(|| "processes".to_owned(), |i| format!("containers of {i}")),
        host.description,
        out.display(),
        if trials.is_empty() {
            String::new()
        } else {
            format!(", where {} trials are already", trials.len())
        }
    )));

    let mut sweep = Sweep {
        orchestrator: orchestrator.clone(),
        deployment,
        request,
        timeout: options.payload.timeout(),
        // A trial without steps may have ended with the Engine before any request was answered.
        answered: trials.iter().any(|trial| !trial.steps.is_empty()),
        settings: settings.clone(),
        pinning,
        budget: Budget::new(options.max_trials, options.max_duration),
    };
    let ended = sweep.run(&mut trials, |trial| journal.add(trial), &events, &control).await;
    drop(events);
    for view in views {
        let _ = view.join();
    }
    // Known once a replica was deployed.
    basis.source.open_files = orchestrator.file_limit();
    Kept::here(options.set.clone(), &basis)?.write(&out)?;
    // Measurements are written whatever ended the sweep.
    let is_whole = matches!(ended, Ok(Ending::Complete));
    let judged = JudgedSweep::ended(out, basis, trials, journal, is_whole);
    judged.write(&judged.dir, Theme::Auto)?;
    if is_shown(options) {
        println!("{}\n\n{}", judged.text(), judged.files_line(&judged.dir));
    }
    Ok(status(ended?, &judged.answer()))
}

/// Returns true if the result, and not the events, goes to standard output.
fn is_shown(options: &SweepOptions) -> bool {
    options.events.as_deref() != Some(Path::new("-"))
}

/// Starts the views of a sweep's events: the terminal, and a file if one is given.
fn views(
    options: &SweepOptions,
    settings: &Settings,
    inbox: mpsc::Receiver<Event>,
) -> Result<Vec<JoinHandle<()>>, Error> {
    let (to_terminal, at_terminal) = mpsc::channel();
    let mut views = vec![watch_sweep(at_terminal, settings.clone(), options.quiet)];
    let to_file = match &options.events {
        Some(path) => {
            let (to_file, at_file) = mpsc::channel();
            views.push(EventLog::open(path)?.watch(at_file));
            Some(to_file)
        }
        None => None,
    };
    views.push(std::thread::spawn(move || {
        for event in inbox {
            if let Some(to_file) = &to_file {
                let _ = to_file.send(event.clone());
            }
            let _ = to_terminal.send(event);
        }
    }));
    Ok(views)
}

/// Removes the remains of killed runs, which would share processors with the replicas and keep
/// pages in the cache that should be cold.
async fn clean(orchestrator: &dyn Orchestrator) -> Vec<String> {
    match orchestrator.clean().await {
        Ok(lines) => lines
            .iter()
            .map(|line| format!("removed {line}, which a killed run had left"))
            .collect(),
        Err(error) => {
            vec![format!("what killed runs left could not be removed (loadgen clean): {error}")]
        }
    }
}

/// Returns true if an answer names something that holds the objective.
pub(super) fn has_answer(answer: &Answer<'_>) -> bool {
    let holds = |finding: &Finding| match finding {
        Finding::Minimum(_) | Finding::Grid { cheapest: Some(_) } => true,
        Finding::Capacity { users, .. } => *users > 0,
        _ => false,
    };
    answer.demand.last().is_some_and(|last| last.is_verified)
        || answer.per_replicas.iter().any(|known| holds(&known.finding))
}

fn status(ending: Ending, answer: &Answer<'_>) -> ExitStatus {
    let is_unmeasurable =
        || answer.per_replicas.iter().any(|known| known.finding == Finding::Unmeasurable);
    match ending {
        Ending::Interrupted => ExitStatus::Interrupted,
        _ if has_answer(answer) => ExitStatus::Met,
        Ending::Complete if is_unmeasurable() => ExitStatus::GeneratorLimited,
        Ending::Complete | Ending::Spent => ExitStatus::Missed,
    }
}

async fn plan(
    options: &SweepOptions,
    host: &Host,
    orchestrator: &dyn Orchestrator,
    image: Option<&str>,
    image_id: Option<ImageId>,
    port: u16,
) -> Result<Planned, Error> {
    let shared = options.pin.share(host.cpus as usize);
    let pinning = shared.map_err(|why| Error::Usage(format!("--pin: {why}")))?;
    let settings = settings(options, host, &pinning, orchestrator.can_set_limits())?;
    let named =
        options.model.as_deref().or_else(|| image.is_none().then(|| Path::new(DEFAULT_MODEL)));
    let request = options.payload.request(named)?;
    let image = match (image_id, image) {
        (Some(known), _) => Some(known),
        (None, Some(image)) => Some(orchestrator.fetch(image, options.pull).await?),
        (None, None) => None,
    };
    Ok(Planned {
        deployment: deployment(options, image.as_ref(), port)?,
        settings,
        image,
        request,
        pinning,
    })
}

/// Returns the time in hundredths of a second, in base 36: unique enough for a run, and short.
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
