//! `loadgen run`.

mod plan;
mod target;
mod watch;

use std::{
    net::SocketAddr,
    sync::{Arc, mpsc},
    time::Duration,
};

use clap::Args;
use load_engine::{Control, EngineError};
use loadtest::{
    measure::Window,
    slo::{LatencyLimit, Slo},
    verdict::{Verdict, explained, judge_steps},
    workload::{Plan, Segment, parse_run_time},
};

use self::{
    plan::LoadOptions,
    target::TargetOptions,
    watch::{Watch, Watched},
};
use super::interrupt::stop_on_signal;
use crate::{
    Error, ExitStatus,
    event::{Event, forward},
    output::{self, Prometheus, RunReport, console},
    runner::{Reached, follow},
};

/// `loadgen run …`, with options named as in Locust.
#[derive(Debug, Args)]
pub(super) struct RunOptions {
    #[command(flatten)]
    target: TargetOptions,

    #[command(flatten)]
    load: LoadOptions,

    /// Objective, for instance 'p95<100ms,failures<0.1%,rate>=95%'; decides the exit code.
    #[arg(long)]
    slo: Option<Slo>,

    /// Extend the last step by up to this long while its verdict is undecided; 0 disables [default:
    /// the step's own length, at most 1m].
    #[arg(long, requires = "slo", value_parser = parse_extension)]
    extend: Option<Duration>,

    /// End the run as soon as a step fails the objective, even before the step is over.
    #[arg(long, requires = "slo")]
    abort_on_fail: bool,

    /// Processors for the load threads, for instance 1 or 2,3; one thread on each.
    #[arg(long, value_delimiter = ',')]
    pin: Vec<usize>,

    /// Poll for answers instead of sleeping. Occupies the processors of --pin completely, and keeps
    /// the cost of waking the client, which one machine charges to the server, out of the figures.
    #[arg(long, requires = "pin")]
    busy_poll: bool,

    /// Skip the calibration of the generator on its processors, which takes a second before the
    /// run.
    #[arg(long)]
    no_calibrate: bool,

    /// Serve Prometheus metrics during the run on this address, for instance 127.0.0.1:9646.
    #[arg(long, value_name = "ADDR")]
    prometheus: Option<SocketAddr>,

    #[command(flatten)]
    files: output::FileOptions,
}

