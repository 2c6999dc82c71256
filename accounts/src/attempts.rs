//! Limit of failed attempts by address and by user.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Counts failed attempts. After [`Attempts::MOST`] failures an address or a user waits for
/// [`Attempts::PAUSE`].
#[derive(Debug, Default)]
pub struct Attempts(Mutex<HashMap<Key, Failed>>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Address(IpAddr),
    User(String),
}

#[derive(Debug, Clone, Copy)]
struct Failed {
    count: u32,
    last: Instant,
}

/// Entries kept; beyond them, those of the past are forgotten.
const ENTRIES: usize = 10_000;

impl Attempts {
    /// Failed attempts in a row that are allowed.
    pub const MOST: u32 = 5;
    /// Pause after them.
    pub const PAUSE: Duration = Duration::from_secs(60);

    /// Returns the time that an address, or a user, still has to wait; `None` if it may try.
    pub fn wait(&self, address: IpAddr, user: &str, now: Instant) -> Option<Duration> {
        let entries = self.lock();
        let waits = [Key::Address(address), Key::User(user.to_owned())].map(|key| {
            let failed = entries.get(&key).filter(|failed| failed.count >= Self::MOST)?;
            Self::PAUSE.checked_sub(now.duration_since(failed.last))
        });
        waits.into_iter().flatten().max().filter(|wait| !wait.is_zero())
    }

    /// Records an attempt.
    pub fn record(&self, address: IpAddr, user: &str, is_right: bool, now: Instant) {
        let mut entries = self.lock();
        if entries.len() >= ENTRIES {
            entries.retain(|_, failed| now.duration_since(failed.last) < Self::PAUSE);
        }
        for key in [Key::Address(address), Key::User(user.to_owned())] {
            if is_right {
                entries.remove(&key);
                continue;
            }
            let failed = entries.entry(key).or_insert(Failed { count: 0, last: now });
            if now.duration_since(failed.last) >= Self::PAUSE {
                failed.count = 0;
            }
            (failed.count, failed.last) = (failed.count + 1, now);
        }
    }

    /// Locks the counts, ignoring poison: each is whole by itself.
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Failed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_are_slowed_down_and_others_are_not() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let (here, there) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        for _ in 0..Attempts::MOST {
            assert_eq!(attempts.wait(here, "ada", now), None);
            attempts.record(here, "ada", false, now);
        }
        assert_eq!(attempts.wait(here, "ada", now), Some(Attempts::PAUSE));
        assert!(attempts.wait(here, "bob", now).is_some(), "the address waits");
        assert!(attempts.wait(there, "ada", now).is_some(), "the user waits");
        assert_eq!(attempts.wait(there, "bob", now), None);
        let later = now + Attempts::PAUSE;
        assert_eq!(attempts.wait(here, "ada", later), None);
        attempts.record(here, "ada", false, later);
        assert_eq!(attempts.wait(here, "ada", later), None, "it counts anew");
        attempts.record(here, "ada", true, later);
        assert_eq!(attempts.wait(here, "ada", later), None);
    }
}
