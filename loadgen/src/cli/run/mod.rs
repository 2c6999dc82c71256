//! `loadgen run`.

mod plan;
mod target;

use std::{
    net::SocketAddr,
    sync::{Arc, mpsc},
    time::Duration,
};

use clap::Args;
use load_engine::{Control, EngineError};
use loadtest::{
    slo::Slo,
    verdict::Verdict,
    workload::{Plan, Segment, parse_run_time},
};

pub(super) use self::plan::LoadOptions;
use self::target::TargetOptions;
use super::interrupt::stop_on_signal;
use crate::{
    Error, ExitStatus,
    load_test::LoadTest,
    output::{self, Prometheus, RunReport, console},
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

    /// Accepted as in Locust: a run never serves a page.
    #[arg(long, env = "LOCUST_HEADLESS")]
    headless: bool,

    /// Print the statistics so far every two seconds, as Locust does.
    #[arg(long, env = "LOCUST_PRINT_STATS", conflicts_with = "only_summary")]
    print_stats: bool,

    /// Print nothing but the result.
    #[arg(long, env = "LOCUST_ONLY_SUMMARY")]
    only_summary: bool,

    /// Exit code of a run that met its objective although requests failed, for instance 1 as in
    /// Locust [default: 0, the objective decides].
    #[arg(long, value_name = "CODE", env = "LOCUST_EXIT_CODE_ON_ERROR")]
    exit_code_on_error: Option<u8>,

    #[command(flatten)]
    files: output::FileOptions,
}

pub(super) async fn run(options: RunOptions) -> Result<ExitStatus, Error> {
    let test = options.prepare().await?;
    options.files.check()?;
    let prometheus = options.prometheus.map(Prometheus::bind).transpose()?;
    let test = LoadTest {
        calibrated: match options.no_calibrate {
            true => None,
            false => calibrate(&options.pin, options.busy_poll).await?,
        },
        ..test
    };
    let control = Control::default();
    stop_on_signal(control.clone())?;
    let plan: Plan = test.segment.plan.as_ref().clone();
    let (to_view, at_view) = mpsc::channel();
    let scenario = Arc::clone(&test.targets.scenario);
    let progress = options.progress();
    let view =
        console::watch_run(at_view, plan.clone(), test.extension, scenario.clone(), progress);
    let served = prometheus.map(|to_serve| to_serve.serve(plan, scenario)).transpose()?;
    // The metrics server lives until the end of this function.
    let (_served, to_metrics) = served.unzip();
    let report = test.run(std::iter::once(to_view).chain(to_metrics).collect(), &control).await;
    let _ = view.join();
    let report = report?;
    println!("{}", console::run_table(&report));
    let written = options.files.write(&report);
    for line in report.remarks() {
        println!("{line}");
    }
    written?;
    Ok(match (status(&report), options.exit_code_on_error) {
        (ExitStatus::Met, Some(code)) if report.outcome.total.all.failed() > 0 => {
            ExitStatus::OnError(code)
        }
        (status, _) => status,
    })
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
    /// Reads the files, connects to the hosts, and returns the load test.
    async fn prepare(&self) -> Result<LoadTest, Error> {
        let scenario = self.target.scenario()?;
        let plan = self.load.plan(scenario.as_ref().and_then(|scenario| scenario.wait_time))?;
        let (plan, extension) = self.extended(plan);
        let (reached, targets) = self.target.reach(scenario, plan.seed).await?;
        let segment =
            Segment { busy_poll: self.busy_poll, ..Segment::whole(plan, self.pin.clone()) };
        let test = LoadTest {
            reached,
            targets,
            segment,
            objective: self.slo.clone(),
            aborts_on_failure: self.abort_on_fail,
            extension,
            keeps: self.files.keeps(),
            calibrated: None,
        };
        self.target.payload.check(&test.judged_objective())?;
        Ok(test)
    }

    fn progress(&self) -> console::Progress {
        match (self.print_stats, self.only_summary) {
            (true, _) => console::Progress::Stats,
            (_, true) => console::Progress::Nothing,
            _ => console::Progress::Line,
        }
    }

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
