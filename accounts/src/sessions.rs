//! Sessions of those who logged in.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::users::token;

/// Random session tokens, each valid for [`Sessions::LENGTH`].
#[derive(Debug, Default)]
pub struct Sessions(Mutex<HashMap<String, Instant>>);

impl Sessions {
    /// Length of a session.
    pub const LENGTH: Duration = Duration::from_secs(12 * 3600);

    /// Begins a session. Returns its token.
    pub fn begin(&self, now: Instant) -> String {
        let mut sessions = self.lock();
        sessions.retain(|_, began| now.duration_since(*began) < Self::LENGTH);
        let token = token();
        sessions.insert(token.clone(), now);
        token
    }

    /// Returns true if this is the token of a session. Tokens have 128 random bits and are found by
    /// a keyed hash, so that the time of a look tells nothing about them.
    pub fn is_valid(&self, token: &str, now: Instant) -> bool {
        self.lock().get(token).is_some_and(|began| now.duration_since(*began) < Self::LENGTH)
    }

    /// Ends a session.
    pub fn end(&self, token: &str) {
        self.lock().remove(token);
    }

    /// Locks the sessions, ignoring poison: each is whole by itself.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_by_itself_and_when_it_is_ended() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let (first, second) = (sessions.begin(now), sessions.begin(now));
        assert_ne!(first, second);
        assert!(sessions.is_valid(&first, now) && !sessions.is_valid("", now));
        sessions.end(&first);
        assert!(!sessions.is_valid(&first, now) && sessions.is_valid(&second, now));
        assert!(!sessions.is_valid(&second, now + Sessions::LENGTH));
    }
}
