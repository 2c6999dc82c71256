//! Windows as a journal keeps them.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hdrhistogram::{Histogram, serialization::Deserializer};
use loadtest::{
    measure::{FailureKind, Failures, GeneratorLoad, Latencies, Window},
    verdict::ViolationRate,
};

use super::{AgainError, clustering::Clustering};
use crate::trial::{Histograms, Reading, StepResult};

/// Part of a window that a journal keeps.
pub(super) struct Kept<'a> {
    pub(super) users: u32,
    pub(super) requests: u64,
    pub(super) failures: u64,
    seconds: f64,
    failed: BTreeMap<FailureKind, Failures>,
    rates: &'a [ViolationRate],
    lag_ms: f64,
    generator: GeneratorLoad,
}

impl<'a> Kept<'a> {
    /// Takes the window of a step.
    pub(super) fn step(step: &'a StepResult) -> Self {
        let failed = step.failed.iter().map(|(kind, count)| {
            // A kind of a later version counts as an answer with an error.
            (kind.parse().unwrap_or(FailureKind::Malformed), *count)
        });
        Self {
            users: step.users,
            requests: step.requests,
            failures: step.failures,
            seconds: step.window_seconds,
            failed: by_kind(failed),
            rates: &step.violation_rates,
            lag_ms: step.lag_p99_ms,
            generator: GeneratorLoad {
                busiest_core: step.generator_busy,
                run_delay: None,
                run_delay_share: step.generator_run_delay,
                steal_share: step.generator_steal,
            },
        }
    }

    /// Takes the window of a reading, whose failures are kept without their kinds.
    pub(super) fn reading(reading: &'a Reading) -> Self {
        Self {
            users: reading.users,
            requests: reading.requests,
            failures: reading.failures,
            seconds: reading.window_seconds,
            failed: by_kind([(FailureKind::Timeout, reading.failures)].into_iter()),
            rates: &reading.violation_rates,
            lag_ms: 0.0,
            generator: GeneratorLoad::default(),
        }
    }

    /// Returns the violation rate of a limit that was counted in slices.
    pub(super) fn counted(&self, limit_ms: f64) -> Option<ViolationRate> {
        let is_it =
            |rate: &&ViolationRate| rate.over_ms.is_some_and(|ms| (ms - limit_ms).abs() < 1e-6);
        self.rates.iter().find(is_it).copied()
    }

    /// Returns the limits that were counted, as a text.
    pub(super) fn limits(&self) -> String {
        let all: Vec<String> =
            self.rates.iter().filter_map(|rate| Some(format!("{} ms", rate.over_ms?))).collect();
        if all.is_empty() { "of failures".to_owned() } else { all.join(", ") }
    }

    /// Returns the share of requests that failed or took longer than a limit that was not counted.
    pub(super) fn share_over(
        &self,
        limit: Duration,
        intended: &Latencies,
        clustering: &Clustering,
    ) -> ViolationRate {
        let over = intended.count_over(limit) + self.failures;
        let over = over.saturating_sub(self.counted_twice(intended)).max(self.failures);
        self.rate(over, clustering)
    }

    /// Returns the share of failed requests.
    pub(super) fn failure_rate(&self, clustering: &Clustering) -> ViolationRate {
        let counted = self.rates.iter().find(|rate| rate.over_ms.is_none());
        counted.copied().unwrap_or_else(|| self.rate(self.failures, clustering))
    }

    /// Returns a window for a judgement by rates.
    pub(super) fn window(self, intended: Option<Latencies>) -> Window {
        let mut lag = Latencies::default();
        lag.record(Duration::from_secs_f64(self.lag_ms.max(0.0) / 1e3));
        let intended = intended.unwrap_or_default();
        Window {
            length: Duration::from_secs_f64(self.seconds),
            users: self.users,
            requests: self.requests,
            failures: self.failed,
            service: intended.clone(),
            intended,
            lag,
            generator: self.generator,
            ..Window::default()
        }
    }

    /// Returns the failed requests that are in the histogram and over a counted limit: timeouts and
    /// late errors. They are over any limit nearby too.
    fn counted_twice(&self, intended: &Latencies) -> u64 {
        let counted = self.rates.iter().find_map(|rate| Some((rate.over_ms?, rate.share)));
        let Some((limit_ms, share)) = counted else { return 0 };
        let violated = (share * self.requests as f64).round() as u64;
        let over = intended.count_over(Duration::from_secs_f64(limit_ms / 1e3));
        (over + self.failures).saturating_sub(violated).min(self.failures)
    }

    fn rate(&self, violated: u64, clustering: &Clustering) -> ViolationRate {
        // A window without requests proves nothing: its standard error is 1.
        let share = (violated as f64 / self.requests.max(1) as f64).min(1.0);
        let standard_error = clustering.standard_error(share, self.requests, self.seconds);
        ViolationRate { over_ms: None, allowed: 0.0, share, standard_error, quantile_ms: None }
    }
}

fn by_kind(failed: impl Iterator<Item = (FailureKind, u64)>) -> BTreeMap<FailureKind, Failures> {
    let mut all: BTreeMap<FailureKind, Failures> = BTreeMap::new();
    for (kind, count) in failed.filter(|(_, count)| *count > 0) {
        all.entry(kind).or_default().count += count;
    }
    all
}

/// Returns the distribution of intended times; `None` if the window has none.
pub(super) fn decoded(
    histograms: Option<&Histograms>,
    trial: usize,
    kept: &Kept<'_>,
) -> Result<Option<Latencies>, AgainError> {
    let Some(histograms) = histograms else { return Ok(None) };
    let unreadable = |why: String| AgainError::Unreadable { trial, users: kept.users, why };
    let bytes = STANDARD.decode(&histograms.intended).map_err(|e| unreadable(e.to_string()))?;
    let histogram: Histogram<u64> = Deserializer::new()
        .deserialize(&mut bytes.as_slice())
        .map_err(|e| unreadable(format!("{e:?}")))?;
    Ok(Some(histogram.into()))
}
