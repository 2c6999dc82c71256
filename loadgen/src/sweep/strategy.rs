//! The order in which trials are made.
//!
//! Physics first, bisection second. One trial under the largest limits tells whether the target can be reached and what a
//! request costs (D, CPU seconds), and a reference what it costs behind others; the utilization law U = X D then says which quota the
//! planned rate needs by the one and the other, and the search begins between them and asks it again of every trial. Memory is searched at the CPU limit that was found, beginning at what the
//! replicas really held. What the search found is settled by `settle`.

use orchestrator::Limits;

use super::{
    Below, Binding, Finding, Load, Minimum, Mode, Next, Point, Purpose, ReplicaAnswer, Settings, Trial, TrialSpec,
    bisect::{Probe, smallest},
    drift,
    history::{Confirmation, History, Missing},
    settle::CONFIRMATIONS,
};

pub(super) type Asked<T> = Result<T, Missing>;

/// Trials to calibrate and to search, for the first replica count and for each one that it seeds. When they are spent, the
/// best point by then goes on, and what is left to find is found by confirming.
const TRIALS_FIRST: usize = 8;
const TRIALS_SEEDED: usize = 5;
/// Of these, kept for memory.
const TRIALS_MEMORY: usize = 2;
/// Room above what was held, when CPU is searched: memory must not be what binds then.
const MEMORY_ROOM: f64 = 1.5;
/// Share of the page cache that a replica is likely to do without.
const CACHE_TO_SPARE: f64 = 0.6;
/// A request costs less under a tight quota than under a wide one: what came while a server was stopped is answered in one go. So much of
/// it, where no reference tells what it costs then.
const TIGHT_COST: f64 = 0.8;
/// A replica of r needs a little more than 1/r of what one alone needs.
const SPLIT_COST: f64 = 1.05;

/// The next trial to make, given all that were made.
pub fn next(settings: &Settings, trials: &[Trial]) -> Next {
    let (_, missing) = Search::new(settings, trials).answers();
    missing.map_or(Next::Done, Next::Try)
}

/// The answers that are complete.
pub(super) fn answers(settings: &Settings, trials: &[Trial]) -> Vec<ReplicaAnswer> {
    Search::new(settings, trials).answers().0
}

/// The minimum that other counts are seeded by.
fn first_minimum(known: &[ReplicaAnswer]) -> Option<Point> {
    known.iter().find_map(ReplicaAnswer::minimum).map(|minimum| minimum.point)
}

/// What was found, and the trial that has to be made first.
fn finding(asked: Asked<Finding>) -> (Option<Finding>, Option<TrialSpec>) {
    match asked {
        Ok(finding) => (Some(finding), None),
        Err(Missing::Unmeasurable) => (Some(Finding::Unmeasurable), None),
        Err(Missing::Trial(spec)) => (None, Some(spec)),
    }
}

pub(super) struct Search<'a> {
    pub(super) settings: &'a Settings,
    pub(super) history: History<'a>,
    /// Where the minima were whose trials a change of the machine took away.
    taken: Vec<Point>,
}

/// Indices of rungs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rungs {
    pub(super) cpu: usize,
    pub(super) memory: usize,
}

/// Where a search begins.
struct Seed {
    guess: Rungs,
    /// The memory with which CPU is searched.
    room: usize,
    /// Whether the largest limits are known to hold.
    top_passes: bool,
    /// Trials that the search may make, those before it included.
    trials: usize,
}

impl<'a> Search<'a> {
    fn new(settings: &'a Settings, trials: &'a [Trial]) -> Self {
        let affected = drift::affected(trials);
        let (before, lost) = (&trials[..affected.end], &trials[affected]);
        let has_lost = |minimum: &Point| lost.iter().any(|t| t.spec.point.replicas == minimum.replicas);
        // Without a change there is nothing to ask those before it.
        let known = if lost.is_empty() { Vec::new() } else { answers(settings, before) };
        let taken =
            known.iter().filter_map(ReplicaAnswer::minimum).map(|minimum| minimum.point).filter(has_lost).collect();
        Self { settings, history: History::new(trials), taken }
    }

