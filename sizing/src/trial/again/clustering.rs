//! Clustering of violations: how much less a window's requests tell than independent ones.
//!
//! Requests of one quota period share its stall, so a share of violations has a larger standard
//! error than that of as many independent requests. The factor on the variance (the design effect;
//! Kish, Survey Sampling, 1965) depends on how heavy the violation is: a few slow requests are
//! scattered, a backlog fills whole slices. So the factor of a limit that was not counted is the
//! largest one of windows with a similar share over a counted limit. Without such a window it is
//! that of slices which violate the limit in all of their requests or in none, the largest that
//! there is.

use loadtest::{measure::SLICE, verdict::ViolationRate};

use crate::trial::Trial;

/// Largest ratio of the odds of similar shares.
const SIMILAR: f64 = 3.0;

/// Design effects of a sweep's windows, by share.
#[derive(Debug, Default)]
pub(super) struct Clustering(Vec<(f64, f64)>);

impl Clustering {
    /// Collects the design effects of all limits that were counted.
    pub(super) fn of(trials: &[Trial]) -> Self {
        let steps = trials.iter().flat_map(|trial| &trial.steps);
        let of_steps = steps.flat_map(|s| s.violation_rates.iter().map(|rate| (s.requests, rate)));
        let readings = trials.iter().flat_map(|trial| &trial.readings);
        let of_readings =
            readings.flat_map(|r| r.violation_rates.iter().map(|rate| (r.requests, rate)));
        Self(of_steps.chain(of_readings).filter_map(|(n, rate)| effect(n, rate)).collect())
    }

    /// Returns the standard error of a share that was not counted in slices.
    pub(super) fn standard_error(&self, share: f64, requests: u64, window_seconds: f64) -> f64 {
        let requests = requests.max(1) as f64;
        if share <= 0.0 || share >= 1.0 {
            return 1.0 / requests;
        }
        let is_similar = |(known, _): &&(f64, f64)| {
            let ratio = odds(*known) / odds(share);
            (1.0 / SIMILAR..=SIMILAR).contains(&ratio)
        };
        let similar = self.0.iter().filter(is_similar).map(|(_, effect)| *effect);
        let slices = (window_seconds / SLICE.as_secs_f64()).max(1.0);
        let whole_slices = (requests / slices).max(1.0);
        let effect = similar.reduce(f64::max).unwrap_or(whole_slices);
        (share * (1.0 - share) / requests * effect).sqrt()
    }
}

/// Returns the share of a counted limit and its design effect; `None` for a share without variance.
fn effect(requests: u64, rate: &ViolationRate) -> Option<(f64, f64)> {
    let ViolationRate { share, standard_error, .. } = *rate;
    let independent = share * (1.0 - share) / requests as f64;
    (requests > 0 && share > 0.0 && share < 1.0)
        .then(|| (share, (standard_error.powi(2) / independent).max(1.0)))
}

fn odds(share: f64) -> f64 {
    share / (1.0 - share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similar_shares_have_similar_errors_and_unknown_ones_the_largest() {
        let clustering = Clustering(vec![(0.05, 9.0), (0.5, 400.0)]);
        let independent = |share: f64| (share * (1.0 - share) / 10_000.0_f64).sqrt();
        let factor =
            |share: f64| clustering.standard_error(share, 10_000, 10.0) / independent(share);
        assert!((factor(0.04) - 3.0).abs() < 1e-9, "{}", factor(0.04));
        assert!((factor(0.4) - 20.0).abs() < 1e-9, "{}", factor(0.4));
        // 20 slices of 500 requests.
        assert!((factor(0.001) - 500.0_f64.sqrt()).abs() < 1e-9, "{}", factor(0.001));
        assert!((clustering.standard_error(0.0, 10_000, 10.0) - 1e-4).abs() < 1e-12);
    }
}
