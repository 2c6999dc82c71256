//! Terminal view of a run: a live line on standard error, a table on standard output.

use std::{
    io::{IsTerminal, Write},
    sync::{Arc, mpsc::Receiver},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use load_engine::LoadEvent;
use loadtest::{
    measure::{Measured, Second},
    workload::{Plan, Scenario},
};

use crate::{
    event::Event,
    output::{RunReport, tables},
};

/// Interval of progress lines if lines cannot be overwritten.
const QUIET: Duration = Duration::from_secs(5);

/// The live line.
struct Line {
    terminal: bool,
    written: Option<Instant>,
}

impl Line {
    fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), written: None }
    }

    /// Shows a line that the next one replaces; without a terminal, at most every few seconds.
    fn show(&mut self, text: &str) {
        // Errors of a closed terminal are ignored.
        if self.terminal {
            let _ = write!(std::io::stderr(), "\r\x1b[2K{text}");
        } else if self.written.is_none_or(|at| at.elapsed() >= QUIET) {
            let _ = writeln!(std::io::stderr(), "{text}");
            self.written = Some(Instant::now());
        }
    }

    /// Shows a permanent line.
    fn keep(&mut self, text: &str) {
        let clear = if self.terminal { "\r\x1b[2K" } else { "" };
        let _ = writeln!(std::io::stderr(), "{clear}{text}");
        self.written = None;
    }
}

/// Progress of a run on the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// A live line.
    Line,
    /// Locust's table of statistics so far, every two seconds.
    Stats,
    /// Nothing but messages.
    Nothing,
}

/// Interval of the tables of [`Progress::Stats`], in seconds, as in Locust.
const STATS_EVERY: u64 = 2;

/// Shows a run's progress until its events end; `extension` is the part of the plan that runs only
/// while the verdict is undecided.
pub fn watch_run(
    events: Receiver<Event>,
    plan: Plan,
    extension: Duration,
    scenario: Arc<Scenario>,
    progress: Progress,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut line = Line::new();
        let mut total = Measured::default();
        let seconds = (plan.duration() - extension).as_secs();
        for event in events {
            match event {
                Event::Load(LoadEvent::Second(second)) => match progress {
                    Progress::Line => {
                        let left = seconds.saturating_sub(second.index);
                        line.show(&format!("{} · {left} s left", pulse(&second, plan.max_users())));
                    }
                    Progress::Stats => {
                        total.add(&second);
                        if second.index % STATS_EVERY == 0 {
                            println!("{}\n", tables::stats(&scenario, &total));
                        }
                    }
                    Progress::Nothing => {}
                },
                Event::Log(text) => line.keep(&text),
                _ => {}
            }
        }
        line.keep("");
    })
}

/// Returns the tables at the end of a run.
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
