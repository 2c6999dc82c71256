//! The open model: arrivals that do not wait for earlier answers.
//!
//! The schedule is fixed before the first request and never slips: arrival `n` is at the time at
//! which the cumulative rate reaches `S_n`, a sum of `n` independent draws of mean 1. Exponential
//! draws give a Poisson process of that rate, also of a changing one (Çinlar, Introduction to
//! Stochastic Processes, 1975, ch. 4.7). Every generator draws the whole sequence and sends its own
//! part, so generators need not communicate.

use std::{fmt, str::FromStr, time::Duration};

use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Exp1, Gamma};
use rand_pcg::Pcg64;

use super::level::{Level, in_range, number, positive};

/// Distribution of the gaps between arrivals, and the arrival rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arrivals {
    /// Distribution of the gaps.
    pub gaps: Gaps,
    /// Arrivals per second, and their change over time.
    pub rate: Level,
}

/// Distribution of the gaps between arrivals, as a multiple of their mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Gaps {
    /// Exponential gaps: a Poisson process.
    Exponential,
    /// Equal gaps.
    Equal,
    /// Gaps uniform between two multiples of the mean, which add up to 2.
    Uniform(f64, f64),
    /// Gamma-distributed gaps with this shape. The coefficient of variation is 1 / sqrt(shape), so
    /// a shape below 1 makes bursts.
    Gamma(f64),
}

/// Error for arrivals that cannot be parsed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "arrivals {given:?}: {reason}; write poisson(500), constant(500), uniform(0.001, 0.003) or \
        gamma(500, 2); a rate may be 500, 100..1000 (rising) or 500:5000:500 (steps)"
)]
pub struct ArrivalsError {
    given: String,
    reason: String,
}

impl FromStr for Arrivals {
    type Err = ArrivalsError;

    fn from_str(text: &str) -> Result<Self, ArrivalsError> {
        parse(text).map_err(|reason| ArrivalsError { given: text.to_owned(), reason })
    }
}

/// Longest gap, in seconds: a day.
const LONGEST_GAP_S: f64 = 86_400.0;

fn parse(text: &str) -> Result<Arrivals, String> {
    let (name, rest) = text.trim().split_once('(').ok_or("no parentheses")?;
    let inside = rest.strip_suffix(')').ok_or("no closing parenthesis")?;
    let arguments: Vec<&str> = inside.split(',').map(str::trim).collect();
    match (name.trim(), &arguments[..]) {
        ("poisson", [rate]) => Ok(Arrivals { gaps: Gaps::Exponential, rate: rate.parse()? }),
        ("constant", [rate]) => Ok(Arrivals { gaps: Gaps::Equal, rate: rate.parse()? }),
        ("gamma", [rate, shape]) => {
            let shape = positive(shape)?;
            Gamma::new(shape, 1.0 / shape).map_err(|e| e.to_string())?;
            Ok(Arrivals { gaps: Gaps::Gamma(shape), rate: rate.parse()? })
        }
        ("uniform", [min, max]) => {
            let (min, max) = (number(min)?, positive(max)?);
            if min > max {
                return Err("the smaller gap comes first".to_owned());
            }
            if max > LONGEST_GAP_S {
                return Err(format!("a gap of {max} s is longer than {LONGEST_GAP_S} s"));
            }
            let mean = (min + max) / 2.0;
            Ok(Arrivals {
                gaps: Gaps::Uniform(min / mean, max / mean),
                rate: Level::Fixed(in_range(1.0 / mean)?),
            })
        }
        ("poisson" | "constant", _) => Err(format!("{name} takes a rate")),
        ("gamma", _) => Err("gamma takes a rate and a shape".to_owned()),
        ("uniform", _) => {
            Err("uniform takes the smallest and the largest gap, in seconds".to_owned())
        }
        _ => Err(format!("{name:?} is not known")),
    }
}

