//! When a trial cannot pass any more, so that going on only costs time.

use std::time::Duration;

use crate::{measure::Second, slo::Objective};

/// Seconds in a row that have to be bad.
const SECONDS: u32 = 3;
/// While users are still being started: this share of requests failed or over a limit.
const RAMP_SHARE: f64 = 0.5;
/// While they are held: so many times what is allowed.
const HOLD_FACTOR: f64 = 4.0;
/// Seconds in a row without a single answer.
const SILENT: u32 = 6;

/// Watches the seconds of a trial.
#[derive(Debug)]
pub struct Watch {
    objective: Objective,
    held_from: Duration,
    bad: u32,
    silent: u32,
}

impl Watch {
    /// For a trial whose users have all been started at `held_from`.
    pub fn new(objective: Objective, held_from: Duration) -> Self {
        Self { objective, held_from, bad: 0, silent: 0 }
    }

    /// Takes the next second, and says why the trial is hopeless if it is.
    pub fn see(&mut self, second: &Second) -> Option<String> {
        self.silent = if second.requests == 0 { self.silent + 1 } else { 0 };
        if self.silent >= SILENT {
            return Some(format!("no answer at all for {SILENT} s"));
        }
        if second.requests == 0 {
            return None;
        }
        let held = Duration::from_secs(second.index) > self.held_from;
        let share = |count: u64| count as f64 / second.requests as f64;
        let limit = |allowed: f64| if held { allowed * HOLD_FACTOR } else { RAMP_SHARE };
        let over = self.objective.latency.iter().zip(second.over);
        let worst = over
            .filter(|(l, count)| share(*count) > limit(l.allowed_over()))
            .map(|(l, count)| format!("{:.0}% over {} ms", share(count) * 100.0, l.limit.as_millis()))
            .next();
        let Some(worst) = worst else {
            self.bad = 0;
            return None;
        };
        self.bad += 1;
        (self.bad >= SECONDS).then(|| format!("{worst} for {SECONDS} s"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(index: u64, requests: u64, over: u64) -> Second {
        Second { index, requests, over: [over, 0, 0, 0], ..Second::default() }
    }

    #[test]
    fn a_bad_hold_is_hopeless_after_three_seconds_and_a_bad_ramp_is_judged_more_mildly() {
        let mut watch = Watch::new("p95<100ms".parse().unwrap(), Duration::from_secs(10));
        for i in 1..=9 {
            assert_eq!(watch.see(&second(i, 1000, 400)), None, "40% while ramping");
        }
        assert_eq!(watch.see(&second(11, 1000, 400)), None);
        assert_eq!(watch.see(&second(12, 1000, 400)), None);
        assert!(watch.see(&second(13, 1000, 400)).is_some());
    }

    #[test]
    fn one_good_second_starts_the_count_again() {
        let mut watch = Watch::new("p95<100ms".parse().unwrap(), Duration::ZERO);
        for i in 0..20 {
            assert_eq!(watch.see(&second(i + 1, 1000, if i % 3 == 2 { 10 } else { 900 })), None);
        }
    }

    #[test]
    fn silence_is_hopeless() {
        let mut watch = Watch::new("p95<100ms".parse().unwrap(), Duration::ZERO);
        let ended = (1..=10).find(|&i| watch.see(&second(i, 0, 0)).is_some());
        assert_eq!(ended, Some(u64::from(SILENT)));
    }
}
