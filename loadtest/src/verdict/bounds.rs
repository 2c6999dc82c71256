//! Confidence bounds for a measured share.

use crate::measure::Slice;

/// Width of the bounds in standard errors: one-sided 98.75%, so that four looks at one window err
/// in at most 5% of cases.
pub(super) const Z: f64 = 2.24;
/// Upper bound times n if none of n requests is over, at the same confidence: -ln(0.0125).
const NONE_OF: f64 = 4.4;

/// A share of requests with confidence bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bounds {
    /// Measured share.
    pub(super) share: f64,
    /// Standard error of the share.
    pub(super) standard_error: f64,
    /// Lower confidence bound.
    pub(super) lower: f64,
    /// Upper confidence bound.
    pub(super) upper: f64,
}

impl Bounds {
    /// Returns the bounds for the share of requests that `count` counts in each slice.
    pub(super) fn of(slices: &[Slice], count: impl Fn(&Slice) -> u32) -> Self {
        let used = slices.iter().filter(|s| s.requests > 0);
        let pairs: Vec<(f64, f64)> =
            used.map(|s| (f64::from(s.requests), f64::from(count(s)))).collect();
        let (n, x) = pairs.iter().fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
        if n == 0.0 {
            return Self { share: 0.0, standard_error: 1.0, lower: 0.0, upper: 1.0 };
        }
        if x <= n / 2.0 {
            return Self::of_rare(&pairs, n, x);
        }
        // Above one half, the complement is the rare event.
        let contrary: Vec<(f64, f64)> = pairs.iter().map(|(n, x)| (*n, n - x)).collect();
        Self::of_rare(&contrary, n, n - x).of_the_contrary()
    }

    /// Returns the bounds from slices of (requests, requests over the limit) and their sums.
    fn of_rare(slices: &[(f64, f64)], n: f64, x: f64) -> Self {
        let share = x / n;
        if x == 0.0 {
            return Self::of_share(share, 1.0 / n);
        }
        let m = slices.len() as f64;
        let rest: Vec<f64> = slices.iter().map(|(n, x)| x - share * n).collect();
        let squares: f64 = rest.iter().map(|r| r * r).sum();
        let neighbours: f64 = rest.windows(2).map(|pair| pair[0] * pair[1]).sum();
        let of_slices =
            if m > 1.0 { m / (m - 1.0) * (squares + 2.0 * neighbours.max(0.0)) } else { x * x };
        // Slices that agree by chance must not claim more precision than independent requests
        // allow.
        Self::of_share(share, of_slices.max(x * (1.0 - share)).sqrt() / n)
    }

    /// Returns the bounds for a share with this standard error, that of `(share / standard
    /// error)^2` independent events. If none was seen, the standard error is that of one event.
    pub(super) fn of_share(share: f64, standard_error: f64) -> Self {
        if share > 0.5 {
            return Self::of_share(1.0 - share, standard_error).of_the_contrary();
        }
        if share == 0.0 {
            return Self {
                share,
                standard_error,
                lower: 0.0,
                upper: (NONE_OF * standard_error).min(1.0),
            };
        }
        let events = (share / standard_error).powi(2);
        let of_gamma = |shape: f64, z: f64| {
            shape * (1.0 - 1.0 / (9.0 * shape) + z / (3.0 * shape.sqrt())).powi(3)
        };
        let lower = share * of_gamma(events, -Z).max(0.0) / events;
        let upper = share * of_gamma(events + 1.0, Z) / events;
        Self { share, standard_error, lower, upper: upper.min(1.0) }
    }

    fn of_the_contrary(self) -> Self {
        Self { share: 1.0 - self.share, lower: 1.0 - self.upper, upper: 1.0 - self.lower, ..self }
    }
}
