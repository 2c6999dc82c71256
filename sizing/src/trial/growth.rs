//! Growth of memory at the end of a hold.
//!
//! A warm service keeps its memory; one that leaks goes on at the pace of its requests, and a limit
//! that held for the length of a trial does not hold for an hour. Only anonymous memory counts,
//! because the kernel reclaims page cache.

use std::time::Duration;

use orchestrator::Usage;
use serde::{Deserialize, Serialize};

/// Growth of a replica's anonymous memory that would go on after the trial.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Growth {
    /// Bytes per second of the fastest growing replica.
    pub bytes_per_second: f64,
    /// Seconds from the end of the hold until the limit is full at this pace.
    pub lasts_seconds: f64,
}

/// Shortest hold whose thirds are compared.
const SHORTEST: Duration = Duration::from_secs(6);
/// Smallest number of readings in a third for a median.
const LEAST_READINGS: usize = 5;
/// Smallest growth, in bytes, that counts in a third of a hold; less is the allocator's noise.
const LEAST_BYTES: f64 = 256.0 * 1024.0;
/// Smallest pace of the last third relative to the one before it: a service that warms up slows
/// down.
const STEADY: f64 = 0.5;
/// Time in seconds beyond which a limit counts as lasting: a trial of a minute cannot predict days.
const HORIZON_SECONDS: f64 = 3600.0;

impl Growth {
    /// Finds growth in the readings of a hold, each with its time, under a memory limit; `None` if
    /// memory is steady, or lasts for an hour.
    pub fn of(readings: &[(Duration, &[Usage])], limit_bytes: u64) -> Option<Self> {
        let replicas = readings.first()?.1.len();
        let grown = (0..replicas).filter_map(|replica| {
            let series: Vec<(f64, f64)> = readings
                .iter()
                .filter_map(|(at, usage)| {
                    Some((at.as_secs_f64(), usage.get(replica)?.memory.anon_bytes as f64))
                })
                .collect();
            Self::of_series(&series, limit_bytes as f64)
        });
        grown.min_by(|a, b| a.lasts_seconds.total_cmp(&b.lasts_seconds))
    }

    fn of_series(series: &[(f64, f64)], limit_bytes: f64) -> Option<Self> {
        let (first, last) = (series.first()?.0, series.last()?.0);
        if last - first < SHORTEST.as_secs_f64() {
            return None;
        }
        let third = (last - first) / 3.0;
        let medians: Vec<f64> = (0..3)
            .map(|part| {
                let (from, to) =
                    (first + third * f64::from(part), first + third * f64::from(part + 1));
                median(
                    series
                        .iter()
                        .filter(|(at, _)| *at >= from && *at <= to)
                        .map(|(_, bytes)| *bytes)
                        .collect(),
                )
            })
            .collect::<Option<_>>()?;
        let (before, now) = (medians[1] - medians[0], medians[2] - medians[1]);
        let is_steady = before > LEAST_BYTES && now > LEAST_BYTES && now > STEADY * before;
        let bytes_per_second = now / third;
        let lasts_seconds = (limit_bytes - series.last()?.1).max(0.0) / bytes_per_second;
        (is_steady && lasts_seconds < HORIZON_SECONDS)
            .then_some(Self { bytes_per_second, lasts_seconds })
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    (values.len() >= LEAST_READINGS).then(|| values[values.len() / 2])
}

#[cfg(test)]
mod tests {
    use orchestrator::MemoryUsage;

    use super::*;

    const MIB: f64 = (1 << 20) as f64;

    /// Returns the growth in a hold with four readings per second of `anon(t)` bytes after t
    /// seconds.
    fn growth(seconds: u32, anon: impl Fn(f64) -> f64) -> Option<Growth> {
        let readings: Vec<(Duration, Vec<Usage>)> = (0..seconds * 4)
            .map(|quarter| {
                let at = f64::from(quarter) / 4.0;
                let memory = MemoryUsage { anon_bytes: anon(at) as u64, ..MemoryUsage::default() };
                (Duration::from_secs_f64(at), vec![Usage { memory, ..Usage::default() }])
            })
            .collect();
        let readings: Vec<(Duration, &[Usage])> =
            readings.iter().map(|(at, usage)| (*at, &usage[..])).collect();
        Growth::of(&readings, 64 << 20)
    }

    #[test]
    fn a_leak_is_seen_and_how_long_the_limit_lasts() {
        let leak = growth(15, |at| 20.0 * MIB + at * MIB).unwrap();
        assert!((leak.bytes_per_second / MIB - 1.0).abs() < 0.1, "{leak:?}");
        assert!((leak.lasts_seconds - 29.0).abs() < 4.0, "{leak:?}");
        let noisy = growth(15, |at| 20.0 * MIB + at * MIB + (at * 7.0).sin() * 0.2 * MIB);
        assert!(noisy.is_some());
    }

    #[test]
    fn what_warms_up_or_stays_does_not_leak() {
        assert_eq!(growth(15, |_| 20.0 * MIB), None);
        assert_eq!(growth(15, |at| (30.0 - 10.0 * (-at / 3.0).exp()) * MIB), None, "it slows down");
        assert_eq!(
            growth(15, |at| 20.0 * MIB + if at > 7.0 { 5.0 * MIB } else { 0.0 }),
            None,
            "one step"
        );
        assert_eq!(
            growth(15, |at| 20.0 * MIB + at * 20_000.0),
            None,
            "within what an allocator does"
        );
        assert_eq!(growth(15, |at| 40.0 * MIB - at * MIB), None);
    }

    #[test]
    fn a_short_hold_tells_nothing() {
        assert_eq!(growth(4, |at| 20.0 * MIB + at * MIB), None);
    }
}
