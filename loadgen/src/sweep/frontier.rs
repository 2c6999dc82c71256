//! `--mode frontier`: which limits are not beaten in everything by others.

use super::{
    Load, Minimum, Point, Purpose,
    bisect::{Probe, smallest},
    history::Confirmation,
    strategy::{Asked, Rungs, Search},
};

/// Trades of memory for CPU that are looked for, for each replica count.
const TRADES: usize = 4;

impl Search<'_> {
    /// Tries points with less memory and more CPU than the minimum of a replica count, each up to a ramp; those that hold are on
    /// the front.
    pub(super) fn trades(&self, replicas: u32, top: Rungs, minimum: &Minimum) -> Asked<()> {
        let limits = minimum.point.limits;
        let settings = self.settings;
        let mut at = Rungs {
            cpu: settings.cpus.at_least(f64::from(limits.cpus.millis)),
            memory: settings.memory.at_least(limits.memory_bytes as f64),
        };
        for _ in 0..TRADES {
            let Some(memory) = at.memory.checked_sub(1).filter(|_| at.cpu < top.cpu) else { break };
            // What all CPU there is does not make up for, less does not either.
            if !self.ask(Purpose::Search, replicas, Rungs { cpu: top.cpu, memory })?.passed() {
                break;
            }
            let cpu = smallest(top.cpu, Some(top.cpu), at.cpu + 1, |cpu| {
                let trial = self.ask(Purpose::Search, replicas, Rungs { cpu, memory })?;
                Ok(Some(Probe { passes: trial.passed(), likely: None }))
            })?;
            let Some(cpu) = cpu else { break };
            let traded = Rungs { cpu, memory };
            let ramp = self.spec(Purpose::Confirm, replicas, traded, Load::Ramp);
            if self.history.confirmation(ramp, 1)? != Confirmation::Held {
                break;
            }
            at = traded;
        }
        Ok(())
    }
}

/// The points that no other one beats: none has at most as much CPU in all, as much memory in all and as many replicas, and
/// less of something.
pub fn front(points: &[Point]) -> Vec<Point> {
    let figures =
        |p: &Point| (u64::from(p.replicas) * u64::from(p.limits.cpus.millis), p.total_memory_bytes(), p.replicas);
    let beats = |a: &Point, b: &Point| {
        let (a, b) = (figures(a), figures(b));
        a != b && a.0 <= b.0 && a.1 <= b.1 && a.2 <= b.2
    };
    let mut front: Vec<Point> =
        points.iter().filter(|p| !points.iter().any(|other| beats(other, p))).copied().collect();
    front.sort_unstable_by_key(figures);
    front.dedup();
    front
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beaten_in_everything_is_not_on_the_front() {
        let point = |replicas, millis, mib: u64| Point::new(replicas, millis, mib << 20);
        let points = [
            point(1, 200, 64),
            point(1, 300, 48),
            point(1, 300, 64),
            point(2, 100, 64),
            point(2, 90, 48),
            point(1, 200, 64),
        ];
        // Two replicas with 180 in all are cheaper in CPU, and dearer in memory and in replicas.
        assert_eq!(front(&points), [point(2, 90, 48), point(1, 200, 64), point(1, 300, 48)]);
    }
}