impl fmt::Display for Arrivals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.gaps, self.rate) {
            (Gaps::Exponential, rate) => write!(f, "poisson({rate})"),
            (Gaps::Equal, rate) => write!(f, "constant({rate})"),
            (Gaps::Gamma(shape), rate) => write!(f, "gamma({rate}, {shape})"),
            (
                Gaps::Uniform(min, max),
                Level::Fixed(rate) | Level::Ramp(rate, _) | Level::Steps(rate, ..),
            ) => {
                write!(f, "uniform({}, {})", min / rate, max / rate)
            }
        }
    }
}

impl fmt::Display for Gaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exponential => f.write_str("Poisson arrivals"),
            Self::Equal => f.write_str("evenly spaced arrivals"),
            Self::Uniform(min, max) => {
                write!(f, "arrivals with gaps uniform in {min} to {max} times their mean")
            }
            Self::Gamma(shape) => write!(f, "arrivals with gamma gaps of shape {shape}"),
        }
    }
}

impl Gaps {
    fn draw(self, rng: &mut Pcg64) -> f64 {
        match self {
            Self::Exponential => Exp1.sample(rng),
            Self::Equal => 1.0,
            Self::Uniform(min, max) => rng.random_range(min..=max),
            // The parser has already tried this shape.
            Self::Gamma(shape) => {
                Gamma::new(shape, 1.0 / shape).map_or(1.0, |gamma| gamma.sample(rng))
            }
        }
    }
}

/// A stretch of time in which the rate changes linearly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Piece {
    /// Length of the piece.
    pub length: Duration,
    /// Arrivals per second at its beginning.
    pub from: f64,
    /// Arrivals per second at its end.
    pub to: f64,
}

/// Iterator over arrival times: every `count`th of a schedule, starting at number `index`.
#[derive(Debug, Clone)]
pub struct Schedule {
    gaps: Gaps,
    rng: Pcg64,
    pieces: Vec<Piece>,
    piece: usize,
    /// Beginning of the current piece, in seconds and in arrivals.
    begun: (f64, f64),
    /// Sum of the draws so far: the last arrival's place, in mean arrivals.
    drawn: f64,
    skip: u32,
    count: u32,
}

impl Schedule {
    /// Creates the schedule of one generator.
    pub fn new(gaps: Gaps, pieces: Vec<Piece>, seed: u64, index: u32, count: u32) -> Self {
        Self {
            gaps,
            rng: Pcg64::seed_from_u64(seed),
            pieces,
            piece: 0,
            begun: (0.0, 0.0),
            drawn: 0.0,
            skip: index,
            count: count.max(1),
        }
    }
}

impl Iterator for Schedule {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        for _ in 0..=self.skip {
            self.drawn += self.gaps.draw(&mut self.rng);
        }
        self.skip = self.count - 1;
        loop {
            let piece = self.pieces.get(self.piece)?;
            let (seconds, arrivals) = self.begun;
            let length = piece.length.as_secs_f64();
            let whole = (piece.from + piece.to) / 2.0 * length;
            let wanted = self.drawn - arrivals;
            if wanted < whole {
                return Some(Duration::from_secs_f64(seconds + piece.when(wanted)));
            }
            self.begun = (seconds + length, arrivals + whole);
            self.piece += 1;
        }
    }
}

