//! Whether memory still grows at the end of a hold.
//!
//! A service that is warm keeps what it has; one that leaks goes on at the pace of its requests,
//! and a limit that held for the length of a trial does not hold for an hour. Only anonymous memory
//! counts: the kernel takes page cache back.

use std::time::Duration;

use orchestrator::Usage;
use serde::{Deserialize, Serialize};

/// Anonymous memory that a replica takes on, trial or no trial.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Growth {
    /// Of the replica that grows fastest, a second.
    pub bytes_per_second: f64,
    /// Until the limit is full at this pace, in seconds from the end of the hold.
    pub lasts_seconds: f64,
}

/// The shortest hold of which thirds are compared.
const SHORTEST: Duration = Duration::from_secs(6);
/// Readings in a third that have a median.
const LEAST_READINGS: usize = 5;
/// Growth that is seen in a third of a hold, in bytes: less is the allocator's arenas, a page here
/// and there.
const LEAST_BYTES: f64 = 256.0 * 1024.0;
/// The last third has to grow at this share of the pace before it: a service that warms up slows
/// down.
const STEADY: f64 = 0.5;
/// A limit that lasts for longer at this pace is left to be a limit: a trial of a minute cannot
/// tell of days.
const HORIZON_SECONDS: f64 = 3600.0;

impl Growth {
    /// Finds growth in the readings of a hold, each with its time, under a memory limit; `None`
    /// where memory is steady, or lasts for an hour.
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

    /// Four readings a second of a hold, with so much anonymous memory after so many seconds.
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
