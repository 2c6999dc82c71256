//! Addresses under load, and the requests sent to them.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use super::{Address, Authority, Host, Pool, Request, Scenario, Secure};

/// Addresses and the requests sent to them. An address keeps its index even after it has left.
#[derive(Debug, Clone)]
pub struct Targets {
    /// Scenario to send.
    pub scenario: Arc<Scenario>,
    /// Timeout: a request that takes longer has failed.
    pub timeout: Duration,
    /// Distribution of the open model's requests over the addresses.
    pub balance: Balance,
    /// Changes of the addresses during a run.
    pub pool: Pool,
    hosts: Vec<Named>,
    targets: Vec<Target>,
}

/// Distribution of requests over several addresses by a client that chooses for each request, as in
/// the open model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Balance {
    /// Each address in turn.
    #[default]
    RoundRobin,
    /// An address with the fewest requests in flight.
    LeastOutstanding,
    /// A random address with equal chances; Poisson arrivals give each address a Poisson process of
    /// its own.
    Random,
}

/// A host: the addresses behind one name.
#[derive(Debug, Clone)]
struct Named {
    /// Destination named in requests; none if each address names itself.
    authority: Option<Authority>,
    /// TLS settings.
    secure: Option<Secure>,
}

#[derive(Debug, Clone)]
struct Target {
    address: Address,
    is_active: bool,
    authority: Authority,
    /// Bytes of each task's request, if they never change.
    fixed: Vec<Option<Arc<[u8]>>>,
}

impl Targets {
    /// Default request timeout.
    pub const TIMEOUT: Duration = Duration::from_secs(5);

    /// Creates targets without an address.
    pub fn new(scenario: Scenario) -> Self {
        Self {
            scenario: Arc::new(scenario),
            timeout: Self::TIMEOUT,
            balance: Balance::default(),
            pool: Pool::default(),
            hosts: Vec::new(),
            targets: Vec::new(),
        }
    }

    /// Creates targets for replicas, each named by its address.
    pub fn replicas(addrs: &[SocketAddr], request: &Request) -> Self {
        let mut targets = Self::new(Scenario::single(request));
        targets.add(None, addrs, None);
        targets
    }

    /// Adds a host with its current addresses, with TLS or without; without a host, each address is
    /// its own name.
    pub fn add(&mut self, host: Option<&Host>, addrs: &[SocketAddr], secure: Option<Secure>) {
        let authority = host.map(|host| Authority {
            host: host.authority.clone(),
            base_path: host.base_path.clone(),
        });
        let index = self.hosts.len();
        self.hosts.push(Named { authority, secure });
        addrs.iter().for_each(|&addr| self.push(Address { host: index, addr }));
    }

    /// Makes exactly these addresses active; new ones get the next indices.
    pub fn update(&mut self, addresses: &[Address]) {
        for target in &mut self.targets {
            target.is_active = addresses.contains(&target.address);
        }
        for &address in addresses {
            if !self.targets.iter().any(|target| target.address == address) {
                self.push(address);
            }
        }
    }

    /// Returns the number of addresses, including those that have left.
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Returns true if there never was an address.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// Returns the indices of the addresses that take load.
    pub fn active(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.len()).filter(|&target| self.is_active(target))
    }

    /// Returns true if an address takes load.
    pub fn is_active(&self, target: usize) -> bool {
        self.targets[target].is_active
    }

    /// Returns the active address after this one, which is this one if there is no other.
    pub fn next_active(&self, target: usize) -> usize {
        let count = self.len();
        (1..=count)
            .map(|step| (target + step) % count)
            .find(|&next| self.is_active(next))
            .unwrap_or(target)
    }

    /// Returns an address.
    pub fn address(&self, target: usize) -> Address {
        self.targets[target].address
    }

    /// Returns the TLS settings of an address, if it uses TLS.
    pub fn secure(&self, target: usize) -> Option<&Secure> {
        self.hosts[self.targets[target].address.host].secure.as_ref()
    }

    /// Returns the bytes of a task's request to an address, if they never change.
    pub fn fixed(&self, target: usize, task: u16) -> Option<&Arc<[u8]>> {
        self.targets[target].fixed[usize::from(task)].as_ref()
    }

    /// Returns the bytes of a task's request to an address: `own`, or the fixed bytes if `own` is
    /// empty.
    pub fn request<'a>(&'a self, target: usize, task: u16, own: &'a [u8]) -> &'a [u8] {
        self.fixed(target, task).filter(|_| own.is_empty()).map_or(own, |fixed| fixed)
    }

    /// Returns the destination named in requests to an address.
    pub fn authority(&self, target: usize) -> &Authority {
        &self.targets[target].authority
    }

    fn push(&mut self, address: Address) {
        let named = self.hosts[address.host].authority.clone();
        // Addresses behind one name share the same bytes, so that a large body is kept once.
        let twin = self
            .targets
            .iter()
            .find(|target| target.address.host == address.host)
            .filter(|_| named.is_some());
        let authority = named.unwrap_or_else(|| Authority {
            host: address.addr.to_string(),
            base_path: String::new(),
        });
        let tasks = 0..self.scenario.tasks().len() as u16;
        let fixed = match twin {
            Some(twin) => twin.fixed.clone(),
            None => {
                tasks.map(|task| self.scenario.fixed(task, &authority).map(Into::into)).collect()
            }
        };
        self.targets.push(Target { address, is_active: true, authority, fixed });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(addrs: &[&str]) -> Targets {
        let addrs: Vec<SocketAddr> = addrs.iter().map(|addr| addr.parse().unwrap()).collect();
        let mut targets = Targets::new(Scenario::single(&Request::post_json("/predict", "{}")));
        targets.add(Some(&"http://h:1/base".parse().unwrap()), &addrs, None);
        targets
    }

    #[test]
    fn a_request_is_one_piece() {
        assert_eq!(
            String::from_utf8_lossy(targets(&["127.0.0.1:1"]).fixed(0, 0).unwrap()),
            "POST /base/predict HTTP/1.1\r\nhost: h:1\r\nuser-agent: loadgen\r\n\
             content-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
        );
    }

    #[test]
    fn addresses_come_and_go_and_keep_their_index() {
        let mut targets = targets(&["127.0.0.1:1", "127.0.0.2:1"]);
        let at = |addr: &str| Address { host: 0, addr: addr.parse().unwrap() };
        targets.update(&[at("127.0.0.2:1"), at("127.0.0.3:1")]);
        assert_eq!(targets.active().collect::<Vec<_>>(), [1, 2]);
        assert_eq!((targets.next_active(0), targets.next_active(2)), (1, 1));
        assert!(
            Arc::ptr_eq(targets.fixed(2, 0).unwrap(), targets.fixed(0, 0).unwrap()),
            "one copy of the bytes"
        );
        targets.update(&[at("127.0.0.1:1")]);
        assert_eq!((targets.len(), targets.active().collect::<Vec<_>>()), (3, vec![0]));
    }
}
