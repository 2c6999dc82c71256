//! Conversion of the load flags of `loadgen run` into a plan.

use std::time::Duration;

use clap::{Args, ValueEnum};
use loadtest::workload::{Arrivals, Level, Pace, Plan, Shape, Traffic, WaitTime, parse_run_time};

use crate::Error;

/// Load options, named as in Locust and k6.
#[derive(Debug, Args)]
pub(in crate::cli) struct LoadOptions {
    /// Number of users (peak concurrency), each with its own connection: 500, 500:10000:500
    /// (from:to:by, one step each) or 1..300 (rising over the run). With --arrivals: most
    /// connections.
    #[arg(short = 'u', long, env = "LOCUST_USERS", value_parser = clap::value_parser!(Level))]
    users: Option<Level>,

    /// Users started (or stopped) per second [default: 100].
    #[arg(short = 'r', long, env = "LOCUST_SPAWN_RATE")]
    spawn_rate: Option<f64>,

    /// Length of the run, including the ramp: 60s, 5m, 1h30m [default: 60s]. With steps, each lasts
    /// --step-duration instead.
    #[arg(short = 't', long, env = "LOCUST_RUN_TIME", value_parser = parse_run_time)]
    run_time: Option<Duration>,

    /// Closed model: think time between a user's requests: between(1, 2.5), constant(1),
    /// constant_pacing(1), constant_throughput(0.5), expovariate(0.5) [default: the scenario's, or
    /// between(1, 2.5)].
    #[arg(long)]
    wait_time: Option<WaitTime>,

    /// Open model: arrivals at this rate, however slow the server is: poisson(500), constant(500),
    /// gamma(500, 2), uniform(0.001, 0.003) (gaps in seconds). A rate may rise (100..1000) or have
    /// steps (500:5000:500).
    #[arg(long, conflicts_with_all = ["wait_time", "spawn_rate", "experiment"])]
    arrivals: Option<Arrivals>,

    /// Load over time: spike(100, 2000, 10s), soak(500, 10m) (one level in windows), or k6's
    /// stages, 30s:100,1m:500,10s:0. Levels are users (instead of --users) or, with --arrivals,
    /// requests per second (instead of its rate).
    #[arg(long, alias = "stages")]
    shape: Option<Shape>,

    /// Length of each step, including its ramp.
    #[arg(long, default_value = "10s", value_parser = parse_run_time)]
    step_duration: Duration,

    /// Seconds not measured at the beginning of each hold [default: 1 with steps, else 0].
    #[arg(long)]
    warm_up: Option<f64>,

    /// Classroom experiment; --users, --spawn-rate, --run-time and --wait-time override its
    /// settings.
    #[arg(long, conflicts_with = "shape")]
    experiment: Option<Experiment>,

    /// Seed of think times and arrivals; the same seed repeats them.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// The four classroom experiments.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Experiment {
    /// One user without think time for 100 s: the response time without other load.
    ResponseTime,
    /// One more user per second, from 1 to 300, in windows of 10 s: the load at which it breaks.
    Incremental,
    /// The highest load that it could take, held for 300 s: 85 users, or --users.
    MaxPerformance,
    /// Users added at 5 per second up to 500, in 100 s.
    Stress,
}

const RUN_TIME: Duration = Duration::from_secs(60);
const SPAWN_RATE: f64 = 100.0;
const CONNECTIONS: u32 = 10_000;
/// Think time of about a second, as in the classroom.
const CLASSROOM_WAIT: WaitTime = WaitTime::Constant(Duration::from_secs(1));
const INCREMENTAL_WINDOW: Duration = Duration::from_secs(10);

impl LoadOptions {
    /// Returns the plan; `wait_time` is the scenario's, used if the flags set none.
    pub(in crate::cli) fn plan(&self, wait_time: Option<WaitTime>) -> Result<Plan, Error> {
        let warm_up = |default: f64| {
            Duration::try_from_secs_f64(self.warm_up.unwrap_or(default))
                .map_err(|_| "--warm-up: seconds from 0".to_owned())
        };
        if let Some(users) = self.users.filter(|users| users.highest().fract() != 0.0) {
            return Err(Error::Usage(format!("--users {users}: there are no parts of users")));
        }
        if self.shape.is_some() && self.users.is_some() && self.arrivals.is_none() {
            return Err(Error::Usage(
                "--shape says how many users there are: leave out --users".to_owned(),
            ));
        }
        let built = match (self.experiment, self.arrivals) {
            (Some(experiment), _) => self.experiment(experiment),
            (None, Some(arrivals)) => {
                let shape = self.shape.clone().unwrap_or(Shape::Level(arrivals.rate));
                let has_steps = !matches!(shape, Shape::Level(Level::Fixed(_)));
                let pace = Pace {
                    run_time: self.run_time.unwrap_or(RUN_TIME),
                    spawn_rate: None,
                    step_duration: self.step_duration,
                    warm_up: warm_up(if has_steps { 1.0 } else { 0.0 }).map_err(Error::Usage)?,
                };
                let connections = self.users.map_or(CONNECTIONS, |users| users.highest() as u32);
                let traffic = Traffic::Open { gaps: arrivals.gaps, connections };
                shape.steps(&pace).map(|steps| Plan {
                    start: shape.start(),
                    steps,
                    traffic,
                    seed: self.seed,
                })
            }
            (None, None) => {
                let users = self.users.unwrap_or(Level::Fixed(1.0));
                let shape = self.shape.clone().unwrap_or(Shape::Level(users));
                let has_steps = !matches!(shape, Shape::Level(Level::Fixed(_)));
                let pace = Pace {
                    run_time: self.run_time.unwrap_or(RUN_TIME),
                    spawn_rate: Some(self.spawn_rate.unwrap_or(SPAWN_RATE)),
                    step_duration: self.step_duration,
                    warm_up: warm_up(if has_steps { 1.0 } else { 0.0 }).map_err(Error::Usage)?,
                };
                self.closed(&shape, &pace, wait_time.unwrap_or(DEFAULT_WAIT))
            }
        };
        let plan = built.map_err(Error::Usage)?;
        plan.check().map_err(Error::Usage)?;
        Ok(plan)
    }

