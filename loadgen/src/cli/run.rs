//! `loadgen run`.

use std::{path::PathBuf, sync::mpsc, time::Duration};

use clap::Args;

use super::interrupt::stop_on_signal;
use crate::{
    Error, ExitStatus,
    engine::{self, Control, EngineError},
    output::{console, run_json},
    runner::{example, first_reachable},
    slo::Objective,
    verdict::{Scope, Verdict, generator_limited, judge},
    workload::{Host, Plan, Request, Segment, Targets, WaitTime},
};

/// `loadgen run …`, in Locust's words.
#[derive(Debug, Args)]
pub(super) struct RunOptions {
    /// The host to load, for instance http://127.0.0.1:8000.
    #[arg(short = 'H', long, env = "LOCUST_HOST")]
    host: Host,

    /// Number of users (peak concurrency); each has a connection of its own.
    #[arg(short = 'u', long, env = "LOCUST_USERS", default_value_t = 1)]
    users: u32,

    /// Users started per second.
    #[arg(short = 'r', long, env = "LOCUST_SPAWN_RATE", default_value_t = 100.0, value_parser = spawn_rate)]
    spawn_rate: f64,

    /// How long the run takes, ramp included: 60s, 5m, 1h30m.
    #[arg(short = 't', long, env = "LOCUST_RUN_TIME", default_value = "60s", value_parser = run_time)]
    run_time: Duration,

    /// Think time between a user's requests: between(1, 2.5), constant(1), constant_pacing(1), constant_throughput(0.5).
    #[arg(long, default_value = "between(1, 2.5)")]
    wait_time: WaitTime,

    #[command(flatten)]
    payload: PayloadOptions,

    /// What has to hold, for instance 'p95<100ms,failures<0.1%,rate>=95%'; decides the exit code.
    #[arg(long)]
    slo: Option<Objective>,

    /// Processors for the load threads, for instance 1 or 2,3; one thread on each.
    #[arg(long, value_delimiter = ',')]
    pin: Vec<usize>,

    /// Write the results to this file.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// What users send.
#[derive(Debug, Args)]
pub(super) struct PayloadOptions {
    /// Path of the request.
    #[arg(long, default_value = "/predict")]
    pub(super) path: String,

    /// Body of the request: JSON, or @FILE. Without it, the example of --model, or the one that the server gives.
    #[arg(long)]
    body: Option<String>,
}

impl PayloadOptions {
    /// The request, if flags and the model's sidecar tell it.
    pub(super) fn request(&self, model: Option<&std::path::Path>) -> Result<Option<Request>, Error> {
        if !self.path.starts_with('/') || self.path.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(Error::Usage(format!("--path {:?}: a path begins with / and has no spaces", self.path)));
        }
        let body = match (&self.body, model) {
            (Some(body), _) => match body.strip_prefix('@') {
                Some(file) => {
                    std::fs::read(file).map_err(|e| Error::Usage(format!("--body {body}: cannot read it: {e}")))?
                }
                None => body.clone().into_bytes(),
            },
            (None, Some(model)) => match sidecar_example(model)? {
                Some(example) => example,
                None => return Ok(None),
            },
            (None, None) => return Ok(None),
        };
        Ok(Some(Request::post_json(&self.path, body)))
    }
}

/// The example of the sidecar of `model`, if it has one.
fn sidecar_example(model: &std::path::Path) -> Result<Option<Vec<u8>>, Error> {
    #[derive(serde::Deserialize)]
    struct Sidecar {
        example: Option<serde_json::Value>,
    }
    let path = model.with_extension("json");
    let Ok(text) = std::fs::read(&path) else { return Ok(None) };
    let sidecar: Sidecar =
        serde_json::from_slice(&text).map_err(|e| Error::Usage(format!("{} is no sidecar: {e}", path.display())))?;
    Ok(sidecar.example.map(|example| example.to_string().into_bytes()))
}

