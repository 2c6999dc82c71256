//! Servers with one common queue, simulated by computing when each service begins and ends.
//!
//! With first come, first served, and service times known on arrival, no waiting is needed.
//! A service begins when the first server is free (Kiefer and Wolfowitz's recursion, 1955, G/G/c).

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::{Duration, Instant},
};

#[derive(Debug)]
pub(super) struct Station {
    /// Time at which each server becomes free; `None` for unlimited servers.
    free_at: Option<BinaryHeap<Reverse<Option<Instant>>>>,
    /// End of each waiter's wait, in order of arrival; ascending, since all have the same patience.
    waiting: VecDeque<Instant>,
    max_queue_size: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    Served {
        begins: Instant,
        ends: Instant,
    },
    /// Full queue, with the number of waiters.
    Full(usize),
    /// Request that gives up at this time.
    GivesUp(Instant),
}

impl Station {
    /// Creates a station with this number of servers; `None` for unlimited.
    pub(super) fn new(servers: Option<usize>, max_queue_size: Option<usize>) -> Self {
        let free_at = servers.map(|servers| (0..servers).map(|_| Reverse(None)).collect());
        Self { free_at, waiting: VecDeque::new(), max_queue_size }
    }

    /// Admits a request that arrives at `now` and whose client gives up at `patience`.
    pub(super) fn admit(
        &mut self,
        now: Instant,
        service: Duration,
        patience: Option<Instant>,
    ) -> Admission {
        let free =
            self.free_at.as_ref().and_then(|free_at| free_at.peek()).and_then(|Reverse(at)| *at);
        let begins = free.map_or(now, |free| free.max(now));
        while self.waiting.front().is_some_and(|begins| *begins <= now) {
            self.waiting.pop_front();
        }
        if begins > now && self.max_queue_size.is_some_and(|limit| self.waiting.len() >= limit) {
            return Admission::Full(self.waiting.len());
        }
        if begins > now {
            // A request that gives up waits in the queue until then and never takes a server.
            self.waiting.push_back(patience.map_or(begins, |patience| begins.min(patience)));
        }
        let ends = begins + service;
        match patience {
            Some(patience) if begins >= patience => return Admission::GivesUp(patience),
            _ => {}
        }
        if let Some(mut first) = self.free_at.as_mut().and_then(BinaryHeap::peek_mut) {
            *first = Reverse(Some(ends));
        }
        match patience {
            // The client gives up during its service; the server completes it anyway.
            Some(patience) if ends > patience => Admission::GivesUp(patience),
            _ => Admission::Served { begins, ends },
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_pcg::Pcg32;

    use super::*;
    use crate::service_time::Distribution;

    /// Returns the mean time in the system with Poisson arrivals.
    fn simulate(servers: Option<usize>, arrivals_per_second: f64, service: Distribution) -> f64 {
        let mut random = Pcg32::seed_from_u64(7);
        let between = Distribution::Expovariate(arrivals_per_second);
        let mut station = Station::new(servers, None);
        let mut now = Instant::now();
        let (mut sum, n) = (0.0, 400_000);
        for _ in 0..n {
            now += between.draw(&mut random);
            match station.admit(now, service.draw(&mut random), None) {
                Admission::Served { ends, .. } => sum += (ends - now).as_secs_f64(),
                other => panic!("{other:?}"),
            }
        }
        sum / f64::from(n)
    }

    /// Returns the mean time in an M/M/c (Erlang C).
    fn erlang(c: u32, lambda: f64, mu: f64) -> f64 {
        let a = lambda / mu;
        let rho = a / f64::from(c);
        let term = |k: u32| (1..=k).fold(1.0, |t, i| t * a / f64::from(i));
        let last = term(c) / (1.0 - rho);
        let wait = last / ((0..c).map(term).sum::<f64>() + last);
        wait / (f64::from(c) * mu - lambda) + 1.0 / mu
    }

    #[test]
    fn it_is_the_queue_of_the_textbook() {
        let mu = 100.0;
        for (c, lambda) in [(1, 70.0), (3, 240.0)] {
            let (simulated, theory) = (
                simulate(Some(c as usize), lambda, Distribution::Expovariate(mu)),
                erlang(c, lambda, mu),
            );
            assert!(
                (simulated / theory - 1.0).abs() < 0.05,
                "M/M/{c}: {simulated} against {theory}"
            );
        }
        let unlimited = simulate(None, 900.0, Distribution::Expovariate(mu));
        assert!((unlimited * mu - 1.0).abs() < 0.01, "M/M/inf: {unlimited}");
        // The mean wait in M/D/1 is half of that in M/M/1 (Pollaczek and Khinchine).
        let (constant, rho) = (simulate(Some(1), 70.0, Distribution::Constant(1.0 / mu)), 0.7);
        let theory = (1.0 + rho / (2.0 * (1.0 - rho))) / mu;
        assert!((constant / theory - 1.0).abs() < 0.05, "M/D/1: {constant} against {theory}");
    }

    #[test]
    fn bounds_are_kept() {
        let now = Instant::now();
        let second = Duration::from_secs(1);
        let mut station = Station::new(Some(1), Some(1));
        let served = |begins: u32, ends: u32| Admission::Served {
            begins: now + second * begins,
            ends: now + second * ends,
        };
        assert_eq!(station.admit(now, second, None), served(0, 1));
        assert_eq!(station.admit(now, second, None), served(1, 2));
        assert_eq!(station.admit(now, second, None), Admission::Full(1));
        // At 1 s the waiting request is being served.
        assert_eq!(station.admit(now + second, second, None), served(2, 3));

        let mut station = Station::new(Some(1), None);
        let patience = Some(now + second * 3);
        assert_eq!(station.admit(now, second * 2, None), served(0, 2));
        // It is being served when it gives up: the server is free only at 4 s.
        assert_eq!(station.admit(now, second * 2, patience), Admission::GivesUp(now + second * 3));
        // It gives up before its service begins: the server is not taken.
        assert_eq!(station.admit(now, second, patience), Admission::GivesUp(now + second * 3));
        assert_eq!(station.admit(now, second, None), served(4, 5));

        // A request that has given up does not wait any more, even if its turn would be later.
        let mut station = Station::new(Some(1), Some(1));
        let patience = |at: u32| Some(now + second * (at + 1));
        assert_eq!(station.admit(now, second * 10, None), served(0, 10));
        assert_eq!(station.admit(now, second, patience(0)), Admission::GivesUp(now + second));
        assert_eq!(station.admit(now + second / 2, second, patience(0)), Admission::Full(1));
        assert_eq!(
            station.admit(now + second * 2, second, patience(2)),
            Admission::GivesUp(now + second * 3)
        );
    }
}