    /// The answers that are complete, in the order of the replica counts, and the trial that the next one needs.
    fn answers(&self) -> (Vec<ReplicaAnswer>, Option<TrialSpec>) {
        let mut known = Vec::new();
        for &replicas in &self.settings.replicas {
            let (finding, missing) = match self.settings.mode {
                Mode::Minimal | Mode::Frontier => self.replicas(replicas, first_minimum(&known)),
                Mode::Capacity => finding(self.capacity(replicas)),
                Mode::Grid => finding(self.grid(replicas)),
            };
            known.extend(finding.map(|finding| ReplicaAnswer { replicas, finding }));
            if missing.is_some() {
                return (known, missing);
            }
        }
        (known, None)
    }

    /// The answer for one replica count, seeded by the minimum of another where there is one; and what is still to be tried,
    /// which may be there when the answer is.
    fn replicas(&self, replicas: u32, seed: Option<Point>) -> (Option<Finding>, Option<TrialSpec>) {
        let Some(top) = self.top(replicas) else { return (Some(Finding::NotTried), None) };
        let (found, missing) = finding(self.find(replicas, top, seed));
        let Some(known) = &found else { return (None, missing) };
        match self.after(replicas, top, known) {
            Err(Missing::Trial(spec)) => (found, Some(spec)),
            // What is known stays so, whatever cannot be measured beside it.
            Err(Missing::Unmeasurable) | Ok(()) => (found, None),
        }
    }

    /// What is tried once the answer is known.
    fn after(&self, replicas: u32, top: Rungs, found: &Finding) -> Asked<()> {
        if let Finding::Minimum(minimum) = found {
            self.lose_one(minimum)?;
            if self.settings.mode == Mode::Frontier {
                match self.trades(replicas, top, minimum) {
                    Err(missing @ Missing::Trial(_)) => return Err(missing),
                    Err(Missing::Unmeasurable) | Ok(()) => {}
                }
            }
        }
        // Whether the machine is still the one that the first trials were made on.
        self.history.reference(replicas, self.reference(replicas, top))
    }

    fn find(&self, replicas: u32, top: Rungs, seed: Option<Point>) -> Asked<Finding> {
        let seed = match seed {
            Some(one) => self.seeded(one, replicas, top),
            None => {
                let calibration = self.ask(Purpose::Calibrate, replicas, top)?;
                // One without which the sweep goes on.
                if let Err(missing @ Missing::Trial(_)) = self.history.ask(self.reference(replicas, top), 1) {
                    return Err(missing);
                }
                // One trial that failed is no proof: the ramp is gentler, and tells how far it gets.
                if !calibration.passed()
                    && let Some(not_held) = self.not_held(replicas, top)?
                {
                    return Ok(not_held);
                }
                self.calibrated(calibration, top)
            }
        };
        // A machine that changed is asked where it was settled before.
        let found = match self.taken.iter().find(|minimum| minimum.replicas == replicas) {
            Some(minimum) => self.rungs(*minimum),
            None => self.search(replicas, top, &seed)?,
        };
        if let Some(found) = found
            && let Some(minimum) = self.settled(replicas, top, found)?
        {
            return Ok(Finding::Minimum(minimum));
        }
        if let Some(not_held) = self.not_held(replicas, top)? {
            return Ok(not_held);
        }
        // Nothing smaller was confirmed; the largest limits may be.
        let ramp = self.spec(Purpose::Confirm, replicas, top, Load::Ramp);
        Ok(match self.history.confirmation(ramp, CONFIRMATIONS)? {
            Confirmation::Held => Finding::Minimum(Minimum {
                point: ramp.point,
                below_cpus: vec![Below::NotTried],
                below_memory: vec![Below::NotTried],
            }),
            Confirmation::Failed(ramp) | Confirmation::Undecided(ramp) => Finding::not_held(ramp),
        })
    }

    /// What happens to a minimum of several replicas when one of them is killed.
    fn lose_one(&self, minimum: &Minimum) -> Asked<()> {
        let users = self.settings.max_users;
        let spec = TrialSpec { purpose: Purpose::Confirm, point: minimum.point, load: Load::Loss, users };
        match self.history.ask(spec, 1) {
            Err(missing @ Missing::Trial(_)) if minimum.point.replicas > 1 => Err(missing),
            // There is none to lose, or it is known, or the generator does not let it be known.
            _ => Ok(()),
        }
    }

