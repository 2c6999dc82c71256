//! Settings of a sweep and its trials.

use std::str::FromStr;

use loadtest::{slo::Slo, workload::WaitTime};
use serde::{Deserialize, Serialize};

use super::{Ladder, Point};

/// Mode of a sweep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Find the smallest limits that hold all users.
    #[default]
    Minimal,
    /// Find the least CPU for each step of users.
    Demand,
    /// Find the most users that the largest limits hold.
    Capacity,
    /// Find the smallest limits, and what less memory costs in CPU.
    Frontier,
    /// Try every point, and those near the edge three times.
    Grid,
}

/// Quantity to minimize among several answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Minimize {
    /// Cost, by the prices of CPU and memory.
    #[default]
    Cost,
    /// CPU of all replicas together.
    Cpu,
    /// Memory of all replicas together.
    Memory,
    /// Number of replicas.
    Replicas,
}

/// Settings of a sweep and its trials.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Mode of the sweep.
    pub mode: Mode,
    /// Objective to hold.
    #[serde(with = "text")]
    pub objective: Slo,
    /// Users to hold.
    pub max_users: u32,
    /// Users that a ramp adds at a time.
    pub step: u32,
    /// Think time of every user.
    #[serde(with = "text")]
    pub wait_time: WaitTime,
    /// Replica counts to answer for, ascending and without repetition.
    pub replicas: Vec<u32>,
    /// CPU limits of one replica, in thousandths of a processor.
    pub cpus: Ladder,
    /// Memory limits of one replica, in bytes.
    pub memory: Ladder,
    /// CPU limit of all replicas together, in thousandths of a processor.
    pub host_cpus: u64,
    /// Memory limit of all replicas together, in bytes.
    pub host_memory_bytes: u64,
    /// Share of fresh starts that has to hold the objective at the answer.
    pub confidence: f64,
    /// True if limits of running replicas can be changed in place, which probes need.
    pub can_probe: bool,
    /// Headroom above the minimum in the manifests.
    pub headroom: Headroom,
    /// Quantity to minimize among several answers.
    pub minimize: Minimize,
    /// Price of a processor.
    pub cpu_price: f64,
    /// Price of a GiB of memory, in the same unit.
    pub memory_price: f64,
    /// Largest CPU steal, as a share of the machine's processor time, in a valid window that misses
    /// the objective.
    pub max_steal: f64,
    /// Seed of the users' behaviour: trials with the same load have the same think times.
    pub seed: u64,
}

/// Headroom above the minimum, as shares of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Headroom {
    /// Share of additional CPU.
    pub cpu: f64,
    /// Share of additional memory.
    pub memory: f64,
}

impl FromStr for Headroom {
    type Err = String;

    /// Parses `cpu=20%,memory=15%`; a part that is left out is 0.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut headroom = Self::default();
        for part in text.split(',') {
            let (name, share) = part
                .split_once('=')
                .ok_or_else(|| format!("{part:?}: write cpu=20%,memory=15%"))?;
            let number = share
                .trim()
                .strip_suffix('%')
                .ok_or_else(|| format!("{share:?} is no percentage: write 20%"))?;
            let share =
                number.trim().parse::<f64>().ok().filter(|share| (0.0..=1000.0).contains(share));
            let share =
                share.ok_or_else(|| format!("{number:?}%: headroom is from 0% to 1000%"))? / 100.0;
            match name.trim() {
                "cpu" => headroom.cpu = share,
                "memory" => headroom.memory = share,
                other => return Err(format!("{other:?}: headroom is of cpu or memory")),
            }
        }
        Ok(headroom)
    }
}

/// Indices of a point's limits on their ladders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rungs {
    /// Index on the ladder of CPU limits.
    pub cpu: usize,
    /// Index on the ladder of memory limits.
    pub memory: usize,
}

