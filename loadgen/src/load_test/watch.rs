//! Watcher of a load test: ends it when it has failed, or when its extension has decided the
//! verdict.

use std::{sync::mpsc, thread::JoinHandle, time::Duration};

use load_engine::{Control, LoadEvent};
use loadtest::{
    measure::{Second, Window},
    slo::Slo,
    verdict::{Judgement, Look, Looks, Scope, Verdict, judge, scope_of},
    workload::{Plan, StepTimes},
};

use super::Keeps;
use crate::event::Event;

/// First look at an open window, in seconds; the next ones double it, since each look is one more
/// chance to err.
const FIRST_LOOK: u64 = 5;
const SECOND: Duration = Duration::from_secs(1);
/// Looks at the last step before the end of the extension. With the final one there are four, for
/// which the bounds of verdicts are made.
const LOOKS: u32 = 3;

/// Watcher that receives a run's events first.
pub(super) struct Watch {
    pub(super) plan: Plan,
    pub(super) times: Vec<StepTimes>,
    /// Requests per second due in each step's window.
    pub(super) due_per_second: Vec<Option<f64>>,
    pub(super) objective: Option<Slo>,
    /// True if a failed step ends the run.
    pub(super) aborts: bool,
    /// Time added to the last step in case it is undecided.
    pub(super) extension: Duration,
    /// Seconds that a result file needs.
    pub(super) keeps: Keeps,
    /// Receivers of the events.
    pub(super) views: Vec<mpsc::Sender<Event>>,
    pub(super) control: Control,
}

/// Result of watching a run.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// Seconds of the run, if they were kept.
    pub(super) seconds: Vec<Second>,
    /// Failure that ended the run, if one did.
    pub(super) aborted: Option<Judgement>,
    /// Decision on the last step that ended the run.
    pub(super) decided: Option<Judgement>,
}

impl Watch {
    /// Watches until the events end, on a thread of its own.
    pub(super) fn start(self, events: mpsc::Receiver<Event>) -> JoinHandle<Watched> {
        std::thread::spawn(move || {
            let mut watched = Watched::default();
            for event in events {
                self.see(&event, &mut watched);
                self.tell(&event);
            }
            watched
        })
    }

    fn see(&self, event: &Event, watched: &mut Watched) {
        // With their histograms, the seconds of a long run take hundreds of megabytes.
        if let Event::Load(LoadEvent::Second(second)) = event
            && (self.keeps != Keeps::Nothing || self.aborts || self.is_extension_near(second))
        {
            watched.seconds.push(match self.keeps {
                Keeps::Nothing => second.counts(),
                Keeps::Totals => second.totals(),
                Keeps::Tasks => second.with_tasks(),
            });
        }
        let Some(objective) = &self.objective else { return };
        if watched.decided.is_some() || watched.aborted.is_some() {
            return;
        }
        if self.aborts {
            watched.aborted = self.failure(event, &watched.seconds, objective);
        }
        if let Event::Load(LoadEvent::Second(second)) = event {
            watched.decided = self.decided(second, &watched.seconds, objective);
        }
        if watched.aborted.is_some() || watched.decided.is_some() {
            self.control.stop();
        }
    }

    fn tell(&self, event: &Event) {
        for view in &self.views {
            // A closed view does not end the run.
            let _ = view.send(event.clone());
        }
    }

    /// Returns the judgement of a step that has failed so far.
    fn failure(&self, event: &Event, seconds: &[Second], objective: &Slo) -> Option<Judgement> {
        let failed = |window: &Window, step: usize, objective: &Slo| {
            let judged = judge(window, objective, self.due_per_second[step], Scope::Step);
            (judged.verdict == Verdict::Fail).then_some(judged)
        };
        match event {
            Event::Load(LoadEvent::StepEnded { index, window }) => {
                failed(window, *index, objective)
            }
            Event::Load(LoadEvent::Second(second)) => {
                let now = Duration::from_secs(second.index);
                let step = self.times.iter().position(|t| now > t.measured_from && now <= t.end)?;
                let held = held(seconds, self.times[step]);
                // The rate of an open window is not final.
                let objective = Slo { rate: None, ..objective.clone() };
                Looks::doubling(FIRST_LOOK)
                    .is_due(held.clone().count() as u64)
                    .then(|| failed(&Window::so_far(held), step, &objective))?
            }
            _ => None,
        }
    }

    /// Returns the decision on the last step once it was held for its planned time.
    fn decided(&self, second: &Second, seconds: &[Second], objective: &Slo) -> Option<Judgement> {
        let last = self.times.last().filter(|_| self.extension > Duration::ZERO)?;
        let planned_end = last.end - self.extension;
        let at = |look| (planned_end + self.extension * look / LOOKS).as_secs_f64().ceil() as u64;
        let looks = Looks::after((0..LOOKS).map(at));
        if !looks.is_due(second.index) {
            return None;
        }
        let held = Window::so_far(held(seconds, *last));
        let now = Duration::from_secs(second.index);
        let counted =
            self.plan.due_between(&[(last.measured_from, now)]).map(|counts| counts[0] as f64);
        let counted = counted.map(|count| count / (now - last.measured_from).as_secs_f64());
        let planned = counted.or_else(|| self.plan.planned_per_second(self.times.len() - 1));
        match looks.look(&held, objective, planned, scope_of(&self.plan)) {
            Look::Decided(judged) => return Some(judged),
            Look::Open(judged) | Look::Futile(judged) if second.index == at(0) => {
                let (reasons, more) = (judged.reasons.join("; "), self.extension.as_secs());
                self.tell(&Event::Log(format!(
                    "undecided: {reasons}; held for up to {more} s more"
                )));
            }
            Look::Open(_) | Look::Futile(_) => {}
        }
        None
    }

    fn is_extension_near(&self, second: &Second) -> bool {
        let last = self.times.last().filter(|_| self.extension > Duration::ZERO);
        last.is_some_and(|last| Duration::from_secs(second.index) > last.measured_from)
    }
}

/// Returns the whole seconds of a step's window.
fn held(seconds: &[Second], times: StepTimes) -> impl Iterator<Item = &Second> + Clone {
    let whole = move |second: &&Second| {
        let end = Duration::from_secs(second.index);
        end >= times.measured_from + SECOND && end <= times.end
    };
    seconds.iter().filter(whole)
}
