//! Addresses that come and go while a run lasts: names are resolved again, containers listed again,
//! every second.

use std::{net::SocketAddr, sync::mpsc, time::Duration};

use loadtest::workload::{Address, Pool};

use super::{Reached, target::listed};
use crate::event::Event;

/// Between two looks. Docker's own resolver says that an answer is good for 600 s, and Kubernetes'
/// for 30: people who add a replica to a running test want to see it take load.
const INTERVAL: Duration = Duration::from_secs(1);

/// Somebody who looks for addresses; ends when it is dropped.
#[derive(Debug)]
pub struct Following(tokio::task::JoinHandle<()>);

/// Looks for the addresses of what is loaded, and publishes them in `pool` whenever they change,
/// until the result is dropped. One that refused a connection leaves until it takes one again.
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
        // A view that has gone away does not end the run.
        let _ = events.send(Event::Log(format!("{change}; {load}")));
    }
    // Users that were refused went elsewhere: they come back where that was for a moment.
    if !changes.is_empty() || !refused.is_empty() {
        let addresses = |(host, one): (usize, &Reached)| {
            let at = move |&addr: &SocketAddr| Address { host, addr };
            one.addrs().iter().map(at).collect::<Vec<_>>()
        };
        let all: Vec<Address> = reached.iter().enumerate().flat_map(addresses).collect();
        // Where none is left users go on where they are, and fail.
        if !all.is_empty() {
            pool.publish(all);
        }
    }
}

/// What changed, in a line; the order of an answer is no change.
fn change(before: &[SocketAddr], now: &[SocketAddr]) -> Option<String> {
    let only = |of: &[SocketAddr], other: &[SocketAddr]| -> Vec<SocketAddr> {
        of.iter().filter(|addr| !other.contains(addr)).copied().collect()
    };
    let (new, gone) = (only(now, before), only(before, now));
    let told = |addrs: &[SocketAddr], what: &str| {
        (!addrs.is_empty()).then(|| format!("{} {what}", listed(addrs)))
    };
    let changes: Vec<String> =
        [told(&new, "came"), told(&gone, "left")].into_iter().flatten().collect();
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
        let told = |before: &[u16], now: &[u16]| change(&addrs(before), &addrs(now));
        assert_eq!(told(&[1, 2], &[2, 1]), None);
        assert_eq!(told(&[1, 2], &[2, 3]).as_deref(), Some("127.0.0.1:3 came; 127.0.0.1:1 left"));
        assert_eq!(told(&[1, 2], &[1]).as_deref(), Some("127.0.0.1:2 left"));
    }
}
