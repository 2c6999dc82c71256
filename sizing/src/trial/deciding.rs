//! The deciding window: the open window of a trial's last step.
//!
//! A hypervisor that shares the processors takes them in bursts of seconds. The window restarts
//! after a burst instead of diluting it, so that the verdict is on the server and not on the
//! hypervisor.

use std::time::Duration;

use loadtest::{
    measure::Outcome,
    measure::{Second, Window},
    verdict::Looks,
};

use super::{Purpose, Timing};

/// The deciding window so far.
#[derive(Debug)]
pub struct DecidingWindow {
    from: Duration,
    seconds: Vec<Second>,
    steal_restarts: u32,
    looks: Looks,
    /// Time not measured after a restart, in which the service works off the backlog of the steal.
    settle: Duration,
    /// Latest time at which users are stopped.
    end: Duration,
    max_steal: f64,
}

impl DecidingWindow {
    /// Opens the window of a trial whose users are all present from `from` until `end`; `max_steal`
    /// is the largest share of the machine's time that may be stolen.
    pub fn new(
        timing: Timing,
        purpose: Purpose,
        from: Duration,
        end: Duration,
        max_steal: f64,
    ) -> Self {
        let looks = timing.looks(purpose);
        Self {
            from,
            seconds: Vec::new(),
            steal_restarts: 0,
            looks,
            settle: timing.settle(),
            end,
            max_steal,
        }
    }

    /// Returns the beginning of the window, from the start of the load.
    pub fn from(&self) -> Duration {
        self.from
    }

    /// Returns the seconds of the window.
    pub fn seconds(&self) -> &[Second] {
        &self.seconds
    }

    /// Returns the number of steal restarts.
    pub fn steal_restarts(&self) -> u32 {
        self.steal_restarts
    }

    /// Returns the looks at the window.
    pub fn looks(&self) -> &Looks {
        &self.looks
    }

    /// Adds a second of the load, unless it is before the window.
    pub fn add(&mut self, second: &Second) {
        if Duration::from_secs(second.index) > self.from {
            self.seconds.push(second.totals());
        }
    }

    /// Returns true if a look is due and `stolen`, the stolen share of the machine's time in the
    /// window, is acceptable.
    pub fn is_time_to_look(&self, stolen: f64) -> bool {
        self.looks.is_due(self.length()) && stolen <= self.max_steal
    }

    /// Returns true if the last look is over.
    pub fn is_over(&self) -> bool {
        self.length() >= self.looks.longest()
    }

    /// Restarts the window if its steal is too much for the next look, however calm the machine is
    /// until then, and if there is time for another look. Returns true if it restarted.
    pub fn restart_after_steal(&mut self, stolen: f64) -> bool {
        let Some(next) = self.looks.next(self.length()) else { return false };
        let is_spoilt = stolen * self.length() as f64 > self.max_steal * next as f64;
        let last = self.seconds.last().map(|second| Duration::from_secs(second.index));
        let Some(from) = last.filter(|_| is_spoilt).map(|last| last + self.settle) else {
            return false;
        };
        if from + Duration::from_secs(self.first_look()) > self.end {
            return false;
        }
        self.from = from;
        self.seconds.clear();
        self.steal_restarts += 1;
        true
    }

    /// Returns true if the seconds since a restart are judged in place of the whole step: they are
    /// enough for a look, or the trial was given up in them.
    pub fn is_judged_alone(&self, is_given_up: bool) -> bool {
        let length = self.length();
        self.steal_restarts > 0 && length > 0 && (is_given_up || length >= self.first_look())
    }

    /// Replaces the last step's window with this one.
    pub fn narrow(&self, outcome: &mut Outcome) {
        if let Some(last) = outcome.steps.last_mut() {
            let whole = std::mem::take(&mut last.all);
            // These are not counted per second.
            let Window { users, connect, reopened, resent, .. } = whole;
            last.all =
                Window { users, connect, reopened, resent, ..Window::so_far(self.seconds.iter()) };
        }
    }

    fn first_look(&self) -> u64 {
        self.looks.next(0).unwrap_or(0)
    }

