//! Limit of failed attempts to log in.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Counts failed attempts: of a user from an address, of an address, and of a user. The last two
/// allow more, so that nobody can lock out others soon.
#[derive(Debug, Default)]
pub struct Attempts(Mutex<HashMap<Key, Failed>>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Both(IpAddr, String),
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
    /// Failed attempts in a row of a user from an address.
    pub const MOST: u32 = 5;
    /// Failed attempts in a row of an address, whoever it names.
    pub const MOST_OF_ADDRESS: u32 = 30;
    /// Failed attempts in a row of a user, from wherever.
    pub const MOST_OF_USER: u32 = 100;
    /// Pause after them.
    pub const PAUSE: Duration = Duration::from_secs(60);

    /// Begins an attempt, which counts as failed until [`Attempts::succeed`]: attempts at the same
    /// time do not slip through.
    ///
    /// # Errors
    /// Returns the time to wait if there were too many.
    pub fn begin(&self, address: IpAddr, user: &str, now: Instant) -> Result<(), Duration> {
        let mut entries = self.lock();
        if entries.len() >= ENTRIES {
            entries.retain(|_, failed| now.duration_since(failed.last) < Self::PAUSE);
        }
        let limits = [Self::MOST, Self::MOST_OF_ADDRESS, Self::MOST_OF_USER];
        let keys = keys(address, user);
        let waits = keys.iter().zip(limits).filter_map(|(key, most)| {
            let failed = entries.get(key).filter(|failed| failed.count >= most)?;
            Self::PAUSE.checked_sub(now.duration_since(failed.last)).filter(|wait| !wait.is_zero())
        });
        if let Some(wait) = waits.max() {
            return Err(wait);
        }
        for key in keys {
            let failed = entries.entry(key).or_insert(Failed { count: 0, last: now });
            if now.duration_since(failed.last) >= Self::PAUSE {
                failed.count = 0;
            }
            (failed.count, failed.last) = (failed.count + 1, now);
        }
        Ok(())
    }

    /// Records that an attempt was right.
    pub fn succeed(&self, address: IpAddr, user: &str) {
        let mut entries = self.lock();
        for key in keys(address, user) {
            entries.remove(&key);
        }
    }

    /// Locks the counts, ignoring poison: each is whole by itself.
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Failed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn keys(address: IpAddr, user: &str) -> [Key; 3] {
    [Key::Both(address, user.to_owned()), Key::Address(address), Key::User(user.to_owned())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_are_slowed_down_and_others_are_not() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let (here, there) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        for _ in 0..Attempts::MOST {
            assert_eq!(attempts.begin(here, "ada", now), Ok(()));
        }
        assert_eq!(attempts.begin(here, "ada", now), Err(Attempts::PAUSE));
        assert_eq!(attempts.begin(there, "ada", now), Ok(()), "ada herself is elsewhere");
        assert_eq!(attempts.begin(here, "bob", now), Ok(()));
        let later = now + Attempts::PAUSE;
        assert_eq!(attempts.begin(here, "ada", later), Ok(()), "it counts anew");
        attempts.succeed(here, "ada");
        for _ in 0..Attempts::MOST {
            assert_eq!(attempts.begin(here, "ada", later), Ok(()));
        }
    }

    #[test]
    fn many_names_and_many_addresses_are_slowed_down_too() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let here = IpAddr::from([127, 0, 0, 1]);
        let names: Vec<String> = (0..=Attempts::MOST_OF_ADDRESS).map(|n| format!("u{n}")).collect();
        let (last, first) = names.split_last().unwrap();
        assert!(first.iter().all(|name| attempts.begin(here, name, now).is_ok()));
        assert!(attempts.begin(here, last, now).is_err());
        let address = |n: u32| IpAddr::from([10, 0, (n / 256) as u8, (n % 256) as u8]);
        let mut from = (0..Attempts::MOST_OF_USER).map(address);
        assert!(from.all(|address| attempts.begin(address, "ada", now).is_ok()));
        assert!(attempts.begin(address(9999), "ada", now).is_err());
    }
}
