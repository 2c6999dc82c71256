//! Where users connect, and what they send there.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use super::{Authority, Host, Request, Scenario, Secure};

/// Addresses, and what is sent to them.
#[derive(Debug, Clone)]
pub struct Targets {
    /// An address for each replica. User `i` connects to `i mod n` and, after a failure, to the next.
    pub addrs: Vec<SocketAddr>,
    /// What is sent.
    pub scenario: Arc<Scenario>,
    /// A request that takes longer has failed.
    pub timeout: Duration,
    /// How the open model's requests are spread.
    pub balance: Balance,
    authorities: Vec<Authority>,
    /// For each address, what it takes to speak TLS to it.
    secure: Vec<Option<Secure>>,
    /// For each address and task, the request's bytes if they are the same each time: written as they are.
    fixed: Vec<Vec<Option<Arc<[u8]>>>>,
}

/// How requests are spread over several addresses by a client that may choose for each: the open model's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Balance {
    /// To each in its turn.
    #[default]
    RoundRobin,
    /// To one that has the fewest requests in flight.
    LeastOutstanding,
    /// To any, with the same chance: of Poisson arrivals each then gets a Poisson process of its own.
    Random,
}

impl Targets {
    /// Locust's and our default for how long a request may take.
    pub const TIMEOUT: Duration = Duration::from_secs(5);

    /// No address yet.
    pub fn new(scenario: Scenario) -> Self {
        Self {
            addrs: Vec::new(),
            scenario: Arc::new(scenario),
            timeout: Self::TIMEOUT,
            balance: Balance::default(),
            authorities: Vec::new(),
            secure: Vec::new(),
            fixed: Vec::new(),
        }
    }

    /// Replicas that are spoken to by their addresses.
    pub fn replicas(addrs: &[SocketAddr], request: &Request) -> Self {
        let mut targets = Self::new(Scenario::single(request));
        for &addr in addrs {
            targets.push(addr, Authority { host: addr.to_string(), base_path: String::new() }, None);
        }
        targets
    }

    /// One more host, at the address that was resolved for it; with TLS or without.
    pub fn add(&mut self, host: &Host, addr: SocketAddr, secure: Option<Secure>) {
        self.push(addr, Authority { host: host.authority.clone(), base_path: host.base_path.clone() }, secure);
    }

    /// What it takes to speak TLS to an address, if that is wanted.
    pub fn secure(&self, target: usize) -> Option<&Secure> {
        self.secure[target].as_ref()
    }

    /// The bytes of a task's request to an address, if they are the same each time.
    pub fn fixed(&self, target: usize, task: u16) -> Option<&Arc<[u8]>> {
        self.fixed[target][usize::from(task)].as_ref()
    }

    /// The bytes of a task's request to an address: `own`, unless they are the same each time.
    pub fn request<'a>(&'a self, target: usize, task: u16, own: &'a [u8]) -> &'a [u8] {
        self.fixed(target, task).filter(|_| own.is_empty()).map_or(own, |fixed| fixed)
    }

    /// What requests to an address say of where they go.
    pub fn authority(&self, target: usize) -> &Authority {
        &self.authorities[target]
    }

    fn push(&mut self, addr: SocketAddr, authority: Authority, secure: Option<Secure>) {
        let tasks = 0..self.scenario.tasks().len() as u16;
        self.fixed.push(tasks.map(|task| self.scenario.fixed(task, &authority).map(Into::into)).collect());
        self.addrs.push(addr);
        self.authorities.push(authority);
        self.secure.push(secure);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_one_piece() {
        let mut targets = Targets::new(Scenario::single(&Request::post_json("/predict", "{}")));
        targets.add(&"http://h:1/base".parse().unwrap(), "127.0.0.1:1".parse().unwrap(), None);
        assert_eq!(
            String::from_utf8_lossy(targets.fixed(0, 0).unwrap()),
            "POST /base/predict HTTP/1.1\r\nhost: h:1\r\nuser-agent: loadgen\r\n\
             content-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
        );
    }
}
