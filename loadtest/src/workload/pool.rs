//! Addresses under load, which may change during a run.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// One of the addresses that a host name resolves to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Index of the host among the loaded hosts.
    pub host: usize,
    /// Address and port to connect to.
    pub addr: SocketAddr,
}

/// Addresses of a run, shared by the resolver and the load threads; clones belong to the same run.
#[derive(Debug, Clone, Default)]
pub struct Pool(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Version, incremented with every change. Load threads read it in every turn and take the lock
    /// only after a change.
    version: AtomicU64,
    addresses: Mutex<Vec<Address>>,
    refused: Mutex<BTreeSet<Address>>,
}

impl Pool {
    /// Replaces the addresses that take load.
    pub fn publish(&self, addresses: Vec<Address>) {
        *lock(&self.0.addresses) = addresses;
        self.0.version.fetch_add(1, Ordering::Release);
    }

    /// Returns the addresses if they changed since version `seen`, and updates `seen`.
    pub fn newer_than(&self, seen: &mut u64) -> Option<Vec<Address>> {
        let version = self.0.version.load(Ordering::Acquire);
        if version == *seen {
            return None;
        }
        *seen = version;
        Some(lock(&self.0.addresses).clone())
    }

    /// Records that an address refused a connection.
    pub fn refuse(&self, address: Address) {
        lock(&self.0.refused).insert(address);
    }

    /// Returns the addresses that refused a connection since the last call.
    pub fn take_refused(&self) -> BTreeSet<Address> {
        std::mem::take(&mut lock(&self.0.refused))
    }
}

/// Locks a mutex, ignoring poison: a thread that panicked under the lock left a complete list
/// behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
