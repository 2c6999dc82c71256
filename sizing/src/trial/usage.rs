//! Log of the replicas' usage during a trial.

use std::time::Duration;

use orchestrator::Usage;

use super::{Growth, TrialUsage};

/// Length of the last part of the load, whose usage explains a trial that ended before its window.
const LAST: Duration = Duration::from_secs(6);

/// Readings of all replicas and of the machine, in time from the start of the load.
#[derive(Debug, Default)]
pub struct UsageLog {
    usage: Vec<(Duration, Vec<Usage>)>,
    /// Time at which users were told to stop, if they were.
    load_ended: Option<Duration>,
    /// Shares of the machine's processor time that a hypervisor gave to others, each since the
    /// reading before it.
    steal: Vec<(Duration, f64)>,
    /// Name of the replica that was killed on purpose.
    killed: Option<String>,
}

impl UsageLog {
    /// Adds a reading.
    pub fn add(&mut self, at: Duration, usage: Vec<Usage>) {
        self.usage.push((at, usage));
    }

    /// Records that a replica was killed on purpose, so that its end is no finding.
    pub fn kill(&mut self, replica: &str) {
        self.killed = Some(replica.to_owned());
    }

    /// Adds the stolen share since the last one was added; adds nothing if the kernel does not
    /// report it.
    pub fn add_steal(&mut self, at: Duration, share: Option<f64>) {
        self.steal.extend(share.map(|share| (at, share)));
    }

    /// Records that users were told to stop. Later readings are not under load: a replica that has
    /// worked off its requests is idle.
    pub fn end_load(&mut self, at: Duration) {
        self.load_ended.get_or_insert(at);
    }

    /// Summarizes the usage. Counters are taken over the readings under load within `from..to`, or
    /// over the last seconds of the load if there are fewer than two; memory and endings over all
    /// readings. `requests_per_second` is the rate of answers in that time.
    pub fn summary(&self, from: Duration, to: Duration, requests_per_second: f64) -> TrialUsage {
        let under_load =
            || self.usage.iter().filter(|(at, _)| self.load_ended.is_none_or(|ended| *at <= ended));
        let within: Vec<_> = under_load().filter(|(at, _)| *at >= from && *at <= to).collect();
        let span = match (within.first(), within.last()) {
            (Some(first), Some(last)) if last.0 > first.0 => Some((*first, *last)),
            _ => under_load().next_back().and_then(|last| {
                let first = under_load().find(|(at, _)| *at + LAST >= last.0)?;
                (last.0 > first.0).then_some((first, last))
            }),
        };
        let mut usage = TrialUsage::default();
        if let Some((first, last)) = span {
            let seconds = (last.0 - first.0).as_secs_f64();
            let sum = |usages: &[Usage], f: fn(&Usage) -> f64| usages.iter().map(f).sum::<f64>();
            let delta = |f: fn(&Usage) -> f64| (sum(&last.1, f) - sum(&first.1, f)).max(0.0);
            usage.cpus_used = delta(|u| u.cpu_seconds) / seconds;
            usage.major_faults_per_second = delta(|u| u.memory.major_faults as f64) / seconds;
            usage.reclaims_per_second = delta(|u| u.memory.reclaims as f64) / seconds;
            let most = |f: fn(&Usage) -> Option<f64>| {
                let each = last
                    .1
                    .iter()
                    .zip(&first.1)
                    .filter_map(|(last, first)| Some(f(last)? - f(first)?));
                each.map(|waited| (waited / seconds).clamp(0.0, 1.0)).max_by(f64::total_cmp)
            };
            usage.cpu_pressure = most(|u| u.cpu_pressure_seconds);
            usage.memory_pressure = most(|u| u.memory_pressure_seconds);
            let periods = delta(|u| u.periods as f64);
            if periods > 0.0 {
                let throttled = delta(|u| u.throttled_periods as f64);
                // Counters of several replicas are not read at the same moment.
                usage.throttled_share = (throttled / periods).min(1.0);
            }
            if requests_per_second > 0.0 {
                usage.cpu_seconds_per_request = Some(usage.cpus_used / requests_per_second);
            }
        }
        let all = || self.usage.iter().flat_map(|(_, usages)| usages);
        usage.memory_peak_bytes = all().map(|u| u.memory.peak_bytes).max().unwrap_or(0);
        usage.anon_bytes = all().map(|u| u.memory.anon_bytes).max().unwrap_or(0);
        usage.file_bytes = all().map(|u| u.memory.file_bytes).max().unwrap_or(0);
        usage.mapped_file_bytes = all().filter_map(|u| u.memory.mapped_file_bytes).max();
        usage.sock_bytes = all().map(|u| u.memory.sock_bytes).max().unwrap_or(0);
        let last_seconds = || span.and_then(|(first, last)| self.steal_share(first.0, last.0));
        usage.steal_share = self.steal_share(from, to).or_else(last_seconds);
        // A probe goes on after a window: later events do not belong to it.
        let by_then = self.usage.iter().rev().find(|(at, _)| *at <= to).or(self.usage.first());
        if let Some((_, last)) = by_then {
            usage.oom_kills = last.iter().map(|u| u.oom_kills).sum();
            usage.restarts = last.iter().map(|u| u.restarts).sum();
        }
        usage.ended = self.ended();
        usage.killed = self.killed();
        usage
    }

