//! `loadgen run`.

use std::{
    net::SocketAddr,
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use clap::Args;

use super::{interrupt::stop_on_signal, run_plan::LoadOptions, run_target::TargetOptions};
use crate::{
    Error, ExitStatus,
    engine::{self, Control, EngineError},
    event::Event,
    measure::{Second, Window},
    output::{self, Prometheus, RunReport, console},
    slo::{LatencyLimit, Objective},
    verdict::{Judgement, Scope, Verdict, judge, judge_run},
    workload::{Plan, Segment},
};

/// `loadgen run …`, in Locust's words.
#[derive(Debug, Args)]
pub(super) struct RunOptions {
    #[command(flatten)]
    target: TargetOptions,

    #[command(flatten)]
    load: LoadOptions,

    /// What has to hold, for instance 'p95<100ms,failures<0.1%,rate>=95%'; decides the exit code.
    #[arg(long)]
    slo: Option<Objective>,

    /// End the run as soon as a step, or what is known of it, has failed the objective.
    #[arg(long, requires = "slo")]
    abort_on_fail: bool,

    /// Processors for the load threads, for instance 1 or 2,3; one thread on each.
    #[arg(long, value_delimiter = ',')]
    pin: Vec<usize>,

    /// Look for answers all the time instead of sleeping until one comes: takes the processors of --pin whole, and keeps the
    /// cost of waking the client, which one machine charges to the server, out of the figures.
    #[arg(long, requires = "pin")]
    busy_poll: bool,

    /// Do not find out before the run, in a second, what the generator could do on its processors.
    #[arg(long)]
    no_calibrate: bool,

    /// Serve Prometheus' metrics of the run on this address while it lasts, for instance 127.0.0.1:9646.
    #[arg(long, value_name = "ADDR")]
    prometheus: Option<SocketAddr>,

    #[command(flatten)]
    files: output::FileOptions,
}

/// What is known of an open window is looked at after so many of its seconds, and after twice as many, and so on: each look is
/// one more chance to err.
const FIRST_LOOK: u64 = 5;
const SECOND: Duration = Duration::from_secs(1);

pub(super) async fn run(options: RunOptions) -> Result<ExitStatus, Error> {
    let scenario = options.target.scenario()?;
    let plan = options.load.plan(scenario.as_ref().and_then(|scenario| scenario.wait_time))?;
    let (hosts, targets) = options.target.reach(scenario, plan.seed).await?;
    let scenario = Arc::clone(&targets.scenario);
    let segment = Segment { busy_poll: options.busy_poll, ..Segment::whole(plan.clone(), options.pin.clone()) };
    // Without an objective windows are still judged by how late the generator was against the default.
    let objective = options.slo.clone().unwrap_or_else(default_objective);
    options.files.check()?;
    let prometheus = options.prometheus.map(Prometheus::bind).transpose()?;

    let calibrated = if options.no_calibrate { None } else { calibrate(&options.pin, options.busy_poll).await? };
    let control = Control::default();
    stop_on_signal(control.clone())?;
    let (sender, inbox) = mpsc::channel();
    let (to_view, view_inbox) = mpsc::channel();
    let view = console::watch_run(view_inbox, plan.clone());
    let served = prometheus.map(|to_serve| to_serve.serve(plan.clone(), Arc::clone(&scenario))).transpose()?;
    // The server of metrics lasts as long as this function.
    let (_served, to_metrics) = served.unzip();
    let views = std::iter::once(to_view).chain(to_metrics).collect();
    let aborting = options.abort_on_fail.then(|| objective.clone());
    let keeps_seconds = options.files.tell_of_seconds();
    let watch = watch(inbox, views, plan.clone(), aborting, keeps_seconds, control.clone());
    let began = std::time::SystemTime::now();
    let limits = objective.limits();
    let outcome = {
        let control = control.clone();
        tokio::task::spawn_blocking(move || engine::run(&segment, &targets, &limits, &sender, &control))
            .await
            .map_err(|e| EngineError::System(std::io::Error::other(e)))??
    };
    // Both end with the events.
    let (seconds, aborted) = watch.join().unwrap_or_default();
    let _ = view.join();

    let windows: Vec<&Window> = outcome.steps.iter().map(|measured| &measured.all).collect();
    let judged = judge_run(&plan, &windows, &objective);
    let report = RunReport {
        hosts: hosts.iter().map(ToString::to_string).collect(),
        scenario,
        plan,
        objective: options.slo.clone(),
        judged,
        // A failure of the last step ended nothing.
        aborted: aborted.filter(|_| outcome.stopped),
        calibrated,
        began,
        seconds,
        outcome,
    };
    println!("{}", console::run_table(&report));
    let told = options.files.write(&report);
    for line in report.remarks() {
        println!("{line}");
    }
    told?;
    Ok(status(&report))
}

/// What the generator could do on these processors, if the machine has another one for the server.
async fn calibrate(cores: &[usize], busy_poll: bool) -> Result<Option<f64>, Error> {
    let cores = cores.to_vec();
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let calibrated = tokio::task::spawn_blocking(move || engine::calibrate(&cores, busy_poll, cpus)).await;
    calibrated.map_err(|e| EngineError::System(std::io::Error::other(e)).into())
}

fn status(report: &RunReport) -> ExitStatus {
    if report.aborted.is_some() {
        return ExitStatus::Missed;
    }
    match (report.outcome.stopped, report.judged.overall.verdict, &report.objective) {
        (true, ..) => ExitStatus::Interrupted,
        (_, Verdict::Invalid, _) => ExitStatus::GeneratorLimited,
        (_, Verdict::Fail | Verdict::Undecided, Some(_)) => ExitStatus::Missed,
        _ => ExitStatus::Met,
    }
}

/// What a run's events leave behind: its seconds, and why it was aborted, if it was.
type Watched = (Vec<Second>, Option<Judgement>);

/// Keeps the seconds, passes events on to the views, and ends the run when it has failed its objective, if that is wanted.
fn watch(
    events: mpsc::Receiver<Event>,
    views: Vec<mpsc::Sender<Event>>,
    plan: Plan,
    objective: Option<Objective>,
    keeps_seconds: bool,
    control: Control,
) -> JoinHandle<Watched> {
    std::thread::spawn(move || {
        let mut seconds = Vec::new();
        let mut aborted = None;
        let times = plan.times();
        let failed = |window: &Window, step: usize, objective: &Objective| {
            let judged = judge(window, objective, plan.planned_per_second(step), Scope::Step);
            (judged.verdict == Verdict::Fail).then_some(judged)
        };
        for event in events {
            // With three histograms each, those of a long run are hundreds of megabytes; with their tasks' it would be more.
            if let Event::Second(second) = &event
                && (keeps_seconds || objective.is_some())
            {
                seconds.push(second.totals());
            }
            let failure = objective.as_ref().and_then(|objective| match &event {
                Event::StepEnded { index, window } => failed(window, *index, objective),
                Event::Second(second) => {
                    let now = Duration::from_secs(second.index);
                    let step = times.iter().position(|t| now > t.measured_from && now <= t.end)?;
                    let from = times[step].measured_from;
                    let whole = seconds.iter().filter(|s| Duration::from_secs(s.index) >= from + SECOND);
                    let held: Vec<Second> = whole.cloned().collect();
                    // Of an open window the rate is what it happens to be by now.
                    let objective = Objective { rate: None, ..objective.clone() };
                    let is_time =
                        |count: u64| count.is_multiple_of(FIRST_LOOK) && (count / FIRST_LOOK).is_power_of_two();
                    is_time(held.len() as u64).then(|| failed(&Window::so_far(&held), step, &objective))?
                }
                _ => None,
            });
            if let (Some(failure), None) = (failure, &aborted) {
                aborted = Some(failure);
                control.stop();
            }
            for view in &views {
                // A view that has gone away does not end the run.
                let _ = view.send(event.clone());
            }
        }
        (seconds, aborted)
    })
}

/// Locust's and our default.
fn default_objective() -> Objective {
    Objective {
        latency: vec![LatencyLimit { quantile: 0.95, limit: Duration::from_millis(100) }],
        failures: None,
        rate: None,
    }
}
