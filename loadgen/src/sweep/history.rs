//! The trials so far, what they say of a point, and the asking for one that is not there yet.

use super::{Load, Point, Purpose, Trial, TrialSpec, drift};
use crate::verdict::Verdict;

/// Why there is no trial to go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// It was not made yet.
    Trial(TrialSpec),
    /// It was made, and was invalid every time (the generator was the limit, or the hypervisor took the machine away): it says
    /// nothing about the server.
    Unmeasurable,
}

/// What was asked for, or nothing where it cannot be measured: what is known beside it stays known.
///
/// # Errors
/// The trial that has to be made first.
pub fn measurable<T>(asked: Result<T, Missing>) -> Result<Option<T>, Missing> {
    match asked {
        Ok(found) => Ok(Some(found)),
        Err(Missing::Unmeasurable) => Ok(None),
        Err(missing) => Err(missing),
    }
}

/// What the ramps at a point say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Confirmation<'a> {
    /// As many as were wanted passed, and none failed.
    Held,
    /// One failed, or none was made since this direct trial tells against it.
    Failed(&'a Trial),
    /// Not enough passed, and none failed.
    Undecided(&'a Trial),
}

/// Invalid trials that are made again for each valid one. Other guests of the hypervisor are busy for a minute or two at a time.
const RETRIES: usize = 3;

/// The trials that count.
#[derive(Debug, Clone)]
pub struct History<'a> {
    /// With their indices among all trials.
    counted: Vec<(usize, &'a Trial)>,
    /// Whether the last reference is to be made once more before it is believed.
    is_unsure: bool,
}

impl<'a> History<'a> {
    /// Of these trials, without those that a drift of the machine took away.
    pub fn new(trials: &'a [Trial]) -> Self {
        let taken = drift::affected(trials);
        let counts =
            |(index, trial): &(usize, &Trial)| trial.spec.purpose == Purpose::Reference || !taken.contains(index);
        let counted = trials.iter().enumerate().filter(counts).collect();
        Self { counted, is_unsure: drift::is_unsure(trials) }
    }

    /// A trial of the same as `spec`, whatever it was made for, that says what most of the valid ones say: with as many for as
    /// against it, what those say that did not pass. At least `count` have to be there; one that is not, is asked for.
    ///
    /// # Errors
    /// The trial that has to be made first, or that there is no use in making it once more.
    pub fn ask(&self, spec: TrialSpec, count: usize) -> Result<&'a Trial, Missing> {
        let valid: Vec<&Trial> = self.valid(spec).collect();
        if valid.len() < count.max(1) {
            return Err(self.missing(spec, valid.len()));
        }
        let passed = valid.iter().filter(|t| t.passed()).count();
        let most = |trial: &&&Trial| trial.passed() == (passed * 2 > valid.len());
        valid.iter().rev().find(most).copied().ok_or(Missing::Unmeasurable)
    }

    /// What the trials of the same as `spec` say, if `wanted` of them have to pass. One that is undecided is made once more, unless it is
    /// the first one and was given up, since its longest window could not pass or was not likely to be decided (`Search::ramps` makes no
    /// second one after such a first one at all where there is a rung to give way to).
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn confirmation(&self, spec: TrialSpec, wanted: usize) -> Result<Confirmation<'a>, Missing> {
        let ramps: Vec<&Trial> = self.valid(spec).collect();
        if let Some(failed) = ramps.iter().find(|t| t.verdict == Verdict::Fail) {
            return Ok(Confirmation::Failed(failed));
        }
        if ramps.iter().filter(|t| t.passed()).count() >= wanted {
            return Ok(Confirmation::Held);
        }
        let undecided: Vec<&Trial> = ramps.iter().filter(|t| !t.passed()).copied().collect();
        let is_given_up = ramps.first().is_some_and(|first| !first.passed() && first.stopped_early.is_some());
        match undecided.last() {
            Some(last) if is_given_up || undecided.len() > 1 => Ok(Confirmation::Undecided(last)),
            _ => Err(self.missing(spec, ramps.len())),
        }
    }

    /// Valid trials of the same as `spec`, whatever they were made for.
    pub fn valid(&self, spec: TrialSpec) -> impl Iterator<Item = &'a Trial> {
        self.same(spec).filter(|t| t.verdict != Verdict::Invalid)
    }

    /// Valid trials of a replica count, with so many users, that were made to calibrate or to search.
    pub fn searched(&self, replicas: u32, users: u32) -> usize {
        let is_one = |t: &Trial| is_search(t) && t.spec.users == users && t.verdict != Verdict::Invalid;
        self.of(replicas).filter(|(_, t)| is_one(t)).count()
    }

    /// Whether trials of the same as `spec` were made to calibrate or to search, be they invalid.
    pub fn was_searched(&self, spec: TrialSpec) -> bool {
        self.same(spec).any(is_search)
    }

    /// The first valid trial of the same as `spec`, if it is older than every one that was made to search for a replica count.
    pub fn before_search(&self, replicas: u32, spec: TrialSpec) -> Option<&'a Trial> {
        let is_search = |t: &Trial| t.spec.purpose == Purpose::Search && t.spec.point.replicas == replicas;
        let before = self.counted.iter().map(|(_, trial)| *trial).take_while(|trial| !is_search(trial));
        before.filter(|t| t.verdict != Verdict::Invalid).find(|t| t.spec.is_same(&spec))
    }

    /// Valid direct trials at the point of `spec`, with any users.
    pub fn tried_at(&self, spec: TrialSpec) -> usize {
        let is_there =
            |t: &Trial| t.spec.point == spec.point && t.spec.load == spec.load && t.verdict != Verdict::Invalid;
        self.counted.iter().filter(|(_, t)| is_there(t)).count()
    }

    /// Points of a replica count that direct trials and ramps with so many users were made at.
    pub fn points(&self, replicas: u32, users: u32) -> Vec<Point> {
        let mut points: Vec<Point> = Vec::new();
        let is_full = |t: &Trial| matches!(t.spec.load, Load::Direct | Load::Ramp) && t.spec.users == users;
        for (_, trial) in self.of(replicas).filter(|(_, t)| is_full(t)) {
            if !points.contains(&trial.spec.point) {
                points.push(trial.spec.point);
            }
        }
        points
    }

    /// Points of a replica count that contradict others: one passes, and one that has at least as much of everything fails. What is too close
    /// to call contradicts nothing. Only direct trials with so many users are compared.
    pub fn contradictions(&self, replicas: u32, users: u32) -> Vec<Point> {
        let direct = |point| TrialSpec { purpose: Purpose::Confirm, point, load: Load::Direct, users };
        let verdict = |point| self.ask(direct(point), 1).ok().map(|trial| trial.verdict);
        let judged: Vec<(Point, Verdict)> =
            self.points(replicas, users).into_iter().filter_map(|point| Some((point, verdict(point)?))).collect();
        let contradict = |less: &(Point, Verdict), more: &(Point, Verdict)| {
            less.1 == Verdict::Pass && more.1 == Verdict::Fail && less.0.is_within(more.0)
        };
        let is_contradicted = |one: &&(Point, Verdict)| judged.iter().any(|o| contradict(one, o) || contradict(o, one));
        judged.iter().filter(is_contradicted).map(|(point, _)| *point).collect()
    }

    /// Asks for a reference that is younger than every other trial of a replica count, and for one more where the first would
    /// take trials away.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn reference(&self, replicas: u32, wanted: TrialSpec) -> Result<(), Missing> {
        let others = |trial: &Trial| trial.spec.purpose != Purpose::Reference;
        let last = self.of(replicas).filter(|(_, t)| others(t)).map(|(index, _)| *index).next_back();
        let references = || self.counted.iter().filter(|(_, t)| t.spec.load == Load::Saturate);
        let is_younger = |index: &usize| last.is_some_and(|last| *index > last);
        let younger: Vec<&Trial> = references().filter(|(index, _)| is_younger(index)).map(|(_, t)| *t).collect();
        let valid = younger.iter().filter(|t| t.verdict != Verdict::Invalid).count();
        let wanted_count = 1 + usize::from(self.is_unsure);
        match valid >= wanted_count || younger.len() > RETRIES || last.is_none() {
            true => Ok(()),
            false => Err(Missing::Trial(wanted)),
        }
    }

    fn same(&self, spec: TrialSpec) -> impl Iterator<Item = &'a Trial> {
        self.counted.iter().map(|(_, trial)| *trial).filter(move |t| t.spec.is_same(&spec))
    }

    fn of(&self, replicas: u32) -> impl DoubleEndedIterator<Item = &(usize, &'a Trial)> {
        self.counted.iter().filter(move |(_, t)| t.spec.point.replicas == replicas)
    }

    fn missing(&self, spec: TrialSpec, valid: usize) -> Missing {
        let invalid = self.same(spec).count() - valid;
        if invalid > RETRIES * (valid + 1) { Missing::Unmeasurable } else { Missing::Trial(spec) }
    }
}

fn is_search(trial: &Trial) -> bool {
    matches!(trial.spec.purpose, Purpose::Calibrate | Purpose::Search)
}