    /// Summarizes a window of a probe: as [`Self::summary`], with the memory and the endings of
    /// that window alone.
    pub fn window(&self, from: Duration, to: Duration, requests_per_second: f64) -> TrialUsage {
        let is_within = |at: &Duration| *at >= from && *at <= to;
        let usage = self.usage.iter().filter(|(at, _)| is_within(at)).cloned().collect();
        let steal = self.steal.iter().filter(|(at, _)| is_within(at)).copied().collect();
        let part = Self { usage, steal, load_ended: self.load_ended, killed: self.killed.clone() };
        let before = self.usage.iter().take_while(|(at, _)| *at < from).last();
        let kills = |usages: Option<&(Duration, Vec<Usage>)>| {
            usages.map_or(0, |(_, usages)| usages.iter().map(|usage| usage.oom_kills).sum::<u64>())
        };
        let summary = part.summary(from, to, requests_per_second);
        TrialUsage { oom_kills: summary.oom_kills.saturating_sub(kills(before)), ..summary }
    }

    /// Returns the mean share of the machine's processor time within `from..=to` that a hypervisor
    /// gave to others; `None` if it is unknown.
    pub fn steal_share(&self, from: Duration, to: Duration) -> Option<f64> {
        let stolen: Vec<f64> = self
            .steal
            .iter()
            .filter(|(at, _)| *at >= from && *at <= to)
            .map(|(_, share)| *share)
            .collect();
        (!stolen.is_empty()).then(|| stolen.iter().sum::<f64>() / stolen.len() as f64)
    }

    /// Returns the growth of memory at the end of a hold, under a limit of `limit_bytes` for each
    /// replica.
    pub fn growth(&self, from: Duration, to: Duration, limit_bytes: u64) -> Option<Growth> {
        let until = self.load_ended.map_or(to, |ended| ended.min(to));
        let within = self.usage.iter().filter(|(at, _)| *at >= from && *at <= until);
        Growth::of(&within.map(|(at, usage)| (*at, &usage[..])).collect::<Vec<_>>(), limit_bytes)
    }

    /// Returns the latest reading of every replica.
    pub fn latest(&self) -> &[Usage] {
        self.usage.last().map_or(&[], |(_, usage)| usage)
    }

    /// Returns the replicas that ended by themselves, with the way they ended.
    pub fn ended(&self) -> Vec<String> {
        self.endings().filter(|u| self.killed.as_ref() != Some(&u.replica)).map(ending).collect()
    }

    /// Returns the replica that was killed on purpose, with the way it ended.
    fn killed(&self) -> Option<String> {
        self.endings().find(|u| self.killed.as_ref() == Some(&u.replica)).map(ending)
    }

    fn endings(&self) -> impl Iterator<Item = &Usage> {
        self.usage.last().into_iter().flat_map(|(_, last)| last).filter(|u| !u.running)
    }
}

