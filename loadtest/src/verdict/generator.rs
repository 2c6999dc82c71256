//! Detection of windows that the generator, not the server, limited.

use std::time::Duration;

use crate::{
    measure::{GeneratorLoad, Window},
    slo::Slo,
};

/// Largest p99 lateness of the generator in a valid window, as a share of the tightest latency
/// limit.
pub(super) const MAX_LAG_SHARE: f64 = 0.2;
/// Share of a window in which the generator may be kept from its processors, by other threads
/// (run-queue delay) or by the hypervisor (steal). Answers that come while it waits seem that much
/// slower, and a p95 allows only 5% of them. Many short waits are harmless, so the share counts
/// only if requests were late too.
const MAX_WAITING: f64 = 0.05;
/// Factor on the lag if the generator waits for processors. Lag is measured where requests are
/// begun; a waiting generator is as late again where answers are read, so half the lag is too much.
const WAITING_LAG_FACTOR: u32 = 2;
/// Share of a second that the busiest load thread may compute.
const MAX_BUSY: f64 = 0.97;

/// Returns the reason why the generator limited a window, if it did. Without a rate to keep (zero
/// think time), a limiting generator is what the plan asks for, and the result is `None`.
pub fn generator_limited(
    window: &Window,
    objective: &Slo,
    planned_per_second: Option<f64>,
) -> Option<String> {
    planned_per_second?;
    let lag = window.lag.quantile(0.99);
    let cause = kept_waiting(&window.generator);
    if is_late(lag, objective) || (cause.is_some() && is_late(lag * WAITING_LAG_FACTOR, objective))
    {
        let late = format!(
            "the generator was late: 1% of requests were begun over {:.1} ms after they were due",
            lag.as_secs_f64() * 1e3
        );
        return Some(cause.map_or(late.clone(), |cause| format!("{late}; {cause}")));
    }
    if window.generator.busiest_core > MAX_BUSY {
        return Some(format!(
            "a load thread computed for {:.0}% of a second",
            window.generator.busiest_core * 100.0
        ));
    }
    None
}

/// Returns the cause that kept the generator from its processors for too much of a window, with a
/// remedy.
fn kept_waiting(generator: &GeneratorLoad) -> Option<String> {
    let beyond = |share: Option<f64>| share.filter(|share| *share > MAX_WAITING);
    if let Some(share) = beyond(generator.steal_share) {
        return Some(format!(
            "the hypervisor gave {:.0}% of the generator's processor time to others (steal): use a \
                machine of its own, or other processors (--pin)",
            share * 100.0
        ));
    }
    beyond(generator.run_delay_share).map(|share| {
        format!(
            "a load thread was ready to run but waited for a processor for {:.0}% of the time \
                (run-queue delay): give it one that nothing else uses (--pin)",
            share * 100.0
        )
    })
}

/// Returns true if a lag of the generator is too large for the tightest latency limit (100 ms if
/// there is none).
pub fn is_late(lag: Duration, objective: &Slo) -> bool {
    let tightest =
        objective.latency.iter().map(|l| l.limit).min().unwrap_or(Duration::from_millis(100));
    lag.as_secs_f64() > MAX_LAG_SHARE * tightest.as_secs_f64()
}