    fn closed(&self, shape: &Shape, pace: &Pace, wait_time: WaitTime) -> Result<Plan, String> {
        let traffic = Traffic::Closed(self.wait_time.unwrap_or(wait_time));
        Ok(Plan { start: shape.start(), steps: shape.steps(pace)?, traffic, seed: self.seed })
    }

    fn experiment(&self, experiment: Experiment) -> Result<Plan, String> {
        let (users, spawn_rate, seconds, wait_time) = match experiment {
            Experiment::ResponseTime => (1.0, 1.0, 100, WaitTime::Constant(Duration::ZERO)),
            Experiment::Incremental => (300.0, 1.0, 300, CLASSROOM_WAIT),
            Experiment::MaxPerformance => (85.0, 85.0, 300, CLASSROOM_WAIT),
            Experiment::Stress => (500.0, 5.0, 100, CLASSROOM_WAIT),
        };
        let users = self.users.map_or(users, Level::highest);
        let spawn_rate = self.spawn_rate.unwrap_or(spawn_rate);
        let run_time = self.run_time.unwrap_or(Duration::from_secs(seconds));
        let pace = Pace {
            run_time,
            spawn_rate: Some(spawn_rate),
            step_duration: self.step_duration,
            warm_up: Duration::ZERO,
        };
        let shape = match experiment {
            Experiment::ResponseTime | Experiment::MaxPerformance => {
                Shape::Level(Level::Fixed(users))
            }
            // Windows of a continuous ramp: each adds the users that start in its time.
            Experiment::Incremental | Experiment::Stress => {
                let windows = run_time.div_duration_f64(INCREMENTAL_WINDOW).ceil().max(1.0) as u32;
                let length = run_time / windows;
                let at = |window: u32| (spawn_rate * (length * window).as_secs_f64()).min(users);
                Shape::Stages((1..=windows).map(|window| (length, at(window))).collect())
            }
        };
        self.closed(&shape, &pace, wait_time)
    }
}

/// Default think time, with which 10,000 users plan 5,714 requests per second.
const DEFAULT_WAIT: WaitTime =
    WaitTime::Between(Duration::from_secs(1), Duration::from_millis(2500));

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Words {
        #[command(flatten)]
        load: LoadOptions,
    }

    fn plan(words: &str) -> Result<Plan, Error> {
        Words::try_parse_from(std::iter::once("run").chain(words.split('|')))
            .unwrap()
            .load
            .plan(None)
    }

    #[test]
    fn flags_become_steps() {
        let steps = plan("--users|500:10000:500|--spawn-rate|500").unwrap();
        assert_eq!(
            (steps.steps.len(), steps.max_users(), steps.duration().as_secs()),
            (20, 10_000, 200)
        );
        let open = plan("--arrivals|poisson(100..200)|--run-time|10s|--users|50").unwrap();
        assert_eq!((open.max_users(), open.planned_per_second(0)), (50, Some(150.0)));
        let spike = plan("--shape|spike(10, 100, 5s)").unwrap();
        assert_eq!(spike.steps.len(), 3);
    }

    #[test]
    fn experiments_are_those_of_the_classroom() {
        let incremental = plan("--experiment|incremental").unwrap();
        assert_eq!(
            (incremental.steps.len(), incremental.max_users(), incremental.duration().as_secs()),
            (30, 300, 300)
        );
        let stress = plan("--experiment|stress").unwrap();
        assert_eq!((stress.max_users(), stress.duration().as_secs()), (500, 100));
        let hold = plan("--experiment|max-performance|--users|150").unwrap();
        assert_eq!((hold.max_users(), hold.duration().as_secs()), (150, 300));
        assert_eq!(
            plan("--experiment|response-time").unwrap().planned_per_second(0),
            None,
            "no think time, no rate to keep"
        );
    }

    #[test]
    fn what_leaves_no_time_is_refused() {
        let error = plan("--users|1000|--spawn-rate|10").unwrap_err().to_string();
        assert!(error.contains("raise the spawn rate"), "{error}");
    }
}
