//! Requests by target address.

use std::collections::BTreeMap;

use super::Latencies;
use crate::workload::Address;

/// Counts and service times of the requests to one address.
#[derive(Debug, Clone, Default)]
pub struct AddressRequests {
    /// Requests that ended.
    pub requests: u64,
    /// Requests that failed, among those that ended.
    pub failures: u64,
    /// Times from sending to the last byte. Failures that made no user wait are left out.
    pub service: Latencies,
}

/// Requests of each address.
pub type ByAddress = BTreeMap<Address, AddressRequests>;

impl AddressRequests {
    /// Adds other requests to the same address.
    pub fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.failures += other.failures;
        self.service.merge(&other.service);
    }

    /// Returns an empty value whose histogram is sized for the values seen here.
    pub(super) fn emptied(&self) -> Self {
        Self { service: self.service.emptied(), ..Self::default() }
    }
}
