//! The search for one replica count.

mod probes;

use loadtest::verdict::Verdict;

use super::{
    Planned,
    answer::{Estimate, Finding, Minimum, ReplicaAnswer, RungAnswer},
    choice::{Choice, FRESH, RAMPS, Rung, candidate, choose},
    cpu, is_measurable, is_valid,
    memory::Memory,
    model::{Posterior, Prior, Start},
    percent, planned,
};
use crate::trial::{Growth, Point, Purpose, Rungs, Settings, Timing, Trial, TrialSpec};

/// A replica needs more than its share of what one alone needs: its quota stops it for longer. So
/// much of the logarithm of the count is saved: 0.8 to 0.85 was measured with 2 and 4 replicas.
const SHARED: f64 = 0.8;
/// How uncertain that is.
const SHARED_SD: f64 = 0.25;
/// The edge is above what requests cost when they wait behind each other, by this factor's
/// logarithm; and how uncertain that is.
const ABOVE_BUSY: (f64, f64) = (0.6, 0.5);
/// Where nothing is known: the middle of the ladder, and anywhere on it.
const UNKNOWN_SD: f64 = 1.0;
/// Fresh trials and ramps of a rung after which it is not tried again: they come out either way.
const MOST_TRIALS: usize = 12;
/// What is known of a replica count.
#[derive(Debug)]
pub(super) struct Count<'a> {
    pub settings: &'a Settings,
    pub replicas: u32,
    pub top: Rungs,
    /// All trials of this count and all users, invalid ones included.
    pub all: Vec<&'a Trial>,
    /// The valid ones.
    pub trials: Vec<&'a Trial>,
    pub posterior: Posterior,
    prior: Prior,
    /// Of each CPU rung up to the top.
    p_hold: Vec<f64>,
}

