//! The order in which trials are made.
//!
//! Physics first, bisection second. One trial under the largest limits tells whether the target can be reached and what a
//! request costs (D, CPU seconds); the utilization law U = X D then says which quota the planned rate needs, and the search
//! begins there. Memory is searched at the CPU limit that was found, beginning at what the replicas really held. The winner
//! goes through every step on fresh replicas; one that does not survive that gives way to the next rung of whatever bound it.

use super::{
    Below, Binding, Finding, Load, Minimum, Next, Point, Purpose, ReplicaAnswer, Settings, Trial, TrialSpec,
    bisect::smallest,
    history::{History, Missing},
};
use crate::verdict::Verdict;

type Asked<T> = Result<T, Missing>;

/// How many points may fail their confirmation before the search gives up on finding a smaller one than the largest.
const CONFIRMATIONS: usize = 6;
/// Room above what was held, when CPU is searched: memory must not be what binds then.
const MEMORY_ROOM: f64 = 1.5;
/// Share of the page cache that a replica is likely to do without.
const CACHE_TO_SPARE: f64 = 0.6;
/// A replica of r needs a little more than 1/r of what one alone needs.
const SPLIT_COST: f64 = 1.05;

/// The next trial to make, given all that were made.
pub fn next(settings: &Settings, trials: &[Trial]) -> Next {
    let search = Search { settings, history: History(trials) };
    match search.everything() {
        Ok(()) => Next::Done,
        Err(spec) => Next::Try(spec),
    }
}

/// The answers that are complete.
pub(super) fn answers(settings: &Settings, trials: &[Trial]) -> Vec<ReplicaAnswer> {
    let search = Search { settings, history: History(trials) };
    let mut known = Vec::new();
    for &replicas in &settings.replicas {
        match search.replicas(replicas, first_minimum(&known)) {
            Ok(answer) => known.push(answer),
            Err(_) => break,
        }
    }
    known
}

/// The minimum that other counts are seeded by.
fn first_minimum(known: &[ReplicaAnswer]) -> Option<Minimum> {
    known.iter().find_map(ReplicaAnswer::minimum)
}

struct Search<'a> {
    settings: &'a Settings,
    history: History<'a>,
}

/// The rung below a confirmed point.
enum Rung {
    Holds(Rungs),
    Known(Below),
}

/// Indices of rungs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rungs {
    cpu: usize,
    memory: usize,
}

