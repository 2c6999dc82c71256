//! Usage of the loaded containers, where they run on this machine.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use orchestrator::{
    Usage,
    docker::{Monitored, monitor},
};
use serde::Serialize;
use tokio::sync::watch;

use super::test::Test;

/// Interval between looks for new containers.
const INTERVAL: Duration = Duration::from_secs(3);

/// Containers of a test, in the order in which they were found.
#[derive(Debug, Default)]
pub(super) struct Replicas {
    known: Vec<Known>,
}

#[derive(Debug)]
struct Known {
    container: Monitored,
    last: Option<(Instant, Usage)>,
}

/// Container as the page names it.
#[derive(Debug, Serialize)]
pub(super) struct Named {
    name: String,
    cpus: Option<f64>,
    memory_bytes: Option<u64>,
}

/// Usage of a container in a second: processors, share of throttled periods, and memory in bytes.
pub(super) type Sample = Option<(f64, f64, u64)>;

impl Replicas {
    fn add(&mut self, found: Vec<Monitored>) {
        for container in found {
            if !self.known.iter().any(|known| known.container.is_same(&container)) {
                self.known.push(Known { container, last: None });
            }
        }
    }

    pub(super) fn named(&self) -> Vec<Named> {
        let named = |known: &Known| Named {
            name: known.container.name.clone(),
            cpus: known.container.cpus,
            memory_bytes: known.container.memory_bytes,
        };
        self.known.iter().map(named).collect()
    }

    /// Returns the usage of each container since the last call.
    pub(super) fn sample(&mut self) -> Vec<Sample> {
        self.known.iter_mut().map(Known::sample).collect()
    }
}

impl Known {
    fn sample(&mut self) -> Sample {
        let (now, usage) = (Instant::now(), self.container.usage()?);
        let (then, before) = self.last.replace((now, usage.clone()))?;
        let seconds = now.duration_since(then).as_secs_f64();
        let periods = usage.periods.saturating_sub(before.periods);
        let throttled = usage.throttled_periods.saturating_sub(before.throttled_periods);
        let cpus = (usage.cpu_seconds - before.cpu_seconds) / seconds.max(f64::MIN_POSITIVE);
        let share = throttled as f64 / periods.max(1) as f64;
        Some((cpus, share, usage.memory.current_bytes))
    }
}

/// Looks for the containers of a test until it is over, while a page is open.
pub(super) async fn watch(test: Weak<Test>, pages: watch::Sender<u64>) {
    while let Some(addresses) = addresses(&test) {
        // Without an Engine, or with targets elsewhere, the page has no such charts.
        if pages.receiver_count() > 0
            && let Ok(found) = monitor(&addresses).await
            && let Some(test) = test.upgrade()
        {
            test.inner().replicas.add(found);
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

fn addresses(test: &Weak<Test>) -> Option<BTreeSet<SocketAddr>> {
    let test: Arc<Test> = test.upgrade()?;
    let inner = test.inner();
    let addresses = inner.progress.addresses.keys().map(|address| address.addr).collect();
    (!inner.is_over).then_some(addresses)
}
