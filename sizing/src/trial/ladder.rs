//! Ladders of limits: rungs, from the smallest to the largest.

use serde::{Deserialize, Serialize};

/// Ascending limits; never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u64>")]
pub struct Ladder(Vec<u64>);

impl TryFrom<Vec<u64>> for Ladder {
    type Error = &'static str;

    fn try_from(rungs: Vec<u64>) -> Result<Self, Self::Error> {
        Self::new(rungs).ok_or("a ladder has at least one rung")
    }
}

/// Error for a ladder that cannot be built.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{flag} {given:?}: {reason}; write {example}")]
pub struct LadderError {
    flag: &'static str,
    given: String,
    reason: String,
    example: &'static str,
}

impl Ladder {
    /// Creates a ladder from rungs, sorted and without repetition; `None` if there are none.
    pub fn new(mut rungs: Vec<u64>) -> Option<Self> {
        rungs.sort_unstable();
        rungs.dedup();
        (!rungs.is_empty()).then_some(Self(rungs))
    }

    /// Returns rung `index`, or the last rung if there are fewer.
    pub fn rung(&self, index: usize) -> u64 {
        self.0[index.min(self.top())]
    }

    /// Returns the index of the last rung.
    pub fn top(&self) -> usize {
        self.0.len() - 1
    }

    /// Returns the index of the lowest rung that is at least `value`; the top if there is none.
    pub fn at_least(&self, value: f64) -> usize {
        self.0.partition_point(|&rung| (rung as f64) < value).min(self.top())
    }

    /// Returns the index of the highest rung that is at most `value`; `None` if even the first is
    /// more.
    pub fn at_most(&self, value: u64) -> Option<usize> {
        self.0.partition_point(|&rung| rung <= value).checked_sub(1)
    }
}

/// Returns 0.05 processors, 0.06 to 0.18 by 0.02, then 0.2 to `host_millis` by 0.05: the usual
/// quotas.
fn default_cpus(host_millis: u64) -> Vec<u64> {
    let fine = (60..200).step_by(20).chain([50]);
    fine.chain((200..=host_millis).step_by(50))
        .chain([host_millis])
        .filter(|&r| r <= host_millis)
        .collect()
}

const MIB: u64 = 1 << 20;
/// Smallest memory limit that Docker accepts.
const LEAST_MEMORY_BYTES: u64 = 6 * MIB;
/// Largest number of rungs; more are most likely a typing error.
const MOST_RUNGS: u64 = 10_000;

/// Parses `min:max:step` in processors, or a single limit; `None` gives the default ladder up to
/// the host's CPU.
///
/// # Errors
/// Returns an error if the text is neither, or exceeds the host.
pub fn cpu_ladder(given: Option<&str>, host_millis: u64) -> Result<Ladder, LadderError> {
    let example = "--cpus 0.1:1:0.1";
    let error = |given: &str, reason: String| LadderError {
        flag: "--cpus",
        given: given.to_owned(),
        reason,
        example,
    };
    let Some(text) = given else {
        return Ladder::new(default_cpus(host_millis))
            .ok_or_else(|| error("", "the host has no CPU to give".to_owned()));
    };
    let from = |part: &str, least: f64| match part.trim().parse::<f64>() {
        Ok(cpus) if (least..=1024.0).contains(&cpus) => Ok((cpus * 1000.0).round() as u64),
        _ => Err(format!("{part:?} is no number of processors from {least} up")),
    };
    let rungs = range(text, |limit| from(limit, 0.01), |step| from(step, 0.001))
        .map_err(|reason| error(text, reason))?;
    if let Some(over) = rungs.iter().find(|&&r| r > host_millis) {
        let reason = format!(
            "{} processors are more than the {} that this machine has beside the generator",
            *over as f64 / 1000.0,
            host_millis as f64 / 1000.0
        );
        return Err(error(text, reason));
    }
    Ladder::new(rungs).ok_or_else(|| error(text, "no rungs".to_owned()))
}