impl Search<'_> {
    fn everything(&self) -> Result<(), TrialSpec> {
        let mut known = Vec::new();
        for &replicas in &self.settings.replicas {
            known.push(self.replicas(replicas, first_minimum(&known))?);
        }
        if let Some(&fewest) = self.settings.replicas.first()
            && let Some(top) = self.top(fewest)
            && let Err(Missing::Trial(spec)) =
                self.history.ask(Purpose::Capacity, self.point(fewest, top), Load::Saturate)
        {
            return Err(spec);
        }
        Ok(())
    }

    /// The answer for one replica count, seeded by the minimum of another where there is one.
    fn replicas(&self, replicas: u32, seed: Option<Minimum>) -> Result<ReplicaAnswer, TrialSpec> {
        let finding = match self.top(replicas) {
            None => Finding::NotTried,
            Some(top) => match self.find(replicas, top, seed) {
                Ok(finding) => finding,
                Err(Missing::Unmeasurable) => Finding::Unmeasurable,
                Err(Missing::Trial(spec)) => return Err(spec),
            },
        };
        Ok(ReplicaAnswer { replicas, finding })
    }

    fn find(&self, replicas: u32, top: Rungs, seed: Option<Minimum>) -> Asked<Finding> {
        let (guess, room) = match seed {
            Some(one) => self.seeded(one.point, replicas, top),
            None => {
                let calibration = self.ask(Purpose::Calibrate, replicas, top)?;
                // One trial that failed is no proof: the ramp is gentler, and tells how far it gets.
                if !calibration.passed()
                    && let Some(not_held) = self.not_held(replicas, top)?
                {
                    return Ok(not_held);
                }
                self.calibrated(calibration, top)
            }
        };
        if let Some(found) = self.search(replicas, top, guess, room, seed.is_none())?
            && let Some(minimum) = self.settled(replicas, top, found)?
        {
            return Ok(Finding::Minimum(minimum));
        }
        Ok(match self.not_held(replicas, top)? {
            Some(not_held) => not_held,
            // Nothing smaller was confirmed, but the largest limits hold.
            None => Finding::Minimum(Minimum {
                point: self.point(replicas, top),
                below_cpus: Below::Undecided,
                below_memory: Below::Undecided,
            }),
        })
    }

    /// How far the largest limits get; `None` if they hold all users.
    fn not_held(&self, replicas: u32, top: Rungs) -> Asked<Option<Finding>> {
        let ramp = self.history.ask(Purpose::Capacity, self.point(replicas, top), Load::Ramp)?;
        Ok((!ramp.passed()).then(|| Finding::NotHeld { held_users: ramp.held_users() }))
    }

    /// Where to begin, from what a calibration measured: the CPU that the planned rate needs, and memory with room.
    fn calibrated(&self, calibration: &Trial, top: Rungs) -> (Rungs, usize) {
        let usage = &calibration.usage;
        let settings = self.settings;
        let rate = settings.wait_time.planned_per_second(settings.max_users.into()).unwrap_or(0.0);
        let per_replica = f64::from(calibration.spec.point.replicas);
        let need = usage.cpu_seconds_per_request.map_or(usage.cpus_used, |d| d * rate) / per_replica;
        let cpu = settings.cpus.at_least(need * 1000.0).min(top.cpu);
        let peak = usage.memory_peak_bytes as f64;
        let room = settings.memory.at_least(peak * MEMORY_ROOM).min(top.memory);
        // Page cache can be given back, but not all of it: the program's own pages are in it.
        let memory = settings.memory.at_least(peak - usage.file_bytes as f64 * CACHE_TO_SPARE).min(top.memory);
        (Rungs { cpu, memory }, room)
    }

    /// Where to begin with r replicas, from the minimum of one count.
    fn seeded(&self, one: Point, replicas: u32, top: Rungs) -> (Rungs, usize) {
        let settings = self.settings;
        let share = one.total_cpus() * SPLIT_COST / f64::from(replicas);
        let cpu = settings.cpus.at_least(share * 1000.0).min(top.cpu);
        let memory = settings.memory.at_least(one.limits.memory_bytes as f64).min(top.memory);
        let room = settings.memory.at_least(one.limits.memory_bytes as f64 * MEMORY_ROOM).min(top.memory);
        (Rungs { cpu, memory }, room)
    }

    /// The smallest CPU with room in memory, then the smallest memory with that CPU.
    fn search(&self, replicas: u32, top: Rungs, guess: Rungs, room: usize, top_passes: bool) -> Asked<Option<Rungs>> {
        let mut room = room;
        let cpu = loop {
            let mut short_of_memory = false;
            let cpu = smallest(top.cpu, top_passes.then_some(top.cpu), guess.cpu, |cpu| {
                if short_of_memory {
                    return Ok(true);
                }
                let trial = self.ask(Purpose::Search, replicas, Rungs { cpu, memory: room })?;
                // With no more memory to give, it is one more failure.
                short_of_memory =
                    room < top.memory && !trial.passed() && trial.binding_resource == Some(Binding::Memory);
                Ok(trial.passed())
            })?;
            if !short_of_memory {
                break cpu;
            }
            room = (room * 2 + 1).min(top.memory);
        };
        let Some(cpu) = cpu else { return Ok(None) };
        let memory = smallest(top.memory, Some(room), guess.memory, |memory| {
            let trial = self.ask(Purpose::Search, replicas, Rungs { cpu, memory })?;
            // At the edge of the quota a trial fails now and then at any memory. One that never came near its memory limit
            // says nothing about memory; whether the quota holds is for the confirmation to say.
            Ok(trial.passed() || !trial.was_short_of_memory())
        })?;
        Ok(memory.map(|memory| Rungs { cpu, memory }))
    }

    /// Takes the point through every step; one that fails gives way to the next rung of what bound it.
    fn confirmed(&self, replicas: u32, top: Rungs, found: Rungs) -> Asked<Option<Rungs>> {
        let mut at = found;
        for _ in 0..CONFIRMATIONS {
            let trial = self.history.ask(Purpose::Confirm, self.point(replicas, at), Load::Ramp)?;
            if trial.passed() {
                return Ok(Some(at));
            }
            if trial.binding_resource == Some(Binding::Memory) && at.memory < top.memory {
                at.memory += 1;
            } else if at.cpu < top.cpu {
                at.cpu += 1;
            } else {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// The confirmed point of which both rungs below are known not to hold. One that was not tried yet, or not decided, and
    /// holds after all, ramp included, takes the point's place.
    fn settled(&self, replicas: u32, top: Rungs, found: Rungs) -> Asked<Option<Minimum>> {
        let Some(mut at) = self.confirmed(replicas, top, found)? else { return Ok(None) };
        loop {
            let less_cpu = at.cpu.checked_sub(1).map(|cpu| Rungs { cpu, ..at });
            let less_memory = at.memory.checked_sub(1).map(|memory| Rungs { memory, ..at });
            let below_cpus = match self.below(replicas, less_cpu)? {
                Rung::Holds(lower) => {
                    at = lower;
                    continue;
                }
                Rung::Known(below) => below,
            };
            match self.below(replicas, less_memory)? {
                Rung::Holds(lower) => at = lower,
                Rung::Known(below_memory) => {
                    return Ok(Some(Minimum { point: self.point(replicas, at), below_cpus, below_memory }));
                }
            }
        }
    }

    /// What is known of the rung below.
    fn below(&self, replicas: u32, rungs: Option<Rungs>) -> Asked<Rung> {
        let Some(rungs) = rungs else { return Ok(Rung::Known(Below::Lowest)) };
        let point = self.point(replicas, rungs);
        if self.history.failed_at(point) {
            return Ok(Rung::Known(Below::Fails));
        }
        if self.ask(Purpose::Below, replicas, rungs)?.verdict == Verdict::Fail {
            return Ok(Rung::Known(Below::Fails));
        }
        // It held, or nearly: the ramp decides.
        let ramp = self.history.ask(Purpose::Confirm, point, Load::Ramp)?;
        Ok(match ramp.verdict {
            Verdict::Pass => Rung::Holds(rungs),
            Verdict::Fail => Rung::Known(Below::Fails),
            Verdict::Undecided | Verdict::Invalid => Rung::Known(Below::Undecided),
        })
    }

    fn ask(&self, purpose: Purpose, replicas: u32, rungs: Rungs) -> Asked<&Trial> {
        self.history.ask(purpose, self.point(replicas, rungs), Load::Direct)
    }

    fn point(&self, replicas: u32, rungs: Rungs) -> Point {
        Point::new(replicas, self.settings.cpus.rung(rungs.cpu), self.settings.memory.rung(rungs.memory))
    }

    /// The largest limits that so many replicas can have on this host.
    fn top(&self, replicas: u32) -> Option<Rungs> {
        let each = u64::from(replicas.max(1));
        Some(Rungs {
            cpu: self.settings.cpus.at_most(self.settings.host_cpus / each)?,
            memory: self.settings.memory.at_most(self.settings.host_memory_bytes / each)?,
        })
    }
}
