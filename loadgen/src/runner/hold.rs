//! The window of a trial's last step, while it is open: what decides the trial.
//!
//! A hypervisor that shares the processors takes them in bursts of seconds. A window that had one is not diluted by waiting until the
//! burst is small beside it: it is begun again behind it, so that what is judged is the server's doing.

use std::time::Duration;

use super::Timing;
use crate::{
    engine::Outcome,
    measure::{Second, Window},
    sweep::Load,
};

/// Seconds so far, and from when on they count.
#[derive(Debug)]
pub struct Hold {
    from: Duration,
    seconds: Vec<Second>,
    thefts: u32,
    looks: Vec<u64>,
    /// Not measured after a theft: what it left behind is worked off.
    settle: Duration,
    /// When users are stopped at the latest.
    end: Duration,
    most_steal: f64,
}

impl Hold {
    /// Of a trial with this load whose users are all there `from` then on and play until `end`; `most_steal` of the machine's time
    /// may be stolen.
    pub fn new(timing: Timing, load: Load, from: Duration, end: Duration, most_steal: f64) -> Self {
        let looks = timing.looks(load).to_vec();
        Self { from, seconds: Vec::new(), thefts: 0, looks, settle: timing.settle(), end, most_steal }
    }

    /// When it began, from the start of the load.
    pub fn from(&self) -> Duration {
        self.from
    }

    /// What was measured since.
    pub fn seconds(&self) -> &[Second] {
        &self.seconds
    }

    /// How often it was begun again.
    pub fn thefts(&self) -> u32 {
        self.thefts
    }

    /// Adds a second of the load, unless it is of before.
    pub fn add(&mut self, second: &Second) {
        if Duration::from_secs(second.index) > self.from {
            self.seconds.push(second.totals());
        }
    }

    /// Whether it is time to look: `stolen` is the share of the machine's time since it began that was stolen.
    pub fn is_time_to_look(&self, stolen: f64) -> bool {
        self.looks.contains(&self.length()) && stolen <= self.most_steal
    }

    /// Whether there is nothing to wait for: its last look is over.
    pub fn is_over(&self) -> bool {
        self.looks.last().is_some_and(|last| self.length() >= *last)
    }

    /// Begins again where the next look could not use it any more, however calm it is until then, and there is time for a look after
    /// that; whether it did.
    pub fn leave_out_theft(&mut self, stolen: f64) -> bool {
        let Some(next) = self.looks.iter().find(|look| **look >= self.length()) else { return false };
        let is_spoilt = stolen * self.length() as f64 > self.most_steal * *next as f64;
        let last = self.seconds.last().map(|second| Duration::from_secs(second.index));
        let Some(from) = last.filter(|_| is_spoilt).map(|last| last + self.settle) else { return false };
        if from + Duration::from_secs(self.looks[0]) > self.end {
            return false;
        }
        self.from = from;
        self.seconds.clear();
        self.thefts += 1;
        true
    }

    /// Whether what was measured behind a theft is to be judged in place of the whole step: it is enough for a look, or the trial was
    /// given up by it.
    pub fn is_judged_alone(&self, is_given_up: bool) -> bool {
        let length = self.length();
        self.thefts > 0 && length > 0 && (is_given_up || self.looks.first().is_some_and(|first| length >= *first))
    }

    /// Puts it in the place of the last step's window.
    pub fn narrow(&self, outcome: &mut Outcome) {
        if let Some(last) = outcome.steps.last_mut() {
            let whole = std::mem::take(&mut last.all);
            // Not counted by the second.
            let Window { users, connect, reopened, resent, .. } = whole;
            last.all = Window { users, connect, reopened, resent, ..Window::so_far(self.seconds.iter()) };
        }
    }

    fn length(&self) -> u64 {
        self.seconds.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Begun at the tenth second of a hundred and forty, looked at after 15, 25, 40 and 60; 2% may be stolen.
    fn hold() -> Hold {
        let timing = Timing::new("between(1, 2.5)".parse().unwrap());
        Hold::new(timing, Load::Direct, Duration::from_secs(10), Duration::from_secs(140), 0.02)
    }

    /// Plays seconds of which `stolen` tells the share; those after which it began again.
    fn play(hold: &mut Hold, seconds: std::ops::RangeInclusive<u64>, stolen: impl Fn(u64) -> f64) -> Vec<u64> {
        let mut again = Vec::new();
        for index in seconds {
            hold.add(&Second { index, requests: index, ..Second::default() });
            let from = hold.seconds().first().map_or(index, |first| first.index);
            let share = (from..=index).map(&stolen).sum::<f64>() / (index + 1 - from) as f64;
            if !hold.seconds().is_empty() && hold.leave_out_theft(share) {
                again.push(index);
            }
        }
        again
    }

    #[test]
    fn seconds_before_it_and_a_little_theft_do_not_matter() {
        let mut hold = hold();
        assert!(play(&mut hold, 1..=25, |_| 0.019).is_empty());
        assert_eq!((hold.seconds().len(), hold.thefts()), (15, 0));
        assert!(hold.is_time_to_look(0.019) && !hold.is_time_to_look(0.021));
        assert!(!hold.is_judged_alone(false), "the whole step is");
    }

    #[test]
    fn what_the_next_look_could_not_use_is_left_out_and_what_follows_settles_first() {
        let mut hold = hold();
        // 15 seconds may have 0.3 stolen in all.
        let again = play(&mut hold, 1..=40, |index| if (15..18).contains(&index) { 0.2 } else { 0.0 });
        assert_eq!(again, [16], "0.4 by then");
        assert_eq!(hold.seconds().first().map(|second| second.index), Some(20), "three seconds settle");
        assert!(hold.is_judged_alone(false) && hold.seconds().len() == 21);
    }

    #[test]
    fn a_later_look_bears_more() {
        let mut hold = hold();
        // 0.31: too much for the first look, but it is over.
        assert!(play(&mut hold, 1..=50, |index| if index == 30 { 0.31 } else { 0.0 }).is_empty());
        assert!(hold.seconds().len() == 40 && !hold.is_over());
        play(&mut hold, 51..=70, |_| 0.0);
        assert!(hold.is_over());
    }

    #[test]
    fn it_goes_on_where_no_look_could_follow() {
        let mut hold = hold();
        let again = play(&mut hold, 1..=140, |_| 0.5);
        assert!(again.iter().all(|index| index + 3 + 15 <= 140) && again.len() > 10, "{again:?}");
        assert!(hold.seconds().len() >= 15 && !hold.is_over() && !hold.is_time_to_look(0.5));
    }

    #[test]
    fn what_is_judged_alone_has_the_figures_of_its_seconds() {
        let mut hold = hold();
        play(&mut hold, 1..=40, |index| if index == 15 { 0.5 } else { 0.0 });
        let whole = Window { requests: 1_000_000, reopened: 3, ..Window::default() };
        let measured = crate::engine::Measured { all: whole, tasks: Vec::new() };
        let mut outcome = Outcome { steps: vec![measured.clone(), measured], total: Default::default(), stopped: true };
        hold.narrow(&mut outcome);
        let [before, last] = outcome.steps.as_slice() else { panic!("two steps") };
        assert_eq!(before.all.requests, 1_000_000);
        assert_eq!(last.all.requests, (19..=40).sum::<u64>());
        assert_eq!((last.all.length, last.all.reopened), (Duration::from_secs(22), 3));
    }
}