impl<'a> Count<'a> {
    /// Returns all counts that this host can have, seeded by the first one that is measured.
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
        // An invalid probe's first limits say nothing; its other readings have verdicts of their
        // own, and a miss under steal is a wide hint.
        let told =
            all.iter().filter(|trial| is_valid(trial) || trial.spec.purpose == Purpose::Probe);
        let starts: Vec<Start> = told.filter_map(|trial| Start::of(trial)).collect();
        let posterior = Posterior::new(prior, &starts);
        let room = |rung| (settings.cpus.rung(rung) as f64).ln();
        let p_hold = (0..=top.cpu).map(|rung| posterior.p_hold(room(rung))).collect();
        Self { settings, replicas, top, all, trials: valid, posterior, prior, p_hold }
    }

    /// Whether anything was measured of it.
    pub fn is_measured(&self) -> bool {
        !self.trials.is_empty()
    }

    /// Returns the trial to make next, if there is one.
    pub fn next(&self) -> Option<Planned> {
        if let Some(probe) = self.probe() {
            return Some(probe);
        }
        let rungs = self.rungs();
        match choose(&self.posterior, &rungs, self.settings.confidence, |rung, purpose| {
            self.seconds(rung, purpose)
        }) {
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

    /// Returns the answer as far as it is known; `None` before anything was measured.
    pub fn answer(&self) -> Option<ReplicaAnswer> {
        if !self.is_measured() {
            return None;
        }
        let rungs = self.rungs();
        let confidence = self.settings.confidence;
        let complete = |rung: &usize| rungs[*rung].is_complete();
        let is_likely = |rung: &usize| rungs[*rung].is_candidate(confidence);
        let all = || 0..rungs.len();
        // What was confirmed stays the answer, with its probability, whatever a later trial makes
        // of that.
        let likeliest = || {
            all()
                .filter(complete)
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
        let told = |(index, rung): (usize, &Rung)| {
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
        let rungs = rungs.iter().enumerate().map(told).collect();
        let (replicas, estimate) = (self.replicas, self.estimate());
        Some(ReplicaAnswer { replicas, finding, recommended, remaining, estimate, rungs })
    }

    /// Returns where the edge of the usual start is.
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

    /// Returns about how many seconds its search still takes.
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
        // A look at less CPU and at less memory, each a trial, unless that was made.
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

    /// Whether some valid fresh trial or ramp passed at a point.
    pub fn passed_at(&self, point: Point) -> bool {
        self.trials
            .iter()
            .any(|trial| trial.spec.point == point && is_start(trial) && trial.passed())
    }

    fn rungs(&self) -> Vec<Rung> {
        let of = |(index, &p_hold): (usize, &f64)| {
            let memory = self.memory(index);
            let passed = |purpose| match memory.enough {
                Some(enough) => self.passed(purpose, index, enough),
                None => 0,
            };
            let unsettled = usize::from(memory.next().is_some());
            let needs_fresh = FRESH.saturating_sub(passed(Purpose::Fresh)).max(unsettled);
            let needs_ramps = RAMPS.saturating_sub(passed(Purpose::Ramp));
            let is_open = needs_fresh > 0 || needs_ramps > 0;
            Rung {
                room: (self.settings.cpus.rung(index) as f64).ln(),
                p_hold,
                is_out: self.has_failed(index) || is_open && self.is_spent(index),
                needs_fresh,
                needs_ramps,
            }
        };
        self.p_hold.iter().enumerate().map(of).collect()
    }

    /// Valid trials that passed under a CPU rung with at most so much memory.
    fn passed(&self, purpose: Purpose, cpu: usize, memory: usize) -> usize {
        let is_one = |trial: &&&Trial| {
            trial.spec.purpose == purpose
                && trial.passed()
                && self
                    .settings
                    .rungs(trial.spec.point)
                    .is_some_and(|at| at.cpu == cpu && at.memory <= memory)
        };
        self.trials.iter().filter(is_one).count()
    }

    /// Whether a trial under a CPU rung failed, and memory was not what it lacked.
    fn has_failed(&self, cpu: usize) -> bool {
        let is_at_top = |trial: &Trial| {
            self.settings
                .rungs(trial.spec.point)
                .is_some_and(|rungs| rungs.memory >= self.top.memory)
        };
        // With no more memory to give, the lack of it is one more failure.
        self.at(cpu).any(|trial| {
            trial.verdict == Verdict::Fail && (!trial.lacked_memory() || is_at_top(trial))
        })
    }

    /// Whether so many trials of a CPU rung were made that one more is not expected to settle it.
    fn is_spent(&self, cpu: usize) -> bool {
        self.at(cpu).count() >= MOST_TRIALS
    }

    /// Fresh trials and ramps under a CPU rung that passed, and those that did not though they had
    /// memory.
    fn came_out(&self, cpu: usize) -> (usize, usize) {
        let passed = self.at(cpu).filter(|trial| trial.passed()).count();
        (passed, self.at(cpu).filter(|trial| !trial.passed() && !trial.lacked_memory()).count())
    }

    fn at(&self, cpu: usize) -> impl Iterator<Item = &&'a Trial> {
        let is_there = move |trial: &&&Trial| {
            is_start(trial)
                && self.settings.rungs(trial.spec.point).is_some_and(|rungs| rungs.cpu == cpu)
        };
        self.trials.iter().filter(is_there)
    }

    /// What is found at a rung that has all the evidence.
    fn confirmed(&self, cpu: usize) -> Finding {
        let minimum = self.minimum(cpu);
        let bytes = |point: Point| point.limits.memory_bytes;
        let starts = self
            .at(cpu)
            .filter(|trial| trial.passed() && bytes(trial.spec.point) <= bytes(minimum.point));
        let grown: Vec<Option<Growth>> = starts.map(|trial| trial.usage.memory_growth).collect();
        let mut known: Vec<Growth> = grown.iter().flatten().copied().collect();
        known.sort_by(|a, b| a.lasts_seconds.total_cmp(&b.lasts_seconds));
        match known.get(known.len() / 2) {
            // In one start of several it may be chance.
            Some(&growth) if known.len() * 2 > grown.len() => Finding::Growing { minimum, growth },
            _ => Finding::Minimum(minimum),
        }
    }

    fn minimum(&self, cpu: usize) -> Minimum {
        let memory = self.memory(cpu);
        let enough = memory.enough.unwrap_or(self.top.memory);
        Minimum {
            point: self.settings.point(self.replicas, Rungs { cpu, memory: enough }),
            p_hold: self.p_hold[cpu],
            is_lowest_cpu: cpu == 0,
            is_lowest_memory: enough == 0,
            less_memory_lacks: enough > 0 && memory.lacks == Some(enough - 1),
        }
    }

    fn unconfirmed(&self, candidate: Option<usize>, rungs: &[Rung]) -> Finding {
        if self.next().is_some_and(|planned| !is_measurable(self.all.iter().copied(), planned.spec))
        {
            return Finding::Unmeasurable;
        }
        let Some(cpu) = candidate else { return Finding::Unknown };
        let rung = rungs[cpu];
        Finding::Unconfirmed {
            minimum: self.minimum(cpu),
            fresh: rung.needs_fresh,
            ramps: rung.needs_ramps,
            is_memory_known: self.memory(cpu).enough.is_some(),
        }
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

    /// How far the largest limits get, where no limits hold.
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

    /// What is tried once the answer is known: the failure of a replica, and the limits with
    /// headroom.
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

    fn seconds(&self, rung: usize, purpose: Purpose) -> f64 {
        let length = Timing::new(self.settings.wait_time).length(
            self.settings,
            purpose,
            self.settings.max_users,
        );
        // One that fails ends early.
        let p = self.p_hold[rung];
        length.as_secs_f64() * (0.7 + 0.3 * p)
    }
}

fn is_start(trial: &Trial) -> bool {
    matches!(trial.spec.purpose, Purpose::Fresh | Purpose::Ramp)
}

/// What is expected of the first count's edge, from the calibration.
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
