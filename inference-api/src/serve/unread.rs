//! Answers that clients have not read yet, of all connections of a worker together.
//!
//! One connection holds one answer at most. Clients that ask for large ones and do not read them
//! would still fill the memory together.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// Answers that are smaller are not counted: ten thousand of them are what ten thousand users ask
/// for.
pub(super) const LARGE: usize = 64 << 10;

/// Bytes of large answers that are not read yet.
#[derive(Debug)]
pub(super) struct Unread {
    bytes: AtomicUsize,
    most: usize,
}

/// One answer's part of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Share(Arc<Unread>, usize);

impl Unread {
    /// Nothing yet, and so many bytes at most.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { bytes: AtomicUsize::new(0), most })
    }

    /// Takes note of an answer; `None` where there is no room for it beside others. One alone may
    /// be of any size.
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
