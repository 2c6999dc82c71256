//! Resources that the generator used and lacked.

use serde::{Deserialize, Serialize};

/// Generator figures of one second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct GeneratorSecond {
    /// CPU seconds used by the busiest thread.
    pub cpu: f64,
    /// Run-queue delay of the worst thread in seconds: ready to run, waiting for a processor.
    /// `None` if the kernel does not report it.
    pub run_delay: Option<f64>,
    /// CPU steal: share of the generator's processor time that the hypervisor gave to others.
    /// `None` if the kernel does not report it.
    pub steal: Option<f64>,
}

/// Generator figures of a window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct GeneratorLoad {
    /// Largest share of a second that the busiest thread spent on the CPU.
    pub busiest_core: f64,
    /// Run-queue delay (ready to run, waiting for a processor) in the worst second of the worst
    /// thread, as a share of that second. `None` if the kernel does not report it, here and below.
    pub run_delay: Option<f64>,
    /// Mean run-queue delay over the window's seconds, of each second's worst thread, as a share.
    pub run_delay_share: Option<f64>,
    /// CPU steal: share of the generator's processor time in the window that the hypervisor gave to
    /// others.
    pub steal_share: Option<f64>,
}

impl GeneratorSecond {
    /// Adds another thread's figures of the same second.
    pub fn merge(&mut self, other: &Self) {
        self.cpu = self.cpu.max(other.cpu);
        self.run_delay = larger(self.run_delay, other.run_delay);
        self.steal = larger(self.steal, other.steal);
    }
}

impl GeneratorLoad {
    /// Returns the figures of a window of these seconds.
    pub fn of<'a>(seconds: impl Iterator<Item = &'a GeneratorSecond> + Clone) -> Self {
        let run_delays = seconds.clone().filter_map(|second| second.run_delay);
        Self {
            busiest_core: seconds.clone().map(|second| second.cpu).fold(0.0, f64::max),
            run_delay: run_delays.clone().reduce(f64::max),
            run_delay_share: mean(run_delays),
            steal_share: mean(seconds.filter_map(|second| second.steal)),
        }
    }

    /// Keeps the larger of each pair of figures.
    pub fn merge(&mut self, other: &Self) {
        self.busiest_core = self.busiest_core.max(other.busiest_core);
        self.run_delay = larger(self.run_delay, other.run_delay);
        self.run_delay_share = larger(self.run_delay_share, other.run_delay_share);
        self.steal_share = larger(self.steal_share, other.steal_share);
    }
}

fn larger(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    a.into_iter().chain(b).reduce(f64::max)
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_the_window_and_what_is_not_told_stays_so() {
        let mut first = GeneratorSecond { cpu: 0.2, run_delay: Some(0.1), steal: None };
        first.merge(&GeneratorSecond { cpu: 0.5, run_delay: None, steal: None });
        assert_eq!(first, GeneratorSecond { cpu: 0.5, run_delay: Some(0.1), steal: None });
        let second = GeneratorSecond { cpu: 0.1, run_delay: Some(0.3), steal: None };
        let load = GeneratorLoad::of([first, second].iter());
        assert_eq!((load.busiest_core, load.run_delay, load.steal_share), (0.5, Some(0.3), None));
        assert!((load.run_delay_share.unwrap() - 0.2).abs() < 1e-12);
        assert_eq!(GeneratorLoad::of([].iter()), GeneratorLoad::default());
    }
}
