//! Figures of the objective that charts show.

use loadtest::{measure::Percentiles, verdict::ViolationRate};
use sizing::trial::Settings;

/// Returns the latency at the objective's percentile, or p95 without a latency limit.
pub(super) fn percentile(rates: &[ViolationRate], ms: &Percentiles) -> f64 {
    rates.iter().find_map(|rate| rate.quantile_ms).unwrap_or(ms.p95)
}

/// Returns the name of the objective's percentile.
pub(super) fn percentile_name(settings: &Settings) -> String {
    let quantile = settings.objective.latency.first().map_or(0.95, |limit| limit.quantile);
    format!("p{}", super::number(quantile * 100.0))
}

/// Returns the first latency limit, or 100 ms without one.
pub(super) fn limit_ms(settings: &Settings) -> f64 {
    settings.objective.latency.first().map_or(100.0, |limit| limit.limit.as_secs_f64() * 1e3)
}

/// Returns the share of violations that the objective allows.
pub(super) fn allowed(settings: &Settings) -> f64 {
    let latency = settings.objective.latency.first().map(|limit| limit.allowed_over());
    latency.or(settings.objective.failures).unwrap_or(0.05)
}
