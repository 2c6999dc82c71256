//! What several windows say together that none of them decides by itself.
//!
//! Trials at one point, each on fresh replicas, differ by more than what is seen within any of them: how the periods of their quotas
//! fall, who shares the cores. So each is a cluster, and all together a ratio estimate (Cochran, Sampling Techniques, 3rd ed., chapter
//! 9A): for k trials with n_i requests of which x_i missed the objective, the share is p = Sum x_i / Sum n_i, with variance
//! k / (k - 1) * Sum (x_i - p n_i)^2 / (Sum n_i)^2. Few trials agree by chance: the variance is never taken to be less than what they say
//! of themselves, and where it is their difference, its bounds are as wide as Student's t distribution with k - 1 degrees of freedom
//! wants (Student, 1908).

use serde::{Deserialize, Serialize};

use super::bounds::{Bounds, Z};
use crate::{
    measure::{Slice, Window},
    slo::Objective,
};

/// The share of a window's requests that missed one part of the objective.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Missed {
    /// The latency limit that they failed to keep, or took longer than, in milliseconds; none for the part about failures.
    pub over_ms: Option<u64>,
    /// The share that may.
    pub allowed: f64,
    /// The share that did.
    pub share: f64,
    /// Of that share, from the window's half-second slices.
    pub standard_error: f64,
}

impl Missed {
    /// Of each part of the objective, in its order.
    pub fn of(window: &Window, objective: &Objective) -> Vec<Self> {
        let of = |over_ms, allowed, count: &dyn Fn(&Slice) -> u32| {
            let Bounds { share, standard_error, .. } = Bounds::of(&window.slices, count);
            Self { over_ms, allowed, share, standard_error }
        };
        let latency = objective.latency.iter().enumerate().map(|(i, limit)| {
            let over_ms = u64::try_from(limit.limit.as_millis()).ok();
            of(over_ms, limit.allowed_over(), &|slice| slice.over[i])
        });
        let failures = objective.failures.map(|allowed| of(None, allowed, &|slice| slice.failures));
        latency.chain(failures).collect()
    }
}

/// Quantiles of Student's t with 1, 2, ... degrees of freedom, of the confidence of which [`Z`] is the normal one; the last one for more.
const T: [f64; 7] = [25.45, 6.205, 4.177, 3.495, 3.163, 2.969, 2.841];

/// What trials at one point say together of a part of the objective.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Together {
    /// How many.
    pub trials: usize,
    /// Which, with the share of all their requests that missed it.
    pub missed: Missed,
    /// The share is no less, with the confidence of a verdict.
    pub at_least: f64,
    /// It is no more.
    pub at_most: f64,
}

impl Together {
    /// Of windows with so many requests each, which are not none, of each part of the objective; nothing if there are no windows, or not of
    /// one objective.
    pub fn of(windows: &[(u64, &[Missed])]) -> Vec<Self> {
        let parts = windows.first().map_or(0, |(_, missed)| missed.len());
        let is_one = windows.iter().all(|(_, missed)| missed.len() == parts);
        (0..parts).filter(|_| is_one).map(|part| Self::of_part(windows, part)).collect()
    }

    /// The part that is missed most, as far as it is proved; where nothing is, as far as it was seen.
    pub fn most(parts: Vec<Self>) -> Option<Self> {
        let proved = |part: &Self| part.at_least / part.missed.allowed;
        let seen = |part: &Self| part.missed.share / part.missed.allowed;
        parts.into_iter().max_by(|a, b| proved(a).total_cmp(&proved(b)).then(seen(a).total_cmp(&seen(b))))
    }

    /// Whether that part is missed.
    pub fn fails(&self) -> bool {
        self.at_least > self.missed.allowed
    }

    /// Whether that part is kept.
    pub fn passes(&self) -> bool {
        self.at_most <= self.missed.allowed
    }

