//! The service-level objective.

use std::{fmt, str::FromStr, time::Duration};

use crate::measure::Window;

/// Slo such as `p95<100ms,failures<0.1%,rate>=95%`.
#[derive(Debug, Clone, PartialEq)]
pub struct Slo {
    /// Latency limits: each requires a share of the requests to end within a time.
    pub latency: Vec<LatencyLimit>,
    /// Share of requests that may fail.
    pub failures: Option<f64>,
    /// Share of the planned rate that must be reached.
    pub rate: Option<f64>,
}

/// Latency limit such as `p95<100ms`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LatencyLimit {
    /// Quantile, 0.95 for p95.
    pub quantile: f64,
    /// Longest latency allowed at the quantile.
    pub limit: Duration,
}

/// Error for an objective that cannot be parsed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("objective {given:?}: {reason}; write for instance p95<100ms,failures<0.1%,rate>=95%")]
pub struct SloError {
    given: String,
    reason: String,
}

impl Slo {
    /// Returns the latency limits, for counting in slices.
    pub fn limits(&self) -> Vec<Duration> {
        self.latency.iter().map(|l| l.limit).collect()
    }
}

/// Returns `p95<100ms,failures<0.1%,rate>=95%`.
impl Default for Slo {
    fn default() -> Self {
        let p95 = LatencyLimit { quantile: 0.95, limit: Duration::from_millis(100) };
        Self { latency: vec![p95], failures: Some(0.001), rate: Some(0.95) }
    }
}

impl LatencyLimit {
    /// Returns the share of requests that may exceed the limit.
    pub fn allowed_over(&self) -> f64 {
        1.0 - self.quantile
    }
}

impl FromStr for Slo {
    type Err = SloError;

    fn from_str(text: &str) -> Result<Self, SloError> {
        let wrong = |reason: String| SloError { given: text.to_owned(), reason };
        let mut objective = Self { latency: Vec::new(), failures: None, rate: None };
        for part in text.split(',').map(str::trim) {
            let at = part
                .find(['<', '>'])
                .ok_or_else(|| wrong(format!("{part:?} has neither < nor >=")))?;
            let (name, comparison) = part.split_at(at);
            match (name.trim(), comparison) {
                ("failures", c) if c.starts_with('<') && objective.failures.is_none() => {
                    let share = percent(c.trim_start_matches(['<', '='])).map_err(wrong)?;
                    if share == 0.0 {
                        return Err(wrong(
                            "no number of requests proves that none ever fails".to_owned(),
                        ));
                    }
                    objective.failures = Some(share);
                }
                ("rate", c) if c.starts_with(">=") && objective.rate.is_none() => {
                    objective.rate = Some(percent(&c[2..]).map_err(wrong)?);
                }
                ("failures" | "rate", _) => {
                    return Err(wrong(format!("{part:?} is not understood, or said twice")));
                }
                (p, c) if p.starts_with('p') && c.starts_with('<') => {
                    let quantile = quantile(&p[1..]).map_err(wrong)?;
                    let limit = duration(c.trim_start_matches(['<', '='])).map_err(wrong)?;
                    objective.latency.push(LatencyLimit { quantile, limit });
                }
                _ => return Err(wrong(format!("{part:?} is not understood"))),
            }
        }
        if objective.latency.len() > Window::MAX_LIMITS {
            return Err(wrong(format!("at most {} latency limits", Window::MAX_LIMITS)));
        }
        Ok(objective)
    }
}

impl fmt::Display for Slo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let latency = self.latency.iter().map(|l| format!("{l}"));
        let failures = self.failures.map(|share| format!("failures<{}%", round(share * 100.0)));
        let rate = self.rate.map(|share| format!("rate>={}%", round(share * 100.0)));
        f.write_str(&latency.chain(failures).chain(rate).collect::<Vec<_>>().join(","))
    }
}

impl fmt::Display for LatencyLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "p{}<{}ms",
            round(self.quantile * 100.0),
            round(self.limit.as_secs_f64() * 1000.0)
        )
    }
}

/// Smallest share, and step between shares, in percent. The text form rounds finer shares to
/// another objective, and to prove them takes hundreds of millions of requests.
const FINEST: f64 = 1e-6;

/// Removes the noise of binary fractions: 99.9, not 99.90000000000001.
fn round(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

fn percent(text: &str) -> Result<f64, String> {
    let number =
        text.trim().strip_suffix('%').ok_or_else(|| format!("{text:?} is no percentage"))?;
    match number.trim().parse::<f64>() {
        Ok(value) if value > 0.0 && value < FINEST => {
            Err(format!("{text:?} is finer than {FINEST}%"))
        }
        Ok(value) if (0.0..=100.0).contains(&value) => Ok(value / 100.0),
        _ => Err(format!("{text:?} is not between 0% and 100%")),
    }
}

fn quantile(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(value) if (FINEST..=100.0 - FINEST).contains(&value) => Ok(value / 100.0),
        _ => Err(format!("p{text} is no percentile from p{FINEST} to p{}", 100.0 - FINEST)),
    }
}

/// Shortest limit: latencies are measured in whole microseconds.
const SHORTEST_S: f64 = 1e-6;

fn duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let (number, unit) =
        text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len()));
    let scale = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        _ => return Err(format!("{text:?} is no time; use us, ms or s")),
    };
    match number.trim().parse::<f64>() {
        Ok(value) if value * scale >= SHORTEST_S && value * scale <= 60.0 => {
            Ok(Duration::from_secs_f64(value * scale))
        }
        _ => Err(format!("{text:?} is not between 1 us and 60 s")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_objective_reads_and_shows_the_same() {
        let text = "p95<100ms,failures<0.1%,rate>=95%";
        let objective: Slo = text.parse().unwrap();
        assert_eq!(objective.to_string(), text);
        assert_eq!(Slo::default().to_string(), text);
        assert_eq!(objective.limits(), [Duration::from_millis(100)]);
        assert_eq!("p99.9<1.5s".parse::<Slo>().unwrap().to_string(), "p99.9<1500ms");
    }

    #[test]
    fn what_is_no_objective_is_refused() {
        for wrong in [
            "",
            "p95",
            "p95<100",
            "p0<1ms",
            "p100<1ms",
            "failures<5",
            "rate<95%",
            "p95<-1ms",
            "p95<2m",
            "x<1ms",
            "failures<0%",
            "failures<0.0000001%",
            "p99.99999999<1ms",
            "p0.00000001<1ms",
            "p95<0.0001us",
            "rate>=9%,rate>=8%",
        ] {
            assert!(wrong.parse::<Slo>().is_err(), "{wrong} was taken");
        }
    }
}