    fn length(&self) -> u64 {
        self.seconds.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Opens a window at the tenth of 140 seconds, with looks after 15, 25, 40 and 60 seconds, of
    /// which 2% may be stolen.
    fn opened() -> DecidingWindow {
        let timing = Timing::new("between(1, 2.5)".parse().unwrap());
        DecidingWindow::new(
            timing,
            Purpose::Fresh,
            Duration::from_secs(10),
            Duration::from_secs(140),
            0.02,
        )
    }

    /// Plays seconds with the shares that `stolen` returns; returns those after which the window
    /// restarted.
    fn play(
        deciding: &mut DecidingWindow,
        seconds: std::ops::RangeInclusive<u64>,
        stolen: impl Fn(u64) -> f64,
    ) -> Vec<u64> {
        let mut again = Vec::new();
        for index in seconds {
            deciding.add(&Second { index, requests: index, ..Second::default() });
            let from = deciding.seconds().first().map_or(index, |first| first.index);
            let share = (from..=index).map(&stolen).sum::<f64>() / (index + 1 - from) as f64;
            if !deciding.seconds().is_empty() && deciding.restart_after_steal(share) {
                again.push(index);
            }
        }
        again
    }

    #[test]
    fn seconds_before_it_and_a_little_steal_do_not_matter() {
        let mut deciding = opened();
        assert!(play(&mut deciding, 1..=25, |_| 0.019).is_empty());
        assert_eq!((deciding.seconds().len(), deciding.steal_restarts()), (15, 0));
        assert!(deciding.is_time_to_look(0.019) && !deciding.is_time_to_look(0.021));
        assert!(!deciding.is_judged_alone(false), "the whole step is");
    }

    #[test]
    fn what_the_next_look_could_not_use_is_left_out_and_what_follows_settles_first() {
        let mut deciding = opened();
        // A look at 15 seconds allows 0.3 stolen seconds in total.
        let again =
            play(&mut deciding, 1..=40, |index| if (15..18).contains(&index) { 0.2 } else { 0.0 });
        assert_eq!(again, [16], "0.4 by then");
        assert_eq!(
            deciding.seconds().first().map(|second| second.index),
            Some(20),
            "three seconds settle"
        );
        assert!(deciding.is_judged_alone(false) && deciding.seconds().len() == 21);
    }

    #[test]
    fn a_later_look_bears_more() {
        let mut deciding = opened();
        // 0.31: too much for the first look, which is already over.
        assert!(
            play(&mut deciding, 1..=50, |index| if index == 30 { 0.31 } else { 0.0 }).is_empty()
        );
        assert!(deciding.seconds().len() == 40 && !deciding.is_over());
        play(&mut deciding, 51..=70, |_| 0.0);
        assert!(deciding.is_over());
    }

    #[test]
    fn it_goes_on_where_no_look_could_follow() {
        let mut deciding = opened();
        let again = play(&mut deciding, 1..=140, |_| 0.5);
        assert!(again.iter().all(|index| index + 3 + 15 <= 140) && again.len() > 10, "{again:?}");
        assert!(
            deciding.seconds().len() >= 15 && !deciding.is_over() && !deciding.is_time_to_look(0.5)
        );
    }

    #[test]
    fn what_is_judged_alone_has_the_figures_of_its_seconds() {
        let mut deciding = opened();
        play(&mut deciding, 1..=40, |index| if index == 15 { 0.5 } else { 0.0 });
        let whole = Window { requests: 1_000_000, reopened: 3, ..Window::default() };
        let measured = loadtest::measure::Measured { all: whole, tasks: Vec::new() };
        let mut outcome = Outcome { steps: vec![measured.clone(), measured], ..Outcome::default() };
        deciding.narrow(&mut outcome);
        let [before, last] = outcome.steps.as_slice() else { panic!("two steps") };
        assert_eq!(before.all.requests, 1_000_000);
        assert_eq!(last.all.requests, (19..=40).sum::<u64>());
        assert_eq!((last.all.length, last.all.reopened), (Duration::from_secs(22), 3));
    }
}