    /// How far the largest limits get; `None` if they hold all users.
    fn not_held(&self, replicas: u32, top: Rungs) -> Asked<Option<Finding>> {
        let ramp = self.history.ask(self.spec(Purpose::Confirm, replicas, top, Load::Ramp), 1)?;
        Ok((!ramp.passed()).then(|| Finding::not_held(ramp)))
    }

    /// Where to begin, from what a calibration measured: the CPU that the planned rate needs, and memory with room.
    fn calibrated(&self, calibration: &Trial, top: Rungs) -> Seed {
        let usage = &calibration.usage;
        let settings = self.settings;
        let need = self.need_millis(calibration).unwrap_or(usage.cpus_used * 1000.0);
        // Just enough is a quota under which a server answers what waited, and then is woken for each request: between what requests cost
        // with others behind them and what they cost alone. With 0.07 and 0.36 CPU, 0.16 to 0.18 were measured to be.
        let saturated = self.saturated_millis(calibration.spec.point.replicas, top);
        let tight = saturated.map_or(need * TIGHT_COST, |saturated| (need * saturated).sqrt());
        let cpu = settings.cpus.at_least(tight).min(top.cpu);
        let peak = usage.memory_peak_bytes as f64;
        let room = settings.memory.at_least(peak * MEMORY_ROOM).min(top.memory);
        // Page cache can be given back, but not all of it: the program's own pages are in it.
        let memory = settings.memory.at_least(peak - usage.file_bytes as f64 * CACHE_TO_SPARE).min(top.memory);
        Seed { guess: Rungs { cpu, memory }, room, top_passes: true, trials: TRIALS_FIRST }
    }

    /// What `need_millis` is where requests wait behind each other: by the reference that was made before the search, whatever later ones
    /// say, for a search that began elsewhere each time it is played back would find nothing.
    fn saturated_millis(&self, replicas: u32, top: Rungs) -> Option<f64> {
        let reference = self.reference(replicas, top);
        let first = self.history.before_search(replicas, reference)?;
        let of_all = self.need_millis(first)? * f64::from(reference.point.replicas);
        Some(of_all / f64::from(replicas))
    }

    /// Where to begin with r replicas, from the minimum of one count.
    fn seeded(&self, one: Point, replicas: u32, top: Rungs) -> Seed {
        let settings = self.settings;
        let share = one.total_cpus() * SPLIT_COST / f64::from(replicas);
        let cpu = settings.cpus.at_least(share * 1000.0).min(top.cpu);
        let memory = settings.memory.at_least(one.limits.memory_bytes as f64).min(top.memory);
        let room = settings.memory.at_least(one.limits.memory_bytes as f64 * MEMORY_ROOM).min(top.memory);
        Seed { guess: Rungs { cpu, memory }, room, top_passes: false, trials: TRIALS_SEEDED }
    }

    /// Thousandths of a processor that a replica needs for the planned rate, by what a request cost in this trial.
    fn need_millis(&self, trial: &Trial) -> Option<f64> {
        let rate = self.settings.wait_time.planned_per_second(self.settings.max_users.into())?;
        let cost = trial.usage.cpu_seconds_per_request.filter(|cost| *cost > 0.0)?;
        Some(cost * rate / f64::from(trial.spec.point.replicas) * 1000.0)
    }

    /// The smallest CPU with room in memory, then the smallest memory with that CPU.
    fn search(&self, replicas: u32, top: Rungs, seed: &Seed) -> Asked<Option<Rungs>> {
        let mut room = seed.room;
        // What passes nowhere yet is searched until it does.
        let mut some_passed = seed.top_passes;
        let cpu = loop {
            let mut short_of_memory = false;
            let cpu = smallest(top.cpu, seed.top_passes.then_some(top.cpu), seed.guess.cpu, |cpu| {
                if short_of_memory {
                    return Ok(Some(Probe { passes: true, likely: None }));
                }
                let at = Rungs { cpu, memory: room };
                let most = if some_passed { seed.trials.saturating_sub(TRIALS_MEMORY) } else { usize::MAX };
                let Some(trial) = self.probe(replicas, at, most)? else { return Ok(None) };
                some_passed |= trial.passed();
                // With no more memory to give, it is one more failure.
                short_of_memory =
                    room < top.memory && !trial.passed() && trial.binding_resource == Some(Binding::Memory);
                let likely = self.need_millis(trial).map(|need| self.settings.cpus.at_least(need));
                Ok(Some(Probe { passes: trial.passed(), likely }))
            })?;
            if !short_of_memory {
                break cpu;
            }
            room = (room * 2 + 1).min(top.memory);
        };
        let Some(cpu) = cpu else { return Ok(None) };
        let memory = smallest(top.memory, Some(room), seed.guess.memory, |memory| {
            let Some(trial) = self.probe(replicas, Rungs { cpu, memory }, seed.trials)? else { return Ok(None) };
            // Whether the quota holds is for the confirmation to say.
            Ok(Some(Probe { passes: trial.had_memory(), likely: None }))
        })?;
        Ok(memory.map(|memory| Rungs { cpu, memory }))
    }

