//! Terminal view of a sweep: a row for each trial, and below them a progress bar that is redrawn in
//! place.
//!
//! Without a terminal the same rows are plain lines, and a progress line is written once a minute.

use std::{
    io::IsTerminal,
    sync::mpsc::Receiver,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use load_engine::LoadEvent;
use loadtest::measure::Second;
use sizing::{
    sweep::{Estimate, Finding, ReplicaAnswer},
    trial::{Point, Purpose, Reading, Settings, TrialSpec},
};

use super::{HEADER, count_line, row};
use crate::event::Event;

/// Interval of progress lines if lines cannot be redrawn.
const INTERVAL: Duration = Duration::from_secs(60);

/// Smallest ratio of an interval's ends from which only the upper end is shown.
const BRACKETED: f64 = 2.0;

/// Shows a sweep's progress until its events end.
pub fn watch(events: Receiver<Event>, settings: Settings, is_quiet: bool) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut view = Terminal::new(settings, is_quiet);
        for event in events {
            view.show(event);
        }
        view.bar.finish_and_clear();
    })
}

struct Terminal {
    settings: Settings,
    bar: ProgressBar,
    is_terminal: bool,
    is_quiet: bool,
    has_header: bool,
    began: Instant,
    trial_began: Instant,
    written: Instant,
    number: usize,
    spec: Option<TrialSpec>,
    seconds_left: u64,
    estimate: Option<Estimate>,
    answered: Vec<u32>,
}

impl Terminal {
    fn new(settings: Settings, is_quiet: bool) -> Self {
        let is_terminal = std::io::stderr().is_terminal() && !is_quiet;
        let target =
            if is_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(100), target);
        // The template is constant, so it cannot fail for some users only.
        if let Ok(style) = ProgressStyle::with_template("{bar:24} {wide_msg}") {
            bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
        }
        let now = Instant::now();
        Self {
            settings,
            bar,
            is_terminal,
            is_quiet,
            has_header: false,
            began: now,
            trial_began: now,
            written: now,
            number: 0,
            spec: None,
            seconds_left: 0,
            estimate: None,
            answered: Vec::new(),
        }
    }

    fn show(&mut self, event: Event) {
        match event {
            Event::Next { planned, number } => {
                (self.number, self.spec, self.seconds_left) =
                    (number, Some(planned.spec), planned.seconds_left);
                self.trial_began = Instant::now();
                self.keep(&format!("     → {}", planned.reason));
                self.progress("starting");
            }
            Event::Load(LoadEvent::Second(second)) => self.second(&second),
            Event::Reading(reading) => self.reading(&reading),
            Event::Estimate(estimate) => self.estimate = Some(estimate),
            Event::TrialEnded { trial, known } => {
                if !self.has_header {
                    self.has_header = true;
                    self.keep(HEADER);
                }
                self.keep(&row(self.number, &trial, known.as_deref()));
                self.answer(known.as_deref());
            }
            Event::Log(text) => self.keep(&text),
            _ => {}
        }
    }

    /// Shows an answer when it is confirmed.
    fn answer(&mut self, known: Option<&ReplicaAnswer>) {
        let Some(known) = known else { return };
        let (mark, how) = match known.finding {
            Finding::Minimum(_) => ("✓", "Confirmed"),
            Finding::Growing { .. } => ("✗", "Known"),
            _ => return,
        };
        if !self.answered.contains(&known.replicas) {
            self.answered.push(known.replicas);
            let minutes = self.began.elapsed().as_secs_f64() / 60.0;
            self.keep(&format!(
                "     {mark} {} {how} after {minutes:.1} min.",
                count_line(known, &self.settings)
            ));
        }
    }

    fn second(&mut self, second: &Second) {
        let p95 = second.intended.quantile(0.95).as_secs_f64() * 1e3;
        self.progress(&format!("{} users, {}/s, p95 {p95:.0} ms", second.users, second.requests));
    }

    fn reading(&mut self, reading: &Reading) {
        if self.is_quiet {
            return;
        }
        let (limits, p95) =
            (Point { replicas: 1, limits: reading.limits }, reading.intended_ms.p95);
        let share = reading.violation_rates.iter().map(|rate| rate.share).fold(0.0, f64::max);
        let at = format!("{} CPU, {} MiB", limits.limits.cpus, limits.limits.memory_bytes >> 20);
        match (&reading.refused, reading.is_memory) {
            (Some(_), _) => self.keep(&format!("       {at:<22}  does not fit")),
            (None, _) => self.keep(&format!(
                "       {at:<22}  p95 {p95:>6.0} ms  {:>6.2}% violations  throttled {:>3.0}%",
                share * 100.0,
                reading.usage.throttled_share * 100.0
            )),
        }
    }

    /// Redraws the bar; without a terminal, writes a line once a minute.
    fn progress(&mut self, now: &str) {
        let left = self.seconds_left.saturating_sub(self.trial_began.elapsed().as_secs());
        let estimate = self.estimate.map_or_else(String::new, |estimate| {
            let [low, high] = estimate.interval;
            let each = if estimate.replicas == 1 {
                String::new()
            } else {
                format!("{} × ", estimate.replicas)
            };
            // Until a rung breaks, the readings give only an upper bound.
            match high / low < BRACKETED {
                true => format!(" · edge ≈ {each}{:.3} CPU, {low:.3}–{high:.3}", estimate.cpus),
                false => format!(" · edge below {each}{high:.3} CPU"),
            }
        });
        let kind = self.spec.map_or("", |spec| match spec.purpose {
            Purpose::ReplicaFailure => "failure",
            purpose => purpose.name(),
        });
        let text = format!(
            "trial {} {kind} · {now}{estimate} · about {} left",
            self.number,
            minutes(left)
        );
        let elapsed = self.began.elapsed().as_secs();
        self.bar.set_length((elapsed + left).max(1));
        self.bar.set_position(elapsed);
        self.bar.set_message(text.clone());
        if !self.is_terminal && !self.is_quiet && self.written.elapsed() >= INTERVAL {
            self.written = Instant::now();
            eprintln!("{text}");
        }
    }

    fn keep(&self, text: &str) {
        match (self.is_quiet, self.is_terminal) {
            (true, _) => {}
            (false, true) => self.bar.println(text),
            (false, false) => eprintln!("{text}"),
        }
    }
}

fn minutes(seconds: u64) -> String {
    if seconds < 90 { format!("{seconds} s") } else { format!("{} min", seconds.div_ceil(60)) }
}