/// Parses `min:max:step`, or a single limit, with units (`32Mi`, `128m`, `1Gi`; bytes without);
/// `None` gives 32 MiB to 1 GiB by 16 MiB.
///
/// # Errors
/// Returns an error if the text is neither, or exceeds the host.
pub fn memory_ladder(given: Option<&str>, host_bytes: u64) -> Result<Ladder, LadderError> {
    let text = given.unwrap_or("32Mi:1Gi:16Mi");
    let error = |reason: String| LadderError {
        flag: "--memory",
        given: text.to_owned(),
        reason,
        example: "--memory 32Mi:512Mi:16Mi",
    };
    let mut rungs = range(text, bytes, bytes).map_err(error)?;
    if let Some(under) = rungs.iter().find(|&&r| r < LEAST_MEMORY_BYTES) {
        return Err(error(format!(
            "{under} bytes are less than the {} MiB that an Engine takes",
            LEAST_MEMORY_BYTES / MIB
        )));
    }
    if given.is_none() {
        rungs.retain(|&r| r <= host_bytes);
    }
    if let Some(over) = rungs.iter().find(|&&r| r > host_bytes) {
        return Err(error(format!(
            "{} MiB are more than the {} MiB that this machine has",
            over / MIB,
            host_bytes / MIB
        )));
    }
    Ladder::new(rungs).ok_or_else(|| error("no rungs".to_owned()))
}

fn bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let (number, unit) =
        text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len()));
    let scale = match unit.to_ascii_lowercase().trim_end_matches('b').trim_end_matches('i') {
        "" => 1,
        "k" => 1 << 10,
        "m" => MIB,
        "g" => 1 << 30,
        _ => return Err(format!("{text:?} is no size; use Mi or Gi")),
    };
    match number.parse::<f64>() {
        Ok(value)
            if value > 0.0 && value * scale as f64 >= 4096.0 && value * (scale as f64) < 1e15 =>
        {
            Ok((value * scale as f64).round() as u64)
        }
        _ => Err(format!("{text:?} is no size above 4 KiB")),
    }
}

fn range(
    text: &str,
    read: impl Fn(&str) -> Result<u64, String>,
    read_step: impl Fn(&str) -> Result<u64, String>,
) -> Result<Vec<u64>, String> {
    let parts: Vec<&str> = text.split(':').collect();
    if let [only] = parts[..] {
        return Ok(vec![read(only)?]);
    }
    let [min, max, step] = parts[..] else {
        return Err("it is neither min:max:step nor a single limit".to_owned());
    };
    let (min, max, step) = (read(min)?, read(max)?, read_step(step)?);
    if min > max {
        return Err("min is above max".to_owned());
    }
    if (max - min) / step.max(1) > MOST_RUNGS {
        return Err(format!("more than {MOST_RUNGS} rungs"));
    }
    Ok((min..=max)
        .step_by(usize::try_from(step.max(1)).unwrap_or(usize::MAX))
        .chain([max])
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_ladders() {
        let cpus = cpu_ladder(None, 1000).unwrap();
        assert_eq!(
            (0..=10).map(|i| cpus.rung(i)).collect::<Vec<_>>(),
            [50, 60, 80, 100, 120, 140, 160, 180, 200, 250, 300]
        );
        assert_eq!(cpus.rung(cpus.top()), 1000);
        let memory = memory_ladder(None, 1 << 34).unwrap();
        assert_eq!(
            (memory.rung(0), memory.rung(1), memory.rung(memory.top())),
            (32 * MIB, 48 * MIB, 1024 * MIB)
        );
    }

    #[test]
    fn rungs_are_found() {
        let ladder = cpu_ladder(Some("0.1:0.5:0.1"), 1000).unwrap();
        assert_eq!(
            (ladder.at_least(150.0), ladder.at_least(9999.0), ladder.at_least(0.0)),
            (1, 4, 0)
        );
        assert_eq!(
            (ladder.at_most(99), ladder.at_most(100), ladder.at_most(450)),
            (None, Some(0), Some(3))
        );
    }

    #[test]
    fn what_the_host_cannot_give_is_refused() {
        assert!(
            cpu_ladder(Some("0.5:2:0.5"), 1000)
                .unwrap_err()
                .to_string()
                .contains("beside the generator")
        );
        assert!(memory_ladder(Some("32Mi:64Gi:1Gi"), 1 << 33).is_err());
        assert_eq!(cpu_ladder(Some("0.5"), 1000), Ok(Ladder(vec![500])));
        assert_eq!(cpu_ladder(Some("0.02:0.03:0.005"), 1000), Ok(Ladder(vec![20, 25, 30])));
        for wrong in ["x", "1:2", "2:1:1", "a:b:c", "0:1:0.1", "-1:1:1", "0.005", "1:2:0"] {
            assert!(cpu_ladder(Some(wrong), 4000).is_err(), "{wrong} was taken");
        }
    }
}
