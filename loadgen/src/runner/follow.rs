//! Updates of the addresses during a run: every second names are resolved and containers listed
//! again.

use std::{net::SocketAddr, sync::mpsc, time::Duration};

use loadtest::workload::{Address, Pool};

use super::{Reached, target::listed};
use crate::event::Event;

/// Interval between updates. Docker's resolver gives answers a lifetime of 600 s, and Kubernetes'
/// of 30 s, but a replica added to a running test should take load at once.
const INTERVAL: Duration = Duration::from_secs(1);

/// Task that updates addresses; ends when it is dropped.
#[derive(Debug)]
pub struct Following(tokio::task::JoinHandle<()>);

/// Updates the addresses of the sources, and publishes changes in `pool` until the result is
/// dropped. An address that refused a connection is removed until it accepts one again.
pub fn follow(reached: Vec<Reached>, pool: Pool, events: mpsc::Sender<Event>) -> Following {
    Following(tokio::spawn(async move {
        let mut reached = reached;
        loop {
            tokio::time::sleep(INTERVAL).await;
            look(&mut reached, &pool, &events).await;
        }
    }))
}

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn look(reached: &mut [Reached], pool: &Pool, events: &mpsc::Sender<Event>) {
    let refused = pool.take_refused();
    let mut changes = Vec::new();
    for (host, one) in reached.iter_mut().enumerate() {
        let before = one.addrs().to_vec();
        let mine: Vec<SocketAddr> =
            refused.iter().filter(|address| address.host == host).map(|a| a.addr).collect();
        one.look_again(&mine).await;
        changes
            .extend(change(&before, one.addrs()).map(|change| format!("{}: {change}", one.name())));
    }
    let load = match reached.iter().map(|one| one.addrs().len()).sum::<usize>() {
        1 => "1 address takes load now".to_owned(),
        count => format!("{count} addresses take load now"),
    };
    for change in &changes {
        // A closed view does not end the run.
        let _ = events.send(Event::Log(format!("{change}; {load}")));
    }
    // Users of a refused address moved away; publishing returns them if the refusal was momentary.
    if !changes.is_empty() || !refused.is_empty() {
        let addresses = |(host, one): (usize, &Reached)| {
            let at = move |&addr: &SocketAddr| Address { host, addr };
            one.addrs().iter().map(at).collect::<Vec<_>>()
        };
        let all: Vec<Address> = reached.iter().enumerate().flat_map(addresses).collect();
        // If no address is left, users stay where they are, and fail.
        if !all.is_empty() {
            pool.publish(all);
        }
    }
}

/// Returns a line on the changes of the addresses; their order does not matter.
fn change(before: &[SocketAddr], now: &[SocketAddr]) -> Option<String> {
    let only = |of: &[SocketAddr], other: &[SocketAddr]| -> Vec<SocketAddr> {
        of.iter().filter(|addr| !other.contains(addr)).copied().collect()
    };
    let (new, gone) = (only(now, before), only(before, now));
    let described = |addrs: &[SocketAddr], what: &str| {
        (!addrs.is_empty()).then(|| format!("{} {what}", listed(addrs)))
    };
    let changes: Vec<String> =
        [described(&new, "came"), described(&gone, "left")].into_iter().flatten().collect();
    (!changes.is_empty()).then(|| changes.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_in_a_line() {
        let addrs = |ports: &[u16]| {
            ports.iter().map(|port| SocketAddr::from(([127, 0, 0, 1], *port))).collect::<Vec<_>>()
        };
        let described = |before: &[u16], now: &[u16]| change(&addrs(before), &addrs(now));
        assert_eq!(described(&[1, 2], &[2, 1]), None);
        assert_eq!(
            described(&[1, 2], &[2, 3]).as_deref(),
            Some("127.0.0.1:3 came; 127.0.0.1:1 left")
        );
        assert_eq!(described(&[1, 2], &[1]).as_deref(), Some("127.0.0.1:2 left"));
    }
}
