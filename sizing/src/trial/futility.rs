//! Futility stopping: a trial ends once it cannot pass any more, or is not likely to be decided.

use std::time::Duration;

use loadtest::{measure::Second, slo::Slo, verdict::is_late};

/// Seconds in a row, while users are still being started, in which nearly all requests failed or
/// exceeded a limit. A ramp is harder on a service than the load that follows, so much is needed to
/// give up on it.
const RAMP_SECONDS: u32 = 6;
const RAMP_SHARE: f64 = 0.9;
/// Beginning of the hold that is not counted, in which the ramp's backlog is worked off.
const BACKLOG: Duration = Duration::from_secs(5);
/// Bound on the requests in a window, as a multiple of the planned ones; chance does not exceed it.
const MOST_REQUESTS: f64 = 1.05;
/// Seconds in a row without a successful answer.
const SILENT: u32 = 6;

/// Expectations of a trial.
#[derive(Debug, Clone)]
pub struct Expectation {
    /// The objective.
    pub objective: Slo,
    /// Beginning of the measurement, once all users have been started.
    pub held_from: Duration,
    /// Requests in the longest window at the planned rate.
    pub window_requests: f64,
    /// Factor of the think time over the default; the tolerated silence grows with it.
    pub patience: f64,
}

/// Reason why going on is pointless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Futility {
    /// The service broke down: the trial failed.
    Broken(String),
    /// More requests are over a limit than even the longest window may have, so the trial cannot
    /// pass. The bounds decide whether it failed, since a few long stalls may be chance.
    Missed(String),
    /// The generator limited a step: the trial is invalid, whatever follows.
    Unmeasured(String),
    /// Undecided, and not likely to be decided by the longest window.
    Open(String),
}

impl Futility {
    /// Returns the reason in words.
    pub fn why(&self) -> &str {
        match self {
            Self::Broken(why) | Self::Missed(why) | Self::Unmeasured(why) | Self::Open(why) => why,
        }
    }
}

/// Watcher of a trial's seconds.
#[derive(Debug)]
pub struct Watch {
    expected: Expectation,
    bad: u32,
    silent: u32,
    over: Vec<u64>,
}

impl Watch {
    /// Creates the watcher of a trial that is about to begin.
    pub fn new(expected: Expectation) -> Self {
        let over = vec![0; expected.objective.latency.len()];
        Self { expected, bad: 0, silent: 0, over }
    }

    /// Takes the next second, and returns the reason if the trial is futile.
    pub fn see(&mut self, second: &Second) -> Option<Futility> {
        // Lateness of the generator is not the server's fault.
        if is_late(second.lag.quantile(0.99), &self.expected.objective) {
            return None;
        }
        self.silent = if second.requests == second.failures { self.silent + 1 } else { 0 };
        if f64::from(self.silent) >= f64::from(SILENT) * self.expected.patience {
            return Some(Futility::Broken(format!("no request succeeded for {} s", self.silent)));
        }
        let at = Duration::from_secs(second.index);
        if at <= self.expected.held_from { self.ramp(second) } else { self.hold(second, at) }
    }

    /// Restarts the measurement at `held_from` and forgets the seconds before it.
    pub fn begin_again(&mut self, held_from: Duration) {
        *self = Self::new(Expectation { held_from, ..self.expected.clone() });
    }

    fn ramp(&mut self, second: &Second) -> Option<Futility> {
        let worst = second.over.iter().take(self.over.len()).max().copied().unwrap_or(0);
        let bad = second.requests > 0 && worst as f64 > RAMP_SHARE * second.requests as f64;
        self.bad = if bad { self.bad + 1 } else { 0 };
        (self.bad >= RAMP_SECONDS).then(|| {
            let share = worst as f64 / second.requests as f64 * 100.0;
            Futility::Broken(format!(
                "{share:.0}% failed or over the limit for {RAMP_SECONDS} s while users were started"
            ))
        })
    }

    fn hold(&mut self, second: &Second, at: Duration) -> Option<Futility> {
        if at <= self.expected.held_from + BACKLOG {
            return None;
        }
        for ((over, more), limit) in
            self.over.iter_mut().zip(second.over).zip(&self.expected.objective.latency)
        {
            *over += more;
            if *over as f64 > MOST_REQUESTS * limit.allowed_over() * self.expected.window_requests {
                let ms = limit.limit.as_millis();
                return Some(Futility::Missed(format!(
                    "{over} requests failed or took over {ms} ms, more than the longest window may \
                        have"
                )));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(index: u64, requests: u64, over: u64) -> Second {
        Second { index, requests, over: [over, 0, 0, 0], ..Second::default() }
    }

    fn watch(held_from: u64) -> Watch {
        Watch::new(Expectation {
            objective: "p95<100ms".parse().unwrap(),
            held_from: Duration::from_secs(held_from),
            window_requests: 15_000.0,
            patience: 1.0,
        })
    }

    #[test]
    fn a_hold_is_given_up_when_more_are_over_than_a_whole_window_may_have() {
        let mut watch = watch(0);
        let given_up = (1..60).find(|&i| watch.see(&second(i, 1000, 400)).is_some());
        // 1.05 x 5% x 15,000 = 787 are allowed; there are 400 per second from the sixth second on.
        assert_eq!(given_up, Some(7));
    }

    #[test]
    fn what_was_seen_before_it_began_again_is_forgotten() {
        let mut watch = watch(0);
        assert!((1..7).all(|i| watch.see(&second(i, 1000, 400)).is_none()));
        watch.begin_again(Duration::from_secs(10));
        let given_up = (7..60).find(|&i| watch.see(&second(i, 1000, 400)).is_some());
        assert_eq!(given_up, Some(17));
    }

    #[test]
    fn a_few_bad_seconds_are_not_given_up() {
        let mut watch = watch(0);
        let bad = |i: u64| if (10..13).contains(&i) { 250 } else { 0 };
        assert!(
            (1..60).all(|i| watch.see(&second(i, 1000, bad(i))).is_none()),
            "750 of 15,000 over is 5%"
        );
    }

    #[test]
    fn what_a_longer_look_may_yet_pass_is_not_given_up() {
        // 4.9% over, all the time.
        let mut watch = watch(0);
        assert!((1..=15).all(|i| watch.see(&second(i, 1000, 49)).is_none()));
    }

    #[test]
    fn a_ramp_may_be_bad_for_a_while() {
        let mut watch = watch(100);
        assert!((1..=5).all(|i| watch.see(&second(i, 1000, 1000)).is_none()));
        assert!(watch.see(&second(6, 1000, 1000)).is_some());
    }

    #[test]
    fn silence_is_futile() {
        let mut watch = watch(0);
        let ended = (1..=10).find(|&i| watch.see(&second(i, 0, 0)).is_some());
        assert_eq!(ended, Some(u64::from(SILENT)));
    }

    #[test]
    fn nothing_but_failures_is_as_good_as_no_answer() {
        let failed =
            |index, requests| Second { failures: requests, ..second(index, requests, requests) };
        for requests in [0, 20] {
            let mut watch = watch(30);
            assert!((1..=5).all(|i| watch.see(&failed(i, requests)).is_none()));
            assert!(
                watch
                    .see(&failed(6, requests))
                    .is_some_and(|why| why.why().contains("no request succeeded for 6 s"))
            );
        }
    }

    #[test]
    fn a_late_generator_is_not_the_servers_fault() {
        let mut watch = watch(0);
        for i in 1..60 {
            let mut late = second(i, 1000, 1000);
            (0..100).for_each(|_| late.lag.record(Duration::from_millis(60)));
            assert_eq!(watch.see(&late), None);
        }
    }
}
