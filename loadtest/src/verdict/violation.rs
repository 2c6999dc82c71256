//! Violation rates of a window, by part of the objective.

use serde::{Deserialize, Serialize};

use super::bounds::Bounds;
use crate::{
    measure::{Slice, Window},
    slo::Slo,
};

/// Share of a window's requests that violated one part of the objective.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ViolationRate {
    /// Latency limit of this part, in milliseconds; none for the failure limit.
    pub over_ms: Option<f64>,
    /// Share that the objective allows.
    pub allowed: f64,
    /// Measured share.
    pub share: f64,
    /// Standard error of the measured share, from the window's half-second slices.
    pub standard_error: f64,
    /// Latency from the intended time at the objective's quantile, in milliseconds; none for the
    /// failure limit, or without requests.
    pub quantile_ms: Option<f64>,
}

impl ViolationRate {
    /// Returns the rate of each part of the objective, latency limits first.
    pub fn of(window: &Window, objective: &Slo) -> Vec<Self> {
        let of = |over_ms, allowed, quantile_ms, count: &dyn Fn(&Slice) -> u32| {
            let Bounds { share, standard_error, .. } = Bounds::of(&window.slices, count);
            Self { over_ms, allowed, share, standard_error, quantile_ms }
        };
        let is_measured = window.intended.count() > 0;
        let latency = objective.latency.iter().enumerate().map(|(i, limit)| {
            let over_ms = Some(limit.limit.as_secs_f64() * 1e3);
            let quantile_ms =
                is_measured.then(|| window.intended.quantile(limit.quantile).as_secs_f64() * 1e3);
            of(over_ms, limit.allowed_over(), quantile_ms, &|slice| slice.over[i])
        });
        let failures =
            objective.failures.map(|allowed| of(None, allowed, None, &|slice| slice.failures));
        latency.chain(failures).collect()
    }

    /// Returns the rate over several windows together, each given with its requests; `None` without
    /// requests. The windows count as independent.
    pub fn pooled(rates: &[(u64, &Self)]) -> Option<Self> {
        let requests: f64 = rates.iter().map(|(requests, _)| *requests as f64).sum();
        let (_, first) = rates.iter().find(|(requests, _)| *requests > 0)?;
        let share = rates.iter().map(|(n, rate)| rate.share * *n as f64).sum::<f64>() / requests;
        // A window without a violation has the standard error of a single event, as all have
        // together.
        let violated = rates.iter().filter(|(_, rate)| rate.share > 0.0);
        let squares: f64 =
            violated.map(|(n, rate)| (rate.standard_error * *n as f64).powi(2)).sum();
        let standard_error = if share > 0.0 { squares.sqrt() } else { 1.0 } / requests;
        Some(Self { share, standard_error, quantile_ms: None, ..**first })
    }

    /// Returns the confidence bounds of the share.
    pub(super) fn bounds(&self) -> Bounds {
        Bounds::of_share(self.share, self.standard_error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slices(over: &[u32]) -> Vec<Slice> {
        let slice =
            |over: &u32| Slice { requests: 100, over: [*over, 0, 0, 0], ..Slice::default() };
        over.iter().map(slice).collect()
    }

    #[test]
    fn a_rate_has_the_bounds_of_its_slices() {
        let objective: Slo = "p95<100ms".parse().unwrap();
        for over in [&[0, 0, 0, 0][..], &[0, 3, 9, 0], &[60, 20, 100, 90], &[100; 4], &[50; 4]] {
            let window = Window { slices: slices(over), ..Window::default() };
            let rate = ViolationRate::of(&window, &objective)[0].bounds();
            let bounds = Bounds::of(&window.slices, |slice| slice.over[0]);
            for (mine, its) in [(rate.lower, bounds.lower), (rate.upper, bounds.upper)] {
                assert!((mine - its).abs() < 1e-9, "{over:?}: {rate:?}, {bounds:?}");
            }
        }
    }

    #[test]
    fn windows_are_pooled_by_their_requests() {
        let rate = |share, standard_error| ViolationRate {
            over_ms: None,
            allowed: 0.001,
            share,
            standard_error,
            quantile_ms: None,
        };
        let (few, many) = (rate(0.01, 0.001), rate(0.0, 1.0 / 9000.0));
        let pooled = ViolationRate::pooled(&[(1000, &few), (9000, &many)]).unwrap();
        assert!((pooled.share - 0.001).abs() < 1e-12 && pooled.standard_error > 0.0);
        assert!((pooled.standard_error - 1e-4).abs() < 1e-12, "{pooled:?}");
        assert_eq!(ViolationRate::pooled(&[(0, &few)]), None);
    }
}
