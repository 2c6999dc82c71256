//! Live lines on standard error, tables on standard output.

use std::{
    io::{IsTerminal, Write},
    sync::mpsc::Receiver,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crate::{
    event::Event,
    measure::Second,
    output::{RunReport, sentences, tables},
    sweep::{Answer, Settings, Trial, TrialSpec},
    workload::Plan,
};

/// How often a line is written where lines cannot be overwritten.
const QUIET: Duration = Duration::from_secs(5);

/// The one live line.
struct Line {
    terminal: bool,
    written: Option<Instant>,
}

impl Line {
    fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), written: None }
    }

    /// Shows a line that the next one replaces; in a log, at most every few seconds.
    fn show(&mut self, text: &str) {
        // Nothing can be done about a terminal that has gone away.
        if self.terminal {
            let _ = write!(std::io::stderr(), "\r\x1b[2K{text}");
        } else if self.written.is_none_or(|at| at.elapsed() >= QUIET) {
            let _ = writeln!(std::io::stderr(), "{text}");
            self.written = Some(Instant::now());
        }
    }

    /// Shows a line that stays.
    fn keep(&mut self, text: &str) {
        let clear = if self.terminal { "\r\x1b[2K" } else { "" };
        let _ = writeln!(std::io::stderr(), "{clear}{text}");
        self.written = None;
    }
}

/// Shows a run's progress until its events end; `extension` is how much of the plan is only for what is not decided by then.
pub fn watch_run(events: Receiver<Event>, plan: Plan, extension: Duration) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut line = Line::new();
        let seconds = (plan.duration() - extension).as_secs();
        for event in events {
            match event {
                Event::Second(second) => {
                    let left = seconds.saturating_sub(second.index);
                    line.show(&format!("{} · {left} s left", pulse(&second, plan.max_users())));
                }
                Event::Log(text) => line.keep(&text),
                _ => {}
            }
        }
        line.keep("");
    })
}

/// Shows a sweep's progress until its events end; `trials` were made before.
pub fn watch_sweep(events: Receiver<Event>, settings: Settings, mut trials: Vec<Trial>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut line = Line::new();
        let mut told = Answer::from_trials(&settings, &trials).per_replicas.len();
        let mut current: Option<(TrialSpec, usize, Instant, u64)> = None;
        for event in events {
            match event {
                Event::TrialStarted { spec, number, seconds_left } => {
                    current = Some((spec, number, Instant::now(), seconds_left));
                    line.keep(&format!(
                        "trial {number}: {} · {} · about {} left",
                        spec.point,
                        sentences::purpose(&spec),
                        minutes(seconds_left)
                    ));
                }
                Event::Second(second) => {
                    if let Some((_, number, began, seconds)) = &current {
                        let left = seconds.saturating_sub(began.elapsed().as_secs());
                        let users = settings.max_users;
                        line.show(&format!(
                            "  trial {number}: {} · about {} left",
                            pulse(&second, users),
                            minutes(left)
                        ));
                    }
                }
                Event::TrialEnded(trial) => {
                    line.keep(&format!("  {}", sentences::trial(&trial)));
                    trials.push(*trial);
                    let answer = Answer::from_trials(&settings, &trials);
                    for known in answer.per_replicas.iter().skip(told) {
                        line.keep(&format!("==> {}", sentences::replicas(known, &settings, &trials)));
                    }
                    told = answer.per_replicas.len();
                }
                Event::Log(text) => line.keep(&text),
                _ => {}
            }
        }
    })
}

/// The tables at the end of a run.
pub fn run_table(report: &RunReport) -> String {
    tables::run(report)
}

fn pulse(second: &Second, users: u32) -> String {
    let ms = |q: f64| second.service.quantile(q).as_secs_f64() * 1e3;
    format!(
        "{} of {users} users · {} req/s · p50 {:.1} ms · p95 {:.1} ms · {} failed",
        second.users,
        second.requests,
        ms(0.5),
        ms(0.95),
        second.failures
    )
}

fn minutes(seconds: u64) -> String {
    if seconds < 90 { format!("{seconds} s") } else { format!("{} min", seconds.div_ceil(60)) }
}
