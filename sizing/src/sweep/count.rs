//! The search for one replica count.

mod evidence;
mod probes;

use super::{
    Planned,
    choice::{Choice, FRESH, RAMPS, Rung, candidate, choose},
    cpu,
    finding::{Estimate, Finding, Minimum, ReplicaAnswer, RungAnswer},
    is_start, is_valid,
    memory::Memory,
    model::{Posterior, Prior, Start},
    percent, planned,
};
use crate::trial::{Point, Purpose, Rungs, Settings, Timing, Trial, TrialSpec};

/// Exponent of the CPU saved by more replicas: with n replicas, each needs n^-0.8 of the CPU that
/// one alone needs. That is more than its share, since a smaller quota stops it for longer. 0.8 to
/// 0.85 was measured with 2 and 4 replicas.
const SHARED: f64 = 0.8;
/// Uncertainty of this relation (standard deviation of the logarithm).
const SHARED_SD: f64 = 0.25;
/// Logarithm of the edge relative to the CPU that the load costs under saturation, and its standard
/// deviation.
const ABOVE_BUSY: (f64, f64) = (0.6, 0.5);
/// Standard deviation of the prior without a calibration, around the middle of the ladder.
const UNKNOWN_SD: f64 = 1.0;
/// Knowledge about one replica count.
#[derive(Debug)]
pub(super) struct Count<'a> {
    pub settings: &'a Settings,
    pub replicas: u32,
    pub top: Rungs,
    /// All trials of this count at all users, invalid ones included.
    pub all: Vec<&'a Trial>,
    /// Valid trials.
    pub trials: Vec<&'a Trial>,
    pub posterior: Posterior,
    prior: Prior,
    /// Probability of holding, for each CPU rung up to the top.
    p_hold: Vec<f64>,
}

impl<'a> Count<'a> {
    /// Returns all counts that this host can have, seeded by the first measured one.
    pub fn all(settings: &'a Settings, trials: &'a [Trial]) -> Vec<Self> {
        let mut counts: Vec<Self> = Vec::new();
        for &replicas in &settings.replicas {
            let Some(top) = settings.top(replicas) else { continue };
            let seed = counts.iter().find(|count| count.is_measured()).map(|count| {
                let (mean, sd) = count.posterior.moments();
                let more = f64::from(replicas) / f64::from(count.replicas);
                Prior { mean: mean - SHARED * more.ln(), sd: f64::hypot(sd, SHARED_SD) }
            });
            let prior = seed.unwrap_or_else(|| unseeded(settings, trials, replicas));
            counts.push(Self::new(settings, trials, replicas, top, prior));
        }
        counts
    }

    fn new(
        settings: &'a Settings,
        trials: &'a [Trial],
        replicas: u32,
        top: Rungs,
        prior: Prior,
    ) -> Self {
        let is_mine = |trial: &&Trial| {
            trial.spec.point.replicas == replicas
                && trial.spec.users == settings.max_users
                && trial.spec.purpose != Purpose::Calibrate
        };
        let all: Vec<&Trial> = trials.iter().filter(is_mine).collect();
        let valid: Vec<&Trial> = all.iter().copied().filter(|trial| is_valid(trial)).collect();
        // An invalid probe says nothing about its first limits. Its other readings have verdicts of
        // their own, and a miss under steal is a weak hint.
        let judged =
            all.iter().filter(|trial| is_valid(trial) || trial.spec.purpose == Purpose::Probe);
        let starts: Vec<Start> = judged.filter_map(|trial| Start::of(trial)).collect();
        let posterior = Posterior::new(prior, &starts);
        let room = |rung| (settings.cpus.rung(rung) as f64).ln();
        let p_hold = (0..=top.cpu).map(|rung| posterior.p_hold(room(rung))).collect();
        Self { settings, replicas, top, all, trials: valid, posterior, prior, p_hold }
    }

    /// Returns true if a valid trial exists.
    pub fn is_measured(&self) -> bool {
        !self.trials.is_empty()
    }

    /// Returns the next trial, if there is one.
    pub fn next(&self) -> Option<Planned> {
        if let Some(probe) = self.probe() {
            return Some(probe);
        }
        let rungs = self.rungs();
        match choose(&self.posterior, &rungs, self.settings.confidence, |rung| self.seconds(rung)) {
            Choice::Confirmed(rung) => match self.confirmed(rung) {
                Finding::Minimum(minimum) => self.after(minimum),
                _ => None,
            },
            Choice::Fresh(rung) => Some(self.fresh(rung, &rungs)),
            Choice::Ramp(rung) => {
                let memory = self.memory(rung).enough.unwrap_or(self.top.memory);
                let spec = self.spec(Purpose::Ramp, Rungs { cpu: rung, memory });
                let (p, step) = (percent(self.p_hold[rung]), self.settings.step);
                let reason = format!(
                    "{} holds in {p} of starts; a ramp by {step} users at a time confirms it.",
                    cpu(spec.point)
                );
                Some(planned(self.settings, spec, reason))
            }
            Choice::NoneHolds => self.how_far(),
        }
    }

