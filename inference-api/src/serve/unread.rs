//! Limit on the responses that clients have not read yet, over all connections of a worker.
//!
//! One connection holds one response at most.
//! Many clients that request large responses and do not read them could still fill the memory.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// Smallest counted response, in bytes: ten thousand users produce as many smaller ones.
pub(super) const LARGE: usize = 64 << 10;

/// Account of the bytes of large unread responses.
#[derive(Debug)]
pub(super) struct Unread {
    bytes: AtomicUsize,
    most: usize,
}

/// Share of one response in the account, until dropped.
#[derive(Debug)]
pub(super) struct Share(Arc<Unread>, usize);

impl Unread {
    /// Creates an empty account with a limit of `most` bytes.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { bytes: AtomicUsize::new(0), most })
    }

    /// Adds a response; returns `None` if it exceeds the limit together with others.
    ///
    /// A single response may have any size.
    pub(super) fn share(self: &Arc<Self>, bytes: usize) -> Option<Share> {
        let now = self.bytes.load(Relaxed);
        if now > 0 && now.saturating_add(bytes) > self.most {
            return None;
        }
        self.bytes.fetch_add(bytes, Relaxed);
        Some(Share(Arc::clone(self), bytes))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.0.bytes.fetch_sub(self.1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_have_room_together_and_one_alone_always() {
        let unread = Unread::new(100);
        let large = unread.share(500).unwrap();
        assert!(unread.share(1).is_none());
        drop(large);
        let first = unread.share(60).unwrap();
        let _second = unread.share(40).unwrap();
        assert!(unread.share(1).is_none());
        drop(first);
        assert!(unread.share(60).is_some());
    }
}
