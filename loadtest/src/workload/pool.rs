//! The addresses that take load, as they change while a run lasts.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// One of the addresses that a host's name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Index of the host among those that are loaded.
    pub host: usize,
    /// Where it takes connections.
    pub addr: SocketAddr,
}

/// The addresses of a run, for those who look them up and those who connect to them; clones are of
/// the same run.
#[derive(Debug, Clone, Default)]
pub struct Pool(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Goes up with every change. Load threads look at it in every turn, and take the lock when it
    /// has changed.
    version: AtomicU64,
    addresses: Mutex<Vec<Address>>,
    refused: Mutex<BTreeSet<Address>>,
}

impl Pool {
    /// From now on these take the load.
    pub fn publish(&self, addresses: Vec<Address>) {
        *lock(&self.0.addresses) = addresses;
        self.0.version.fetch_add(1, Ordering::Release);
    }

    /// Returns the addresses, if they changed since version `seen`, which becomes the present one.
    pub fn newer_than(&self, seen: &mut u64) -> Option<Vec<Address>> {
        let version = self.0.version.load(Ordering::Acquire);
        if version == *seen {
            return None;
        }
        *seen = version;
        Some(lock(&self.0.addresses).clone())
    }

    /// Notes that an address did not take a connection.
    pub fn refuse(&self, address: Address) {
        lock(&self.0.refused).insert(address);
    }

    /// Returns the addresses that did not take a connection since the last call.
    pub fn take_refused(&self) -> BTreeSet<Address> {
        std::mem::take(&mut lock(&self.0.refused))
    }
}

/// A thread that panicked while it held a lock left a whole list behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