    /// Returns the answer so far; `None` before any valid trial. A confirmed rung stays the answer,
    /// with its probability, even if a later trial lowers that; unless the answer `is_anew`.
    pub fn answer(&self, is_anew: bool) -> Option<ReplicaAnswer> {
        if !self.is_measured() {
            return None;
        }
        let rungs = self.rungs();
        let confidence = self.settings.confidence;
        let complete = |rung: &usize| rungs[*rung].is_complete();
        let is_likely = |rung: &usize| rungs[*rung].is_candidate(confidence);
        let all = || 0..rungs.len();
        let likeliest = || {
            all()
                .filter(|rung| !is_anew && complete(rung))
                .max_by(|a, b| rungs[*a].p_hold.total_cmp(&rungs[*b].p_hold).then(b.cmp(a)))
        };
        let confirmed = all().filter(complete).find(is_likely).or_else(likeliest);
        let finding = match (confirmed, candidate(&rungs, confidence), self.top_ramp()) {
            (Some(rung), ..) => self.confirmed(rung),
            (None, None, Some(ramp)) => Finding::not_held(ramp),
            (None, candidate, _) => self.unconfirmed(candidate, &rungs),
        };
        let (recommended, remaining) = match &finding {
            Finding::Minimum(minimum) => (
                self.settings.recommended(minimum.point).filter(|point| self.passed_at(*point)),
                self.after(*minimum).map(|planned| planned.spec.purpose),
            ),
            _ => (None, None),
        };
        let judged = |(index, rung): (usize, &Rung)| {
            let (passed, failed) = self.came_out(index);
            RungAnswer {
                cpus: orchestrator::Cpus::from_millis(
                    u32::try_from(self.settings.cpus.rung(index)).unwrap_or(0),
                ),
                p_hold: rung.p_hold,
                passed,
                failed,
            }
        };
        let rungs = rungs.iter().enumerate().map(judged).collect();
        let (replicas, estimate) = (self.replicas, self.estimate());
        Some(ReplicaAnswer { replicas, finding, recommended, remaining, estimate, rungs })
    }

    /// Returns the estimated edge of the usual start.
    pub fn estimate(&self) -> Option<Estimate> {
        let cpus = |room: f64| room.exp() / 1000.0;
        let at = |q| cpus(self.posterior.quantile(q));
        let is_told = self.all.iter().any(|trial| Start::of(trial).is_some());
        is_told.then(|| Estimate {
            replicas: self.replicas,
            cpus: at(0.5),
            interval: [at(0.05), at(0.95)],
        })
    }

    /// Returns the approximate seconds that the search still takes.
    pub fn seconds_left(&self) -> u64 {
        let rungs = self.rungs();
        let confidence = self.settings.confidence;
        if rungs.iter().any(|rung| rung.is_candidate(confidence) && rung.is_complete()) {
            return 0;
        }
        let length = |purpose| {
            Timing::new(self.settings.wait_time).length(
                self.settings,
                purpose,
                self.settings.max_users,
            )
        };
        let count = |needed: usize, purpose| length(purpose).as_secs() * needed as u64;
        let probes = usize::from(self.probe().is_some());
        let (fresh, ramps) = candidate(&rungs, confidence)
            .map_or((FRESH + 1, RAMPS), |rung| (rungs[rung].needs_fresh, rungs[rung].needs_ramps));
        // One trial with less CPU and one with less memory, unless they were made.
        let looks = 2usize.saturating_sub(self.trials.len().saturating_sub(2));
        let failure = usize::from(self.replicas > 1);
        count(probes, Purpose::Probe)
            + count(fresh + looks, Purpose::Fresh)
            + count(ramps, Purpose::Ramp)
            + count(failure, Purpose::ReplicaFailure)
    }

    pub fn spec(&self, purpose: Purpose, rungs: Rungs) -> TrialSpec {
        TrialSpec {
            purpose,
            point: self.settings.point(self.replicas, rungs),
            users: self.settings.max_users,
        }
    }

    pub fn memory(&self, cpu: usize) -> Memory {
        Memory::new(self.settings, &self.trials, cpu, &self.p_hold, self.top.memory)
    }

    /// Returns true if a valid fresh trial or ramp passed at a point.
    pub fn passed_at(&self, point: Point) -> bool {
        self.trials
            .iter()
            .any(|trial| trial.spec.point == point && is_start(trial) && trial.passed())
    }

