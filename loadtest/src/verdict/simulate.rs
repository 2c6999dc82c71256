//! Simulated services with a known truth, to measure how often verdicts are wrong.
//!
//! Latencies are correlated as under a CPU quota: in a stalled quota period (100 ms) most requests
//! are over the limit. A stalled period makes the next one likely to be stalled too, since its
//! backlog is still there.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_distr::{Binomial, Distribution, Poisson};
use rand_pcg::Pcg64;

use super::{Look, Looks, Scope, Verdict};
use crate::{
    measure::{SLICE, Slice, Window},
    slo::{LatencyLimit, Slo},
};

/// Truth about a service: its share of requests over the limit, relative to the allowed share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// 10% or more below the allowed share.
    Holds,
    /// 10% or more above the allowed share.
    Misses,
    /// Within 10% of the allowed share: either verdict is acceptable.
    Edge,
}

/// Counts of verdicts on many services with the same truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Counts {
    pub truth: Truth,
    pub pass: u32,
    pub fail: u32,
    pub undecided: u32,
    /// Seconds of all windows together.
    pub seconds: u64,
}

/// Requests per second: 10,000 users with the default think time.
const RATE: f64 = 5714.0;
const PERIOD: Duration = Duration::from_millis(100);
/// Share of a stalled period's requests that are over the limit: those that came before the quota
/// was refilled.
const OVER_IN_STALL: f64 = 0.8;
const ALLOWED: f64 = 0.05;
/// Seconds after which a window is looked at, as in sweeps.
const LOOKS: [u64; 4] = [15, 25, 40, 60];

/// Judges `services` services with a share of `ratio` x 5% of the requests over the limit, against
/// p95. A window ends early if the chance of a decision is below `least_chance`.
pub fn judge_services(services: u32, ratio: f64, least_chance: f64, seed: u64) -> Counts {
    let truth = match ratio {
        r if r <= 0.9 => Truth::Holds,
        r if r >= 1.1 => Truth::Misses,
        _ => Truth::Edge,
    };
    let mut counts = Counts { truth, pass: 0, fail: 0, undecided: 0, seconds: 0 };
    for service in 0..services {
        let mut rng = Pcg64::seed_from_u64(seed ^ (u64::from(service) << 20) ^ ratio.to_bits());
        let (verdict, seconds) = verdict_on(ratio, least_chance, &mut rng);
        counts.seconds += seconds;
        match verdict {
            Verdict::Pass => counts.pass += 1,
            Verdict::Fail => counts.fail += 1,
            Verdict::Undecided | Verdict::Invalid => counts.undecided += 1,
        }
    }
    counts
}

fn verdict_on(ratio: f64, least_chance: f64, rng: &mut Pcg64) -> (Verdict, u64) {
    let limit = LatencyLimit { quantile: 1.0 - ALLOWED, limit: Duration::from_millis(100) };
    let objective = Slo { latency: vec![limit], failures: None, rate: None };
    // Stalls range from single periods to runs of four periods.
    let persistence = rng.random_range(0.0..0.75);
    let mut periods = Periods::new(ratio * ALLOWED / OVER_IN_STALL, persistence, rng);
    let mut window = Window::default();
    let slices_a_second = Duration::from_secs(1).div_duration_f64(SLICE) as usize;
    let looks = Looks::after(LOOKS).give_up_below(least_chance);
    for seconds in LOOKS {
        while window.slices.len() < seconds as usize * slices_a_second {
            let slice = periods.slice(rng);
            window.requests += u64::from(slice.requests);
            window.slices.push(slice);
        }
        window.length = Duration::from_secs(seconds);
        match looks.look(&window, &objective, None, Scope::Whole) {
            Look::Decided(judged) => return (judged.verdict, seconds),
            Look::Futile(_) => return (Verdict::Undecided, seconds),
            Look::Open(_) => {}
        }
    }
    (Verdict::Undecided, looks.longest())
}

/// Quota periods as a two-state Markov chain: stalled or not.
struct Periods {
    is_stalled: bool,
    /// Chance that a stalled period follows a stalled one.
    stays: f64,
    /// Chance that a stalled period follows one that is not stalled.
    begins: f64,
}

impl Periods {
    fn new(share: f64, persistence: f64, rng: &mut Pcg64) -> Self {
        // Stationary share of stalled periods: begins / (begins + 1 - stays).
        let stays = persistence + (1.0 - persistence) * share;
        let begins = share * (1.0 - stays) / (1.0 - share);
        Self { is_stalled: rng.random_bool(share), stays, begins }
    }

    fn slice(&mut self, rng: &mut Pcg64) -> Slice {
        let mut slice = Slice::default();
        for _ in 0..SLICE.div_duration_f64(PERIOD) as u32 {
            self.is_stalled =
                rng.random_bool(if self.is_stalled { self.stays } else { self.begins });
            let mean = RATE * PERIOD.as_secs_f64();
            let requests = Poisson::new(mean).map_or(mean, |poisson| poisson.sample(rng)) as u64;
            slice.requests += requests as u32;
            if self.is_stalled {
                slice.over[0] +=
                    Binomial::new(requests, OVER_IN_STALL).map_or(0, |b| b.sample(rng)) as u32;
            }
        }
        slice
    }
}

#[cfg(test)]
mod tests {
    use super::{super::LEAST_CHANCE, *};

    #[test]
    fn verdicts_are_wrong_in_at_most_5_percent() {
        for ratio in [0.7, 0.9, 1.1, 1.3] {
            let services = 400;
            let counts = judge_services(services, ratio, LEAST_CHANCE, 7);
            let wrong = if counts.truth == Truth::Holds { counts.fail } else { counts.pass };
            assert!(wrong <= services / 20, "{ratio}: {counts:?}");
        }
    }

    #[test]
    fn what_is_far_from_the_limit_is_decided() {
        let (good, bad) =
            (judge_services(200, 0.3, LEAST_CHANCE, 7), judge_services(200, 3.0, LEAST_CHANCE, 7));
        // Not all: a minute sees only three or four stalls of a service whose stalls last long.
        assert!(good.pass > 160 && bad.fail > 190, "{good:?} {bad:?}");
    }

    #[test]
    fn what_is_given_up_would_hardly_have_been_decided() {
        for ratio in [0.5, 0.8, 1.0, 1.5] {
            let services = 400;
            let [whole, curtailed] =
                [0.0, LEAST_CHANCE].map(|least| judge_services(services, ratio, least, 7));
            let lost = curtailed.undecided - whole.undecided;
            assert!(lost <= services / 20, "{ratio}: {whole:?} {curtailed:?}");
            assert!(curtailed.seconds < whole.seconds, "{ratio}: {whole:?} {curtailed:?}");
        }
    }
}