    fn of_part(windows: &[(u64, &[Missed])], part: usize) -> Self {
        let windows: Vec<(f64, Missed)> = windows.iter().map(|(n, missed)| (*n as f64, missed[part])).collect();
        let n: f64 = windows.iter().map(|(n, _)| n).sum();
        let share = windows.iter().map(|(n, missed)| n * missed.share).sum::<f64>() / n;
        let squares = |rest: &dyn Fn(&Missed) -> f64| -> f64 {
            windows.iter().map(|(n, missed)| (n * rest(missed)).powi(2)).sum::<f64>()
        };
        let within = squares(&|missed| missed.standard_error);
        let between = match windows.len() - 1 {
            0 => 0.0,
            others => {
                let widened = T[others.min(T.len()) - 1] / Z;
                (1.0 + 1.0 / others as f64) * squares(&|missed| missed.share - share) * widened.powi(2)
            }
        };
        let standard_error = within.max(between).sqrt() / n;
        let Bounds { lower, upper, .. } = Bounds::of_share(share, standard_error);
        let missed = Missed { share, standard_error, ..windows[0].1 };
        Self { trials: windows.len(), missed, at_least: lower, at_most: upper }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg32;

    use super::*;
    use crate::verdict::{Scope, Verdict, judge};

    /// Windows of 100,000 requests with these percentages over 100 ms, each known to a percentage of `within`.
    fn together(percent: &[f64], within: f64) -> Together {
        let missed = |percent: &f64| Missed {
            over_ms: Some(100),
            allowed: 0.05,
            share: percent / 100.0,
            standard_error: within / 100.0,
        };
        let failed = Missed { over_ms: None, allowed: 0.001, share: 0.0, standard_error: 1e-5 };
        let parts: Vec<[Missed; 2]> = percent.iter().map(|percent| [missed(percent), failed]).collect();
        let windows: Vec<(u64, &[Missed])> = parts.iter().map(|parts| (100_000, parts.as_slice())).collect();
        Together::most(Together::of(&windows)).expect("some windows")
    }

    #[test]
    fn trials_that_each_leave_it_open_fail_together() {
        let percent = [6.6, 6.9, 6.1, 6.8, 6.4];
        assert!(percent.iter().all(|percent| !together(&[*percent], 1.0).fails()));
        let all = together(&percent, 1.0);
        assert!(all.fails() && all.trials == 5 && (all.missed.share - 0.0656).abs() < 1e-9, "{all:?}");
    }

    #[test]
    fn trials_that_differ_widely_do_not_fail_together_however_sure_each_is() {
        let all = together(&[3.0, 9.5, 4.0, 10.0], 0.1);
        assert!(!all.fails() && all.missed.share > 0.06 && all.at_most > 0.1, "{all:?}");
    }

    #[test]
    fn the_part_that_is_missed_most_is_told() {
        let ok = Missed { over_ms: Some(100), allowed: 0.05, share: 0.01, standard_error: 0.001 };
        let failed = Missed { over_ms: None, allowed: 0.001, share: 0.004, standard_error: 0.0005 };
        let all =
            Together::most(Together::of(&[(50_000, &[ok, failed]), (40_000, &[ok, failed])])).expect("two windows");
        assert!(all.fails() && all.missed.over_ms.is_none(), "{all:?}");
        let all = together(&[0.1, 0.7, 16.4], 0.1);
        assert!(!all.fails() && all.at_least == 0.0 && all.missed.over_ms == Some(100), "{all:?}");
        assert_eq!(Together::of(&[]), []);
        assert_eq!(Together::of(&[(50_000, &[])]), [], "a journal of before");
        assert_eq!(Together::of(&[(50_000, &[ok, failed]), (40_000, &[])]), [], "the same, of one of them");
    }

    /// Where the truth is the limit, one in twenty may be called a failure, however much trials differ, and though each one more is a
    /// look more.
    #[test]
    fn looking_again_and_again_rarely_fails_what_holds() {
        let mut rng = Pcg32::seed_from_u64(1);
        let mut normal = || (0..12).map(|_| rng.random_range(0.0..1.0)).sum::<f64>() - 6.0;
        for between in [0.0, 0.5, 1.0, 2.0] {
            let failed = (0..2000).filter(|_| {
                let percent: Vec<f64> =
                    (0..5).map(|_| (5.0 + normal() * between + normal()).clamp(0.01, 20.0)).collect();
                (2..=5).any(|trials| together(&percent[..trials], 1.0).fails())
            });
            let share = failed.count() as f64 / 2000.0;
            assert!(share <= 0.05, "{share} with a deviation of {between} between trials");
        }
    }

    proptest! {
        #[test]
        fn one_window_by_itself_is_judged_as_ever(over in proptest::collection::vec(0u32..2500, 5..60), rare: bool) {
            let over = over.into_iter().map(|over| if rare { over / 10 } else { over });
            let slices: Vec<Slice> =
                over.map(|over| Slice { requests: 2500, failures: 0, over: [over, 0, 0, 0] }).collect();
            let requests = slices.len() as u64 * 2500;
            let window = Window { requests, slices, ..Window::default() };
            let objective = "p95<100ms".parse().unwrap();
            let verdict = judge(&window, &objective, None, Scope::Whole).verdict;
            let missed = Missed::of(&window, &objective);
            let alone = Together::most(Together::of(&[(requests, &missed)])).expect("a window");
            prop_assert_eq!(alone.fails(), verdict == Verdict::Fail);
            prop_assert_eq!(alone.passes(), verdict == Verdict::Pass);
        }
    }
}
