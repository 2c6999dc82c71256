//! Think time between a user's requests, in Locust's syntax.

use std::{fmt, str::FromStr, time::Duration};

use rand::{Rng, RngExt};
use rand_distr::{Distribution, Exp1};

/// Think time before a user's next request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum WaitTime {
    /// Uniform between two durations, from the end of the last request.
    Between(Duration, Duration),
    /// Constant, from the end of the last request.
    Constant(Duration),
    /// Constant pacing: requests are due this far apart, however long the answers take. A request
    /// that a slow answer held up follows at once.
    ConstantPacing(Duration),
    /// Exponentially distributed with this mean, from the end of the last request.
    Expovariate(Duration),
}

/// Error for a wait time that cannot be parsed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "wait time {given:?}: {reason}; write between(1, 2.5), constant(1), constant_pacing(1) or \
        expovariate(0.5), in seconds, or constant_throughput(0.5)"
)]
pub struct WaitTimeError {
    given: String,
    reason: String,
}

/// Shortest period in seconds of a schedule that does not slip; below it no user could keep up.
const SHORTEST_PERIOD: f64 = 1e-4;
/// Longest wait in seconds (a day), and highest rate in requests per second.
const MOST: f64 = 86_400.0;

/// Returns `between(1, 2.5)`.
impl Default for WaitTime {
    fn default() -> Self {
        Self::Between(Duration::from_secs(1), Duration::from_millis(2500))
    }
}

impl WaitTime {
    /// Returns the time at which the next request is due, from any fixed point, given when the last
    /// one was due and when it ended.
    ///
    /// With pacing it may be before the end of the last request: the schedule does not slip, so
    /// delays behind a slow answer are measured (Tene, How NOT to measure latency, 2015:
    /// coordinated omission).
    pub fn next_due<R: Rng>(
        &self,
        last_due: Duration,
        last_end: Duration,
        rng: &mut R,
    ) -> Duration {
        match *self {
            Self::Between(min, max) if min == max => last_end + min,
            Self::Between(min, max) => last_end + rng.random_range(min..=max),
            Self::Constant(wait) => last_end + wait,
            Self::ConstantPacing(period) => last_due + period,
            Self::Expovariate(mean) => last_end + mean.mul_f64(Exp1.sample(rng)),
        }
    }

    /// Returns the mean time from the start of a request to the start of the next if the server
    /// answered at once: `Z` of the interactive response time law, X = N / (R + Z) (Lazowska et
    /// al., Quantitative System Performance, 1984).
    pub fn mean(&self) -> Duration {
        match *self {
            Self::Between(min, max) => (min + max) / 2,
            Self::Constant(wait) | Self::ConstantPacing(wait) | Self::Expovariate(wait) => wait,
        }
    }

    /// Returns true if requests are due on a schedule, however long the answers take.
    pub fn is_scheduled(&self) -> bool {
        matches!(self, Self::ConstantPacing(_))
    }

    /// Returns the longest think time; for an unbounded distribution, its 99th percentile.
    pub fn longest(&self) -> Duration {
        match *self {
            Self::Between(_, max) => max,
            Self::Constant(wait) | Self::ConstantPacing(wait) => wait,
            Self::Expovariate(mean) => mean.mul_f64(100f64.ln()),
        }
    }

    /// Returns the requests per second that `users` users (a mean, if their number changes) would
    /// send if the server answered at once; `None` with zero think time, where there is no rate to
    /// keep.
    pub fn planned_per_second(&self, users: f64) -> Option<f64> {
        let mean = self.mean().as_secs_f64();
        (mean > 0.0).then(|| users / mean)
    }
}

impl FromStr for WaitTime {
    type Err = WaitTimeError;

