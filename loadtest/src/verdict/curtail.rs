//! Chance that an open window will be decided if it goes on.
//!
//! Stochastic curtailment (Lan, Simon and Halperin, 1982), by predictive power: after a share f of
//! the longest window, a share p of the requests violates a part of the objective, with the
//! standard error s. At the window's end that share is normal around p with a variance of
//! `(1 - f) s^2`, whatever the truth is. Its bounds are then closer to it by the square root of f.

use std::time::Duration;

use super::bounds::{Bounds, Z};
use crate::{measure::Window, slo::Slo};

/// Smallest chance of a decision that justifies more seconds; below it, another trial is better.
pub const LEAST_CHANCE: f64 = 0.1;

/// Returns the approximate chance that the window has passed or failed by the length `longest`.
pub fn chance_to_decide(window: &Window, objective: &Slo, longest: Duration) -> f64 {
    let elapsed = (window.length.as_secs_f64() / longest.as_secs_f64()).min(1.0);
    let latency = objective.latency.iter().enumerate().map(|(i, limit)| {
        Chances::of(
            Bounds::of(&window.slices, |slice| slice.over[i]),
            limit.allowed_over(),
            elapsed,
        )
    });
    let failures = objective
        .failures
        .map(|allowed| {
            Chances::of(Bounds::of(&window.slices, |slice| slice.failures), allowed, elapsed)
        })
        // With no failure at all, more requests would not change the verdict on failures.
        .filter(|_| window.slices.iter().any(|slice| slice.failures > 0));
    let all = latency.chain(failures).fold(Chances { pass: 1.0, fail: 0.0 }, |all, part| Chances {
        pass: all.pass.min(part.pass),
        fail: all.fail.max(part.fail),
    });
    (all.pass + all.fail).min(1.0)
}

/// Chances of a pass and of a fail for one part of an objective.
struct Chances {
    pass: f64,
    fail: f64,
}

impl Chances {
    fn of(bounds: Bounds, allowed: f64, elapsed: f64) -> Self {
        let Bounds { share, lower, upper, .. } = bounds;
        let beyond = |room: f64, width: f64| {
            let spread = width / Z * (1.0 - elapsed).sqrt();
            normal((room - width * elapsed.sqrt()) / spread.max(f64::MIN_POSITIVE))
        };
        Self {
            pass: beyond(allowed - share, upper - share),
            fail: beyond(share - allowed, share - lower),
        }
    }
}

/// Returns the standard normal distribution function, by a logistic approximation that is never off
/// by more than 0.01.
fn normal(z: f64) -> f64 {
    1.0 / (1.0 + (-1.702 * z).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Slice;

    /// Returns the chance after `seconds` of 60. Each half-second slice has 2,500 requests;
    /// `in_tenth` of them are over the limit in every tenth slice and `in_others` in each other
    /// one.
    fn chance(seconds: u64, in_tenth: u32, in_others: u32) -> f64 {
        let over = |i: u64| if i % 10 == 5 { in_tenth } else { in_others };
        let slice = |i| Slice { requests: 2500, failures: 0, over: [over(i), 0, 0, 0] };
        let slices: Vec<Slice> = (0..seconds * 2).map(slice).collect();
        let window = Window {
            length: Duration::from_secs(seconds),
            requests: seconds * 5000,
            slices,
            ..Window::default()
        };
        chance_to_decide(
            &window,
            &"p95<100ms,failures<0.1%".parse().unwrap(),
            Duration::from_secs(60),
        )
    }

    #[test]
    fn what_is_at_the_limit_stays_open() {
        // 1,250 of 25,000 are 5%.
        assert!(chance(15, 1250, 0) > LEAST_CHANCE && chance(25, 1250, 0) < LEAST_CHANCE);
    }

    #[test]
    fn what_is_on_its_way_is_waited_for() {
        for (in_tenth, in_others) in [(600, 0), (1250, 130)] {
            assert!(
                chance(15, in_tenth, in_others) > 0.5,
                "{in_tenth}, {in_others}: {}",
                chance(15, in_tenth, in_others)
            );
        }
    }

    #[test]
    fn the_same_share_is_the_less_likely_to_be_decided_the_less_time_is_left() {
        let chances = [15, 25, 40].map(|seconds| chance(seconds, 1000, 0));
        assert!(chances[0] > chances[1] && chances[1] > chances[2], "{chances:?}");
    }
}
