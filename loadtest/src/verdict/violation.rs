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
}