fn ending(usage: &Usage) -> String {
    format!("{}: {}", usage.replica, usage.end.as_deref().unwrap_or("ended"))
}

#[cfg(test)]
mod tests {
    use orchestrator::MemoryUsage;

    use super::*;

    #[test]
    fn counters_are_taken_over_the_window() {
        let mut readings = UsageLog::default();
        for second in 0..=10 {
            // One CPU while ramping, a tenth of it in the hold.
            let cpu_seconds =
                if second <= 5 { f64::from(second) } else { 5.0 + 0.1 * f64::from(second - 5) };
            let periods = u64::from(second as u32) * 10;
            let memory = MemoryUsage {
                major_faults: u64::from(second as u32) * 3,
                ..MemoryUsage::default()
            };
            let throttled_periods = periods / 2;
            let usage = Usage {
                cpu_seconds,
                periods,
                throttled_periods,
                memory,
                running: true,
                ..Usage::default()
            };
            readings.add(Duration::from_secs(second as u64), vec![usage.clone(), usage]);
            readings.add_steal(
                Duration::from_secs(second as u64),
                Some(if second <= 5 { 0.0 } else { 0.07 }),
            );
        }
        let usage = readings.summary(Duration::from_secs(5), Duration::from_secs(10), 100.0);
        assert!((usage.cpus_used - 0.2).abs() < 1e-9);
        assert!((usage.cpu_seconds_per_request.unwrap() - 0.002).abs() < 1e-9);
        assert!((usage.throttled_share - 0.5).abs() < 1e-9);
        assert!((usage.major_faults_per_second - 6.0).abs() < 1e-9);
        assert!(
            (usage.steal_share.unwrap() - 0.07 * 5.0 / 6.0).abs() < 1e-9,
            "the reading at 5 s included"
        );
        assert!(usage.ended.is_empty());
        let given_up = readings.summary(Duration::from_secs(20), Duration::from_secs(30), 0.0);
        // Six seconds, one of which it ramped.
        assert!((given_up.cpus_used - 2.0 * 1.5 / 6.0).abs() < 1e-9, "{}", given_up.cpus_used);
        assert!(
            (given_up.steal_share.unwrap() - 0.07 * 5.0 / 7.0).abs() < 1e-9,
            "of the same seconds"
        );
    }

    #[test]
    fn only_what_ended_by_itself_is_told() {
        let usage =
            |name: &str, running| Usage { replica: name.to_owned(), running, ..Usage::default() };
        let mut readings = UsageLog::default();
        readings.add(Duration::ZERO, vec![usage("a", true), usage("b", false), usage("c", false)]);
        assert_eq!(readings.ended(), ["b: ended", "c: ended"]);
        readings.kill("c");
        assert_eq!(readings.ended(), ["b: ended"]);
        let told = readings.summary(Duration::ZERO, Duration::MAX, 0.0);
        assert_eq!(
            (told.ended, told.killed),
            (vec!["b: ended".to_owned()], Some("c: ended".to_owned()))
        );
    }

    #[test]
    fn what_is_waited_for_after_a_trial_was_given_up_is_no_load() {
        let mut readings = UsageLog::default();
        for second in 0..=20u32 {
            // Out of its quota for ten seconds, and idle from then on.
            let busy = second.min(10);
            let (periods, throttled_periods) = (u64::from(second) * 10, u64::from(busy) * 10);
            let cpu_seconds = 0.05 * f64::from(busy);
            let usage = Usage {
                cpu_seconds,
                periods,
                throttled_periods,
                running: true,
                ..Usage::default()
            };
            readings.add(Duration::from_secs(second.into()), vec![usage]);
            if second == 10 {
                readings.end_load(Duration::from_secs(10));
            }
        }
        // A window that was not reached, and one that had begun.
        for from in [15, 6] {
            let usage = readings.summary(Duration::from_secs(from), Duration::from_secs(30), 0.0);
            assert!(
                (usage.cpus_used - 0.05).abs() < 1e-9 && usage.throttled_share > 0.999,
                "{from}: {usage:?}"
            );
        }
    }
}