    fn from_str(text: &str) -> Result<Self, WaitTimeError> {
        let wrong = |reason: String| WaitTimeError { given: text.to_owned(), reason };
        let (name, rest) =
            text.trim().split_once('(').ok_or_else(|| wrong("no parentheses".to_owned()))?;
        let inside =
            rest.strip_suffix(')').ok_or_else(|| wrong("no closing parenthesis".to_owned()))?;
        let seconds: Vec<f64> = inside
            .split(',')
            .map(|part| {
                let number = part
                    .trim()
                    .parse::<f64>()
                    .map_err(|_| wrong(format!("{part:?} is no number")))?;
                if (0.0..=MOST).contains(&number) {
                    Ok(number)
                } else {
                    Err(wrong(format!("{number} is not between 0 and {MOST}")))
                }
            })
            .collect::<Result<_, _>>()?;
        let period = |rate: f64| match 1.0 / rate {
            seconds if seconds <= MOST => Ok(Duration::from_secs_f64(seconds)),
            _ => Err(wrong(format!("{rate} a second is less than one in {MOST} s"))),
        };
        match (name.trim(), &seconds[..]) {
            ("between", &[min, max]) if min <= max => {
                Ok(Self::Between(Duration::from_secs_f64(min), Duration::from_secs_f64(max)))
            }
            ("between", &[..]) => {
                Err(wrong("between takes two numbers, the smaller first".to_owned()))
            }
            ("constant", &[wait]) => Ok(Self::Constant(Duration::from_secs_f64(wait))),
            ("constant_pacing", &[period]) if period >= SHORTEST_PERIOD => {
                Ok(Self::ConstantPacing(Duration::from_secs_f64(period)))
            }
            ("constant_throughput", &[rate]) if rate > 0.0 && 1.0 / rate >= SHORTEST_PERIOD => {
                Ok(Self::ConstantPacing(period(rate)?))
            }
            ("constant_pacing" | "constant_throughput", &[_]) => Err(wrong(format!(
                "a user's requests are at least {SHORTEST_PERIOD} s apart; without a pause, say \
                    constant(0)"
            ))),
            ("expovariate", &[rate]) if rate > 0.0 => Ok(Self::Expovariate(period(rate)?)),
            ("constant" | "constant_pacing" | "constant_throughput" | "expovariate", _) => {
                Err(wrong(format!("{name} takes one number above 0")))
            }
            _ => Err(wrong(format!("{name:?} is not known"))),
        }
    }
}

impl fmt::Display for WaitTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Between(min, max) => {
                write!(f, "between({}, {})", min.as_secs_f64(), max.as_secs_f64())
            }
            Self::Constant(wait) => write!(f, "constant({})", wait.as_secs_f64()),
            Self::ConstantPacing(period) => write!(f, "constant_pacing({})", period.as_secs_f64()),
            // Rounding the mean to whole nanoseconds may push the rate slightly over the accepted
            // maximum.
            Self::Expovariate(mean) => {
                write!(f, "expovariate({})", (1.0 / mean.as_secs_f64()).min(MOST))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn reads_locusts_syntax() {
        let between = WaitTime::Between(Duration::from_secs(1), Duration::from_millis(2500));
        assert_eq!("between(1, 2.5)".parse(), Ok(between));
        assert_eq!(" constant( 0 ) ".parse(), Ok(WaitTime::Constant(Duration::ZERO)));
        assert_eq!(
            "constant_throughput(0.5)".parse(),
            Ok(WaitTime::ConstantPacing(Duration::from_secs(2)))
        );
        for wrong in [
            "between(2,1)",
            "between(1)",
            "constant(-1)",
            "constant(nan)",
            "poisson(1)",
            "constant",
            "constant_pacing(0)",
            "constant_throughput(1e9)",
            "constant_throughput(1e-9)",
            "expovariate(1e-300)",
            "",
        ] {
            assert!(wrong.parse::<WaitTime>().is_err(), "{wrong} was taken");
        }
        assert_eq!(between.to_string(), "between(1, 2.5)");
        for highest in ["expovariate(86400)", "expovariate(0.000011574074074074074)"] {
            let read: WaitTime = highest.parse().unwrap();
            assert_eq!(read.to_string().parse(), Ok(read), "{highest}");
        }
        assert_eq!("expovariate(0.5)".parse(), Ok(WaitTime::Expovariate(Duration::from_secs(2))));
        assert_eq!(WaitTime::Expovariate(Duration::from_secs(2)).to_string(), "expovariate(0.5)");
    }

    #[test]
    fn ten_thousand_users_plan_5714_requests_a_second() {
        let wait: WaitTime = "between(1, 2.5)".parse().unwrap();
        assert_eq!(wait.planned_per_second(10_000.0).unwrap().round(), 5714.0);
        assert_eq!(WaitTime::Constant(Duration::ZERO).planned_per_second(10.0), None);
    }

    proptest! {
        #[test]
        fn a_drawn_wait_is_within_its_bounds(seed: u64, end_ms in 0u64..100_000) {
            let wait: WaitTime = "between(1, 2.5)".parse().unwrap();
            let mut rng = rand_pcg::Pcg32::seed_from_u64(seed);
            let end = Duration::from_millis(end_ms);
            let waited = wait.next_due(Duration::ZERO, end, &mut rng) - end;
            prop_assert!(waited >= Duration::from_secs(1) && waited <= Duration::from_millis(2500));
        }

        #[test]
        fn pacing_does_not_slip(due_ms in 0u64..10_000, took_ms in 0u64..10_000) {
            let wait: WaitTime = "constant_pacing(1)".parse().unwrap();
            let mut rng = rand_pcg::Pcg32::seed_from_u64(1);
            let (due, end) =
                (Duration::from_millis(due_ms), Duration::from_millis(due_ms + took_ms));
            prop_assert_eq!(wait.next_due(due, end, &mut rng), due + Duration::from_secs(1));
        }
    }
}