    fn fresh(&self, cpu_rung: usize, rungs: &[Rung]) -> Planned {
        let memory = self.memory(cpu_rung);
        let is_candidate = candidate(rungs, self.settings.confidence) == Some(cpu_rung);
        let next = memory.next().filter(|_| is_candidate);
        let at = next.unwrap_or_else(|| {
            if is_candidate { memory.enough.unwrap_or(self.top.memory) } else { memory.likely() }
        });
        let spec = self.spec(Purpose::Fresh, Rungs { cpu: cpu_rung, memory: at });
        let (limit, p) = (cpu(spec.point), percent(rungs[cpu_rung].p_hold));
        let mib = spec.point.limits.memory_bytes >> 20;
        let reason = match (next, memory.enough) {
            (Some(_), Some(enough)) => {
                let known = self.settings.memory.rung(enough) >> 20;
                format!(
                    "{limit} holds in {p} of starts with {known} MiB; a cold start decides whether \
                        {mib} MiB is enough."
                )
            }
            (Some(_), None) => {
                format!(
                    "{limit} holds in {p} of starts; a cold start decides whether {mib} MiB is \
                        enough."
                )
            }
            (None, _) if is_candidate => {
                let more = rungs[cpu_rung].needs_fresh;
                format!(
                    "{limit} holds in {p} of starts and needs {more} more fresh trial{}.",
                    if more == 1 { "" } else { "s" }
                )
            }
            (None, _) => format!("{limit} holds in {p} of starts; a fresh trial decides."),
        };
        planned(self.settings, spec, reason)
    }

    /// Returns a ramp under the largest limits, to find how many users they hold.
    fn how_far(&self) -> Option<Planned> {
        let spec = self.spec(Purpose::Ramp, self.top);
        let p = percent(self.p_hold[self.top.cpu]);
        let reason =
            format!("{} holds in {p} of starts; a ramp tells how many users it holds.", spec.point);
        self.top_ramp().is_none().then(|| planned(self.settings, spec, reason))
    }

    fn top_ramp(&self) -> Option<&'a Trial> {
        let spec = self.spec(Purpose::Ramp, self.top);
        self.trials.iter().find(|trial| trial.spec == spec).copied()
    }

    /// Returns the next trial for a known answer: a replica failure, or the limits with headroom.
    fn after(&self, minimum: Minimum) -> Option<Planned> {
        let users = self.settings.max_users;
        let failure = TrialSpec { purpose: Purpose::ReplicaFailure, point: minimum.point, users };
        let is_made = |spec: TrialSpec| self.trials.iter().any(|trial| trial.spec == spec);
        let is_open = |spec: TrialSpec| {
            !is_made(spec)
                && self.all.iter().filter(|trial| trial.spec == spec).count() <= super::RETRIES
        };
        if self.replicas > 1 && is_open(failure) {
            let reason = format!(
                "Kills one of {} replicas under all users to see what that costs.",
                self.replicas
            );
            return Some(planned(self.settings, failure, reason));
        }
        let point = self.settings.recommended(minimum.point)?;
        let spec = TrialSpec { purpose: Purpose::Fresh, point, users };
        let reason = format!("Confirms {point}, the minimum with headroom.");
        (!self.passed_at(point) && is_open(spec)).then(|| planned(self.settings, spec, reason))
    }

    fn seconds(&self, rung: usize) -> f64 {
        let length = Timing::new(self.settings.wait_time).length(
            self.settings,
            Purpose::Fresh,
            self.settings.max_users,
        );
        // A failing trial ends early.
        let p = self.p_hold[rung];
        length.as_secs_f64() * (0.7 + 0.3 * p)
    }
}

/// Returns the prior of the first count's edge, from the calibration.
fn unseeded(settings: &Settings, trials: &[Trial], replicas: u32) -> Prior {
    let (first, last) =
        (settings.cpus.rung(0) as f64, settings.cpus.rung(settings.cpus.top()) as f64);
    let anywhere = Prior { mean: (first.ln() + last.ln()) / 2.0, sd: UNKNOWN_SD };
    let calibration =
        trials.iter().find(|trial| trial.spec.purpose == Purpose::Calibrate && is_valid(trial));
    let cost = calibration
        .and_then(|trial| trial.usage.cpu_seconds_per_request)
        .filter(|cost| *cost > 0.0);
    let rate = settings.wait_time.planned_per_second(settings.max_users.into());
    match (cost, rate) {
        (Some(cost), Some(rate)) => {
            let busy = cost * rate / f64::from(replicas) * 1000.0;
            Prior { mean: busy.ln() + ABOVE_BUSY.0, sd: ABOVE_BUSY.1 }
        }
        _ => anywhere,
    }
}
