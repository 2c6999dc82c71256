//! Output of replicas.
//!
//! A thread reads it from a pipe into a bounded buffer; the replica does not write a file.
//! The pages of a file would be charged to the replica's memory, its size would need a limit, and a
//! killed run would leave it behind.
//! (Containers also write into a pipe of their Engine.)

use std::{
    collections::VecDeque,
    io::{PipeReader, Read},
    sync::{Arc, Mutex, PoisonError},
};

/// Number of bytes kept; older ones are dropped.
const KEPT: usize = 256 << 10;

/// End of one replica's output.
#[derive(Debug, Clone, Default)]
pub(super) struct Log {
    bytes: Arc<Mutex<VecDeque<u8>>>,
}

impl Log {
    /// Reads `pipe` on a separate thread until every process that can write to it has ended.
    pub(super) fn collect(pipe: PipeReader) -> std::io::Result<Self> {
        let log = Self::default();
        let to = log.clone();
        std::thread::Builder::new()
            .name("replica-log".into())
            .stack_size(64 << 10)
            .spawn(move || to.read(pipe))?;
        Ok(log)
    }

    /// Returns the last `lines` lines.
    pub(super) fn tail(&self, lines: usize) -> String {
        let bytes: Vec<u8> =
            self.bytes.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        last_lines(&String::from_utf8_lossy(&bytes), lines)
    }

    fn read(&self, mut pipe: impl Read) {
        let mut chunk = [0; 8 << 10];
        loop {
            match pipe.read(&mut chunk) {
                Ok(0) => return,
                Ok(n) => self.push(&chunk[..n]),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    fn push(&self, new: &[u8]) {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        bytes.extend(new);
        let excess = bytes.len().saturating_sub(KEPT);
        bytes.drain(..excess);
    }
}

fn last_lines(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept() {
        let log = Log::default();
        log.read("a\nb\nc\n".as_bytes());
        assert_eq!(log.tail(2), "b\nc");
        assert_eq!(log.tail(9), "a\nb\nc");
        log.read(vec![b'x'; KEPT].as_slice());
        log.read("\nlast".as_bytes());
        assert_eq!(log.tail(1), "last");
        assert_eq!(log.bytes.lock().unwrap().len(), KEPT);
    }
}
