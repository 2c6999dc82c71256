//! CPU steal on the generator's processors, as the kernel counts it.

/// Reader of the processors' clocks, with the previous reading.
#[derive(Debug)]
pub struct Steal {
    cores: Vec<usize>,
    last: Option<Clock>,
}

/// Ticks of some processors together since the machine started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Clock {
    all: u64,
    stolen: u64,
}

/// Columns of a processor's line in /proc/stat (proc_stat(5)): user, nice, system, idle, iowait,
/// irq, softirq, steal. The guest columns after them are already included in user and nice.
const COLUMNS: usize = 8;
const STEAL: usize = 7;

impl Steal {
    /// Starts reading the processors to which the generator is pinned; all if it is not pinned.
    pub fn new(cores: &[usize]) -> Self {
        let mut steal = Self { cores: cores.to_vec(), last: None };
        steal.take();
        steal
    }

    /// Returns the stolen share of the processors' time since the last call; `None` if the kernel
    /// does not report it. The kernel counts in hundredths of a second.
    pub fn take(&mut self) -> Option<f64> {
        let now = clock(&std::fs::read_to_string("/proc/stat").ok()?, &self.cores)?;
        let before = self.last.replace(now)?;
        let all = now.all.saturating_sub(before.all);
        (all > 0).then(|| now.stolen.saturating_sub(before.stolen) as f64 / all as f64)
    }
}

/// Returns the sum of the clocks of `cores` in the text of /proc/stat; of all if `cores` is empty.
fn clock(stat: &str, cores: &[usize]) -> Option<Clock> {
    if cores.is_empty() {
        return line(stat, "cpu");
    }
    cores.iter().try_fold(Clock::default(), |sum, core| {
        let Clock { all, stolen } = line(stat, &format!("cpu{core}"))?;
        Some(Clock { all: sum.all + all, stolen: sum.stolen + stolen })
    })
}

fn line(stat: &str, name: &str) -> Option<Clock> {
    let line = stat.lines().find(|line| line.split_whitespace().next() == Some(name))?;
    let ticks = line.split_whitespace().skip(1).take(COLUMNS).map(|ticks| ticks.parse().ok());
    let ticks: Vec<u64> = ticks.collect::<Option<_>>()?;
    Some(Clock { all: ticks.iter().sum(), stolen: *ticks.get(STEAL)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "cpu  100 0 50 800 10 1 9 30 7 0\ncpu0 60 0 30 380 10 1 9 10 7 0\ncpu1 40 0 \
        20 420 0 0 0 20 0 0\n\
                        cpu10 1 1 1 1 1 1 1 1 1 1\nintr 5 6 7\nctxt 9\n";

    #[test]
    fn the_named_processors_are_added_up_and_guests_are_not_counted_twice() {
        assert_eq!(clock(STAT, &[]), Some(Clock { all: 1000, stolen: 30 }));
        assert_eq!(clock(STAT, &[1]), Some(Clock { all: 500, stolen: 20 }));
        assert_eq!(clock(STAT, &[0, 1]), Some(Clock { all: 1000, stolen: 30 }));
    }

    #[test]
    fn what_the_kernel_does_not_tell_is_none() {
        for (stat, cores) in [
            ("", &[][..]),
            (STAT, &[2]),
            ("cpu  100 0 50 800 10 1 9\n", &[]), // before Linux 2.6.11
            ("cpu  100 0 50 800 10 1 9 x\n", &[]),
        ] {
            assert_eq!(clock(stat, cores), None, "{stat:?} {cores:?}");
        }
    }
}
