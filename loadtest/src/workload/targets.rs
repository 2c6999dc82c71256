//! Where users connect, and what they send there.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use super::{Address, Authority, Host, Pool, Request, Scenario, Secure};

/// Addresses, and what is sent to them. An address keeps its index, also after it has left.
#[derive(Debug, Clone)]
pub struct Targets {
    /// What is sent.
    pub scenario: Arc<Scenario>,
    /// A request that takes longer has failed.
    pub timeout: Duration,
    /// How the open model's requests are spread.
    pub balance: Balance,
    /// Changes of the addresses while a run lasts.
    pub pool: Pool,
    hosts: Vec<Named>,
    targets: Vec<Target>,
}

/// How requests are spread over several addresses by a client that may choose for each: the open
/// model's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Balance {
    /// To each in its turn.
    #[default]
    RoundRobin,
    /// To one that has the fewest requests in flight.
    LeastOutstanding,
    /// To any, with the same chance: of Poisson arrivals each then gets a Poisson process of its
    /// own.
    Random,
}

/// A host: the addresses behind one name.
#[derive(Debug, Clone)]
struct Named {
    /// What requests say of where they go; none where each address speaks for itself.
    authority: Option<Authority>,
    /// What it takes to speak TLS.
    secure: Option<Secure>,
}

#[derive(Debug, Clone)]
struct Target {
    address: Address,
    is_active: bool,
    authority: Authority,
    /// For each task, the request's bytes if they are the same each time: written as they are.
    fixed: Vec<Option<Arc<[u8]>>>,
}

impl Targets {
    /// Locust's and our default for how long a request may take.
    pub const TIMEOUT: Duration = Duration::from_secs(5);

    /// No address yet.
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

    /// Replicas that are spoken to by their addresses.
    pub fn replicas(addrs: &[SocketAddr], request: &Request) -> Self {
        let mut targets = Self::new(Scenario::single(request));
        targets.add(None, addrs, None);
        targets
    }

    /// Adds a host with the addresses that stand for it now, with TLS or without; without a host
    /// each address is its own name.
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

    /// Returns how many addresses there are and were.
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Returns whether there never was an address.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// Returns the indices of the addresses that take load.
    pub fn active(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.len()).filter(|&target| self.is_active(target))
    }

    /// Returns whether an address takes load.
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

    /// What it takes to speak TLS to an address, if that is wanted.
    pub fn secure(&self, target: usize) -> Option<&Secure> {
        self.hosts[self.targets[target].address.host].secure.as_ref()
    }

    /// The bytes of a task's request to an address, if they are the same each time.
    pub fn fixed(&self, target: usize, task: u16) -> Option<&Arc<[u8]>> {
        self.targets[target].fixed[usize::from(task)].as_ref()
    }

    /// The bytes of a task's request to an address: `own`, unless they are the same each time.
    pub fn request<'a>(&'a self, target: usize, task: u16, own: &'a [u8]) -> &'a [u8] {
        self.fixed(target, task).filter(|_| own.is_empty()).map_or(own, |fixed| fixed)
    }

    /// What requests to an address say of where they go.
    pub fn authority(&self, target: usize) -> &Authority {
        &self.targets[target].authority
    }

    fn push(&mut self, address: Address) {
        let named = self.hosts[address.host].authority.clone();
        // Addresses behind one name are sent the same bytes: a body of megabytes is kept once.
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