impl Piece {
    /// Returns the seconds from the piece's beginning until `arrivals` arrivals: the root of
    /// `from x + (to - from) / (2 length) x^2 = arrivals`, in the form without cancellation.
    fn when(&self, arrivals: f64) -> f64 {
        let slope = (self.to - self.from) / self.length.as_secs_f64();
        let root = (self.from * self.from + 2.0 * slope * arrivals).max(0.0).sqrt();
        2.0 * arrivals / (self.from + root)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn steady(rate: f64, seconds: u64) -> Vec<Piece> {
        vec![Piece { length: Duration::from_secs(seconds), from: rate, to: rate }]
    }

    #[test]
    fn reads_and_shows_the_same() {
        for text in [
            "poisson(500)",
            "constant(0.5)",
            "gamma(500, 2)",
            "poisson(100..1000)",
            "constant(500:5000:500)",
        ] {
            assert_eq!(text.parse::<Arrivals>().unwrap().to_string(), text);
        }
        let uniform: Arrivals = "uniform(0.001, 0.003)".parse().unwrap();
        assert_eq!(uniform, Arrivals { gaps: Gaps::Uniform(0.5, 1.5), rate: Level::Fixed(500.0) });
        assert_eq!(uniform.to_string(), "uniform(0.001, 0.003)");
        for wrong in [
            "",
            "poisson",
            "poisson()",
            "poisson(0)",
            "poisson(-1)",
            "poisson(nan)",
            "poisson(1,2)",
            "gamma(5)",
            "gamma(5,0)",
            "uniform(2,1)",
            "uniform(0,0)",
            "uniform(1e308,1.7e308)",
            "constant(5:1:1)",
            "constant(1:2)",
            "normal(1)",
            "poisson(1e9)",
            "poisson(1",
        ] {
            assert!(wrong.parse::<Arrivals>().is_err(), "{wrong} was taken");
        }
    }

    #[test]
    fn equal_gaps_are_equal() {
        let times: Vec<Duration> = Schedule::new(Gaps::Equal, steady(500.0, 1), 1, 0, 1).collect();
        assert_eq!(times.len(), 499, "the last one would be at the end");
        assert!(
            times
                .iter()
                .enumerate()
                .all(|(i, t)| t.as_micros().abs_diff((i as u128 + 1) * 2000) <= 1)
        );
    }

    #[test]
    fn a_poisson_process_has_the_mean_and_the_variance_of_one() {
        let times: Vec<Duration> =
            Schedule::new(Gaps::Exponential, steady(1000.0, 1000), 7, 0, 1).collect();
        let mut counts = vec![0.0; 1000];
        times.iter().for_each(|t| counts[t.as_secs() as usize] += 1.0);
        let mean = counts.iter().sum::<f64>() / 1000.0;
        let variance = counts.iter().map(|c: &f64| (c - mean).powi(2)).sum::<f64>() / 999.0;
        // Five standard errors of the mean, and of the variance of Poisson counts.
        assert!((mean - 1000.0).abs() < 5.0, "{mean}");
        assert!((variance / mean - 1.0).abs() < 0.23, "{variance}");
    }

    #[test]
    fn gamma_gaps_have_their_coefficient_of_variation() {
        let times: Vec<f64> = Schedule::new(Gaps::Gamma(0.25), steady(100.0, 2000), 3, 0, 1)
            .map(|t| t.as_secs_f64())
            .collect();
        let gaps: Vec<f64> = times.windows(2).map(|w| w[1] - w[0]).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let deviation =
            (gaps.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / gaps.len() as f64).sqrt();
        assert!((deviation / mean - 2.0).abs() < 0.1, "{}", deviation / mean);
    }

    #[test]
    fn a_rising_rate_rises() {
        let pieces = vec![Piece { length: Duration::from_secs(100), from: 0.0, to: 1000.0 }];
        let times: Vec<Duration> = Schedule::new(Gaps::Equal, pieces, 1, 0, 1).collect();
        assert!(times.len().abs_diff(50_000) <= 1);
        let half = times.iter().filter(|t| t.as_secs() < 50).count();
        assert!(half.abs_diff(12_500) <= 1, "a quarter comes in the first half: {half}");
    }

    proptest! {
        #[test]
        fn generators_share_out_every_arrival_once(
            seed: u64,
            count in 1u32..6,
            from in 1.0f64..500.0,
            to in 1.0f64..500.0,
        ) {
            let pieces = vec![
                Piece { length: Duration::from_secs(1), from, to },
                Piece { length: Duration::from_secs(2), from: to, to },
            ];
            let whole: Vec<Duration> =
                Schedule::new(Gaps::Exponential, pieces.clone(), seed, 0, 1).collect();
            let mut parts: Vec<Duration> = (0..count)
                .flat_map(|index| {
                    Schedule::new(Gaps::Exponential, pieces.clone(), seed, index, count)
                })
                .collect();
            parts.sort_unstable();
            prop_assert_eq!(parts, whole.clone());
            prop_assert!(
                whole.windows(2).all(|w| w[0] <= w[1]) && whole.iter().all(|t| t.as_secs() < 3)
            );
        }
    }
}
