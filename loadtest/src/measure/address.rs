//! Requests by the address that they went to.

use std::collections::BTreeMap;

use super::Latencies;
use crate::workload::Address;

/// What became of the requests to one address.
#[derive(Debug, Clone, Default)]
pub struct AddressRequests {
    /// Requests that ended.
    pub requests: u64,
    /// Of these, the failed ones.
    pub failures: u64,
    /// From sending to the last byte; without failures that did not take their time.
    pub service: Latencies,
}

/// The same of every address.
pub type ByAddress = BTreeMap<Address, AddressRequests>;

impl AddressRequests {
    /// Adds others to the same address.
    pub fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.failures += other.failures;
        self.service.merge(&other.service);
    }

    /// One with nothing in it yet, and with room for what this one has.
    pub(super) fn emptied(&self) -> Self {
        Self { service: self.service.emptied(), ..Self::default() }
    }
}