pub(super) async fn run(options: RunOptions) -> Result<ExitStatus, Error> {
    let scenario = options.target.scenario()?;
    let plan = options.load.plan(scenario.as_ref().and_then(|scenario| scenario.wait_time))?;
    let (plan, extension) = options.extended(plan);
    let (reached, targets) = options.target.reach(scenario, plan.seed).await?;
    let scenario = Arc::clone(&targets.scenario);
    let segment = Segment {
        busy_poll: options.busy_poll,
        ..Segment::whole(plan.clone(), options.pin.clone())
    };
    // Without an objective, the generator's lateness is still judged against the default one.
    let objective = options.slo.clone().unwrap_or_else(default_objective);
    options.target.payload.check(&objective)?;
    options.files.check()?;
    let prometheus = options.prometheus.map(Prometheus::bind).transpose()?;

    let calibrated = if options.no_calibrate {
        None
    } else {
        calibrate(&options.pin, options.busy_poll).await?
    };
    let control = Control::default();
    stop_on_signal(control.clone())?;
    let (sender, inbox) = mpsc::channel();
    let (to_view, view_inbox) = mpsc::channel();
    let view = console::watch_run(view_inbox, plan.clone(), extension);
    let served = prometheus
        .map(|to_serve| to_serve.serve(plan.clone(), Arc::clone(&scenario)))
        .transpose()?;
    // The metrics server lives until the end of this function.
    let (_served, to_metrics) = served.unzip();
    let views = std::iter::once(to_view).chain(to_metrics).collect();
    let due_per_second = plan.due_per_second();
    let watch = Watch {
        times: plan.times(),
        due_per_second: due_per_second.clone(),
        plan: plan.clone(),
        objective: options.slo.clone(),
        aborts: options.abort_on_fail,
        extension,
        keeps_seconds: options.files.tell_of_seconds(),
        views,
        control: control.clone(),
    };
    let watch = watch.start(inbox);
    for remark in reached.iter().filter_map(Reached::remark) {
        let _ = sender.send(Event::Log(remark));
    }
    let hosts: Vec<String> = reached.iter().map(|reached| reached.name().to_string()).collect();
    let following = follow(reached, targets.pool.clone(), sender.clone());
    let began = std::time::SystemTime::now();
    let limits = objective.limits();
    let mut outcome = {
        let control = control.clone();
        tokio::task::spawn_blocking(move || {
            load_engine::run(&segment, &targets, &limits, &forward(&sender), &control)
        })
        .await
        .map_err(|e| EngineError::System(std::io::Error::other(e)))??
    };
    drop(following);
    // Both threads end with the events.
    let Watched { seconds, aborted, decided } = watch.join().unwrap_or_default();
    let _ = view.join();
    let aborted = aborted.filter(|_| outcome.stopped);
    outcome.stopped &= decided.is_none();

    let windows: Vec<&Window> = outcome.steps.iter().map(|measured| &measured.all).collect();
    let lengths = outcome.steps.iter().map(|measured| measured.all.length);
    let measured = plan
        .times()
        .into_iter()
        .zip(lengths)
        .map(|(times, length)| (times.measured_from, times.measured_from + length));
    let due_per_second = plan.due_per_second_in(&measured.collect::<Vec<_>>());
    let mut judged = judge_steps(&plan, &due_per_second, &windows, &objective, decided.as_ref());
    judged.overall = explained(judged.overall, &outcome.total.all);
    let report = RunReport {
        hosts,
        scenario,
        plan,
        due_per_second,
        objective: options.slo.clone(),
        judged,
        aborted,
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

/// Returns the calibrated rate of the generator, if the machine has another processor for the
/// server.
async fn calibrate(cores: &[usize], busy_poll: bool) -> Result<Option<f64>, Error> {
    let cores = cores.to_vec();
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let calibrated =
        tokio::task::spawn_blocking(move || load_engine::calibrate(&cores, busy_poll, cpus)).await;
    calibrated.map_err(|e| EngineError::System(std::io::Error::other(e)).into())
}

fn status(report: &RunReport) -> ExitStatus {
    if report.aborted.is_some() {
        return ExitStatus::Missed;
    }
    // A run in which every request failed is never a success.
    let all = &report.outcome.total.all;
    if !report.outcome.stopped && all.requests > 0 && all.failed() == all.requests {
        return match report.judged.overall.verdict {
            Verdict::Invalid if report.objective.is_some() => ExitStatus::GeneratorLimited,
            _ => ExitStatus::Missed,
        };
    }
    match (report.outcome.stopped, report.judged.overall.verdict, &report.objective) {
        (true, ..) => ExitStatus::Interrupted,
        (_, Verdict::Invalid, _) => ExitStatus::GeneratorLimited,
        (_, Verdict::Fail | Verdict::Undecided, Some(_)) => ExitStatus::Missed,
        _ => ExitStatus::Met,
    }
}

/// Longest default extension.
const MOST_EXTENSION: Duration = Duration::from_secs(60);

impl RunOptions {
    /// Returns the plan with its last hold extended, and the length of the extension. The run ends
    /// early once the verdict is decided.
    fn extended(&self, mut plan: Plan) -> (Plan, Duration) {
        let last = plan.steps.last_mut().filter(|last| self.slo.is_some() && !last.hold.is_zero());
        let Some(last) = last else { return (plan, Duration::ZERO) };
        let extension =
            self.extend.unwrap_or(last.hold.saturating_sub(last.warm_up).min(MOST_EXTENSION));
        last.hold += extension;
        (plan, extension)
    }
}

fn parse_extension(text: &str) -> Result<Duration, String> {
    if ["0", "0s"].contains(&text) { Ok(Duration::ZERO) } else { parse_run_time(text) }
}

/// Returns the objective for runs without one.
fn default_objective() -> Slo {
    Slo {
        latency: vec![LatencyLimit { quantile: 0.95, limit: Duration::from_millis(100) }],
        failures: None,
        rate: None,
    }
}