    /// The trial at these rungs, or one that passed with as much CPU and less memory; `None` if it was not made, and more than `most`
    /// would have been made with it. Once they are spent, trials that were made to confirm are not seen: a search that went on with
    /// them would end elsewhere each time it is played back, and what settling tried from where it ended would be lost.
    fn probe(&self, replicas: u32, at: Rungs, most: usize) -> Asked<Option<&'a Trial>> {
        let is_spent = self.history.searched(replicas, self.settings.max_users) >= most;
        let seen = |at| {
            let spec = self.spec(Purpose::Search, replicas, at, Load::Direct);
            let is_seen = !is_spent || self.history.was_searched(spec);
            is_seen.then(|| self.history.ask(spec, 1))
        };
        let missing = match seen(at) {
            Some(Ok(trial)) => return Ok(Some(trial)),
            unseen => unseen.and_then(Result::err),
        };
        let passed_with = |memory| seen(Rungs { memory, ..at })?.ok().filter(|t| t.passed());
        if let Some(passed) = (0..at.memory).rev().find_map(passed_with) {
            return Ok(Some(passed));
        }
        match missing {
            Some(missing) if !is_spent || missing == Missing::Unmeasurable => Err(missing),
            _ => Ok(None),
        }
    }

    pub(super) fn ask(&self, purpose: Purpose, replicas: u32, rungs: Rungs) -> Asked<&'a Trial> {
        self.history.ask(self.spec(purpose, replicas, rungs, Load::Direct), 1)
    }

    pub(super) fn spec(&self, purpose: Purpose, replicas: u32, rungs: Rungs, load: Load) -> TrialSpec {
        TrialSpec { purpose, point: self.point(replicas, rungs), load, users: self.settings.max_users }
    }

    pub(super) fn point(&self, replicas: u32, rungs: Rungs) -> Point {
        Point::new(replicas, self.settings.cpus.rung(rungs.cpu), self.settings.memory.rung(rungs.memory))
    }

    fn rungs(&self, point: Point) -> Option<Rungs> {
        let Limits { cpus, memory_bytes } = point.limits;
        Some(Rungs {
            cpu: self.settings.cpus.at_most(cpus.millis.into())?,
            memory: self.settings.memory.at_most(memory_bytes)?,
        })
    }

    /// References are made always at the same point: the fewest replicas with all the CPU that there is. Under a quota below
    /// that, what a request costs depends on how the quota's periods fall.
    fn reference(&self, replicas: u32, top: Rungs) -> TrialSpec {
        let fewest = self.settings.replicas.iter().find_map(|&fewest| Some((fewest, self.top(fewest)?)));
        let (replicas, top) = fewest.unwrap_or((replicas, top));
        let cpu_millis = self.settings.host_cpus / u64::from(replicas.max(1));
        let point = Point::new(replicas, cpu_millis, self.settings.memory.rung(top.memory));
        TrialSpec { point, ..self.spec(Purpose::Reference, replicas, top, Load::Saturate) }
    }

    /// The largest limits that so many replicas can have on this host.
    pub(super) fn top(&self, replicas: u32) -> Option<Rungs> {
        let each = u64::from(replicas.max(1));
        Some(Rungs {
            cpu: self.settings.cpus.at_most(self.settings.host_cpus / each)?,
            memory: self.settings.memory.at_most(self.settings.host_memory_bytes / each)?,
        })
    }
}
