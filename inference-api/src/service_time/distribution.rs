//! Distributions, named as in Python's `random`.

use std::{fmt, str::FromStr, time::Duration};

use rand::{Rng, RngExt};
use rand_distr::Exp;

/// Distribution of times, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Distribution {
    /// Exponential with this rate per second; the mean is 1/rate.
    Expovariate(f64),
    /// Uniform between two times.
    Uniform(f64, f64),
    /// Constant time.
    Constant(f64),
}

/// Text that is not a distribution.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{given:?} is no service time: {reason}\n  help: expovariate(100), uniform(0.005,0.015) or \
        constant(0.01), in seconds"
)]
pub struct DistributionError {
    given: String,
    reason: String,
}

/// Longest time, in seconds: longer than any client waits.
const LONGEST_SECONDS: f64 = 3600.0;

impl Distribution {
    /// Draws a time.
    pub fn draw(self, random: &mut impl Rng) -> Duration {
        let seconds = match self {
            // The rate was checked at construction.
            Self::Expovariate(rate) => Exp::new(rate).map_or(0.0, |exp| random.sample(exp)),
            Self::Uniform(a, b) => random.random_range(a..=b),
            Self::Constant(seconds) => seconds,
        };
        Duration::from_secs_f64(seconds.min(LONGEST_SECONDS))
    }

    /// Returns the mean.
    pub fn mean(self) -> Duration {
        Duration::from_secs_f64(match self {
            Self::Expovariate(rate) => 1.0 / rate,
            Self::Uniform(a, b) => f64::midpoint(a, b),
            Self::Constant(seconds) => seconds,
        })
    }
}

impl FromStr for Distribution {
    type Err = DistributionError;

    fn from_str(text: &str) -> Result<Self, DistributionError> {
        let wrong =
            |reason: &str| DistributionError { given: text.to_owned(), reason: reason.to_owned() };
        let (name, rest) = text.trim().split_once('(').ok_or_else(|| wrong("no parentheses"))?;
        let inside = rest.strip_suffix(')').ok_or_else(|| wrong("no closing parenthesis"))?;
        let numbers: Vec<f64> = inside
            .split(',')
            .map(|part| part.trim().parse::<f64>().ok().filter(|n| n.is_finite()))
            .collect::<Option<_>>()
            .ok_or_else(|| wrong("not all of its parameters are numbers"))?;
        let is_time = |seconds: f64| (0.0..=LONGEST_SECONDS).contains(&seconds);
        match (name.trim(), &numbers[..]) {
            ("expovariate", &[rate]) if rate >= 1.0 / LONGEST_SECONDS => {
                Ok(Self::Expovariate(rate))
            }
            ("expovariate", _) => {
                Err(wrong("expovariate takes one rate above 0, in requests a second"))
            }
            ("uniform", &[a, b]) if a <= b && is_time(a) && is_time(b) => Ok(Self::Uniform(a, b)),
            ("uniform", _) => Err(wrong("uniform takes two times, the smaller first")),
            ("constant", &[seconds]) if is_time(seconds) => Ok(Self::Constant(seconds)),
            ("constant", _) => Err(wrong("constant takes one time")),
            _ => Err(wrong("its name is not known")),
        }
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expovariate(rate) => write!(f, "expovariate({rate})"),
            Self::Uniform(a, b) => write!(f, "uniform({a},{b})"),
            Self::Constant(seconds) => write!(f, "constant({seconds})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_pcg::Pcg32;

    use super::*;

    #[test]
    fn texts_are_read() {
        for text in ["expovariate(100)", "uniform(0.005,0.015)", "constant(0.01)"] {
            assert_eq!(text.parse::<Distribution>().unwrap().to_string(), text);
        }
        for wrong in [
            "",
            "expovariate(0)",
            "expovariate(-1)",
            "uniform(2,1)",
            "constant(nan)",
            "normal(1,2)",
            "constant(1",
        ] {
            assert!(wrong.parse::<Distribution>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_drawn_has_the_mean_that_is_told() {
        let mut random = Pcg32::seed_from_u64(1);
        for text in ["expovariate(100)", "uniform(0.005,0.015)", "constant(0.01)"] {
            let distribution: Distribution = text.parse().unwrap();
            let n = 100_000;
            let sum: f64 = (0..n).map(|_| distribution.draw(&mut random).as_secs_f64()).sum();
            let mean = sum / f64::from(n);
            // Four standard errors of the exponential, which has the largest spread.
            assert!(
                (mean / distribution.mean().as_secs_f64() - 1.0).abs() < 4.0 / f64::from(n).sqrt(),
                "{text}: {mean}"
            );
        }
    }
}