pub(super) async fn run(options: RunOptions) -> Result<ExitStatus, Error> {
    let plan = Plan::steady(options.users, options.spawn_rate, options.run_time, options.wait_time);
    plan.check().map_err(Error::Usage)?;
    let addr = first_reachable(&options.host)?;
    let request = match options.payload.request(None)? {
        Some(request) => request,
        None => Request::post_json(&options.payload.path, example(&options.host.to_string()).await?),
    };
    let segment = Segment::whole(plan.clone(), options.pin.clone());
    let targets = Targets::host(&options.host, addr, &request);
    // Without an objective windows are still judged by how late the generator was against the default.
    let objective = options.slo.clone().unwrap_or_else(default_objective);

    let control = Control::default();
    stop_on_signal(control.clone())?;
    let (sender, inbox) = mpsc::channel();
    let view = console::watch_run(inbox, plan.clone());
    let limits = objective.limits();
    let outcome = {
        let control = control.clone();
        tokio::task::spawn_blocking(move || engine::run(&segment, &targets, &limits, &sender, &control))
            .await
            .map_err(|e| EngineError::System(std::io::Error::other(e)))??
    };
    // It ends with the events.
    let _ = view.join();

    let planned = plan.wait_time.planned_per_second(options.users);
    let window = outcome.steps.first().cloned().unwrap_or_default();
    let judgement = judge(&window, &objective, planned, Scope::Whole);
    let limited = generator_limited(&window, &objective, planned);
    println!("{}", console::run_table(&options.host.to_string(), &plan, &window, &outcome.total));
    if let Some(reason) = &limited {
        println!("The generator was the limit, not the server: {reason}. These figures say nothing about the server.");
    } else if planned.is_none() && window.generator.busiest_core > 0.9 {
        println!(
            "The generator used {:.0}% of its core: with zero think time it may be the limit.",
            window.generator.busiest_core * 100.0
        );
    }
    if options.slo.is_some() {
        let reasons =
            if judgement.reasons.is_empty() { String::new() } else { format!(": {}", judgement.reasons.join("; ")) };
        println!("Objective {objective}: {}{reasons}", judgement.verdict);
    }
    if let Some(path) = &options.json {
        run_json::write(path, &options.host.to_string(), &plan, &outcome, options.slo.as_ref(), &judgement)?;
    }
    Ok(match (outcome.stopped, limited, &options.slo, judgement.verdict) {
        (true, ..) => ExitStatus::Interrupted,
        (_, Some(_), ..) => ExitStatus::GeneratorLimited,
        (_, _, Some(_), Verdict::Fail | Verdict::Undecided) => ExitStatus::Missed,
        _ => ExitStatus::Met,
    })
}

/// Locust's and our default.
fn default_objective() -> Objective {
    Objective {
        latency: vec![crate::slo::LatencyLimit { quantile: 0.95, limit: Duration::from_millis(100) }],
        failures: None,
        rate: None,
    }
}

fn spawn_rate(text: &str) -> Result<f64, String> {
    text.parse::<f64>().map_err(|e| e.to_string())
}

/// Locust's run time: `300`, `20s`, `3m`, `2h`, `1h20m`.
pub(crate) fn run_time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time; write 60s, 5m or 1h30m");
    if let Ok(seconds) = text.parse::<u64>() {
        return if seconds > 0 { Ok(Duration::from_secs(seconds)) } else { Err(wrong()) };
    }
    let mut total = 0u64;
    let mut number = String::new();
    for c in text.trim().chars() {
        let scale = match c {
            '0'..='9' => {
                number.push(c);
                continue;
            }
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return Err(wrong()),
        };
        let value: u64 = std::mem::take(&mut number).parse().map_err(|_| wrong())?;
        total = value.checked_mul(scale).and_then(|v| total.checked_add(v)).ok_or_else(wrong)?;
    }
    if !number.is_empty() || total == 0 {
        return Err(wrong());
    }
    Ok(Duration::from_secs(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_times_are_locusts() {
        for (text, seconds) in [("60", 60), ("60s", 60), ("5m", 300), ("1h30m", 5400), ("1h1m1s", 3661)] {
            assert_eq!(run_time(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for wrong in
            ["", "0", "0s", "x", "5", "1.5s", "m", "5 m", "99999999999999999999h"].iter().filter(|w| **w != "5")
        {
            assert!(run_time(wrong).is_err(), "{wrong} was taken");
        }
    }
}