impl Settings {
    /// Returns the settings of the default sweep on a machine with one processor beside the
    /// generator, for tests and benchmarks.
    #[doc(hidden)]
    pub fn example() -> Self {
        let ladder = |given: Result<Ladder, super::LadderError>| {
            given.unwrap_or_else(|_| unreachable!("the default ladders fit"))
        };
        Self {
            mode: Mode::Minimal,
            objective: Slo::default(),
            max_users: 10_000,
            step: 500,
            wait_time: WaitTime::default(),
            replicas: vec![1],
            cpus: ladder(super::cpu_ladder(None, 1000)),
            memory: ladder(super::memory_ladder(None, 1 << 34)),
            host_cpus: 1000,
            host_memory_bytes: 1 << 34,
            confidence: 0.95,
            can_probe: true,
            headroom: Headroom::default(),
            minimize: Minimize::Cost,
            cpu_price: 1.0,
            memory_price: 0.11,
            max_steal: 0.02,
            seed: 1,
        }
    }

    /// Returns the point with these limits.
    pub fn point(&self, replicas: u32, rungs: Rungs) -> Point {
        Point::new(replicas, self.cpus.rung(rungs.cpu), self.memory.rung(rungs.memory))
    }

    /// Returns the largest limits that this many replicas can have on this host; `None` if not even
    /// the smallest fit.
    pub fn top(&self, replicas: u32) -> Option<Rungs> {
        let each = u64::from(replicas.max(1));
        Some(Rungs {
            cpu: self.cpus.at_most(self.host_cpus / each)?,
            memory: self.memory.at_most(self.host_memory_bytes / each)?,
        })
    }

    /// Returns the rungs of a point; `None` if its limits are on no rung, as in a sweep with other
    /// ladders.
    pub fn rungs(&self, point: Point) -> Option<Rungs> {
        let rung = |ladder: &Ladder, value: u64| {
            ladder.at_most(value).filter(|rung| ladder.rung(*rung) == value)
        };
        Some(Rungs {
            cpu: rung(&self.cpus, point.limits.cpus.millis.into())?,
            memory: rung(&self.memory, point.limits.memory_bytes)?,
        })
    }

    /// Returns the cost of all replicas of a point, in the quantity to minimize: for money,
    /// replicas x (CPU price x processors + memory price x GiB).
    pub fn cost(&self, point: Point) -> f64 {
        let gib = point.total_memory_bytes() as f64 / (1u64 << 30) as f64;
        match self.minimize {
            Minimize::Cost => self.cpu_price * point.total_cpus() + self.memory_price * gib,
            Minimize::Cpu => point.total_cpus(),
            Minimize::Memory => gib,
            Minimize::Replicas => f64::from(point.replicas),
        }
    }

    /// Returns the point for the manifests: the minimum with headroom, rounded up to rungs; `None`
    /// without headroom.
    pub fn recommended(&self, minimum: Point) -> Option<Point> {
        if self.headroom == Headroom::default() {
            return None;
        }
        let (cpus, bytes) =
            (f64::from(minimum.limits.cpus.millis), minimum.limits.memory_bytes as f64);
        let top = self.top(minimum.replicas)?;
        let cpu = self.cpus.at_least(cpus * (1.0 + self.headroom.cpu) - 1e-6).min(top.cpu);
        let memory =
            self.memory.at_least(bytes * (1.0 + self.headroom.memory) - 1e-3).min(top.memory);
        Some(self.point(minimum.replicas, Rungs { cpu, memory }))
    }
}

/// Values in files as the text of the command line.
mod text {
    use std::{fmt::Display, str::FromStr};

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<T: Display, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_they_were_written() {
        let settings = Settings {
            objective: "p99.9<1.5s,failures<0.1%".parse().unwrap(),
            headroom: Headroom { cpu: 0.2, memory: 0.0 },
            ..Settings::example()
        };
        let text = serde_json::to_string(&settings).unwrap();
        assert!(text.contains("\"p99.9<1500ms,failures<0.1%\""), "{text}");
        assert_eq!(serde_json::from_str::<Settings>(&text).unwrap(), settings);
        let empty = text.replace(&serde_json::to_string(&settings.cpus).unwrap(), "[]");
        assert!(serde_json::from_str::<Settings>(&empty).is_err(), "a ladder has a rung");
    }
}
