//! Whether a window that is open yet is likely to be decided by going on.
//!
//! Stochastic curtailment (Lan, Simon and Halperin, 1982), by predictive power: after a share f of
//! the longest window a part of the objective has been missed by a share p of the requests, with
//! the standard error s. At the window's end that share will be normal around p with a variance of
//! (1 - f) s^2, whatever the truth is, and its bounds will be closer to it by the square root of f.

use std::time::Duration;

use super::bounds::{Bounds, Z};
use crate::{measure::Window, slo::Objective};

/// Seconds that are less likely to decide are better spent on another trial.
pub const LEAST_CHANCE: f64 = 0.1;

/// The chance, about, that the window will have passed or failed by the time it is as long as
/// `longest`.
pub fn chance_to_decide(window: &Window, objective: &Objective, longest: Duration) -> f64 {
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
        // None at all is no question that more of them could answer.
        .filter(|_| window.slices.iter().any(|slice| slice.failures > 0));
    let all = latency.chain(failures).fold(Chances { pass: 1.0, fail: 0.0 }, |all, part| Chances {
        pass: all.pass.min(part.pass),
        fail: all.fail.max(part.fail),
    });
    (all.pass + all.fail).min(1.0)
}

/// Of one part of an objective.
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

/// The standard normal distribution, by the logistic one that is never more than 0.01 from it.
fn normal(z: f64) -> f64 {
    1.0 / (1.0 + (-1.702 * z).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Slice;

    /// After `seconds` of 60, with slices of half a second of which every tenth has `in_tenth` of
    /// 2,500 over, each other one `in_others`.
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
