//! Fuzz target for the load engine's HTTP response reader.
//!
//! Input split into pieces must yield the same result as the whole, within bounded memory.

#![no_main]

use libfuzzer_sys::fuzz_target;
use load_engine::http1::{Progress, Reader};

/// Largest input, in bytes: the engine's read size.
const READ_BYTES: usize = 64 << 10;
/// Largest number of bytes kept of a head that arrives in pieces plus an inspected body.
const MAX_KEPT_BYTES: usize = (64 << 10) + (1 << 20);
/// Smallest first byte that selects the endless-server mode.
const ENDLESS: u8 = 240;

// The first byte selects the piece size, in bytes, or the endless-server mode.
fuzz_target!(|data: &[u8]| {
    let Some((&cut, bytes)) = data.split_first() else { return };
    if bytes.is_empty() || bytes.len() > READ_BYTES {
        return;
    }
    if cut >= ENDLESS {
        return read_endless(bytes);
    }
    let (whole, whole_body) = read(bytes, bytes.len());
    let (pieces, pieces_body) = read(bytes, usize::from(cut % 64) + 1);
    // Bytes after the end of a response make it malformed when they arrive with it.
    // When they arrive later, they are the caller's concern.
    let ended_early = matches!(pieces, End::Done(used, ..) if used < bytes.len());
    if ended_early {
        assert_eq!(whole, End::Malformed, "bytes after the end");
    } else {
        assert_eq!(whole, pieces);
        if whole != End::Malformed {
            assert_eq!(whole_body, pieces_body);
        }
    }
});

#[derive(Debug, PartialEq)]
enum End {
    /// Complete response: bytes fed, status, keep-alive, body bytes.
    Done(usize, u16, bool, u64),
    Malformed,
    /// Incomplete response, with the result that closing the connection would give.
    Open(Option<(u16, bool, u64)>),
}

fn read(bytes: &[u8], piece: usize) -> (End, Vec<u8>) {
    let mut reader = Reader::default();
    reader.reset(1 << 20);
    let mut used = 0;
    let mut end = None;
    for piece in bytes.chunks(piece) {
        used += piece.len();
        end = match reader.feed(piece) {
            Progress::NeedMore => None,
            Progress::Done(a) => Some(End::Done(used, a.status, a.keep_alive, a.bytes)),
            Progress::Malformed => Some(End::Malformed),
        };
        assert!(reader.kept_bytes() <= MAX_KEPT_BYTES, "{} bytes are kept", reader.kept_bytes());
        if end.is_some() {
            break;
        }
    }
    let open = || End::Open(reader.end().map(|a| (a.status, a.keep_alive, a.bytes)));
    (end.unwrap_or_else(open), reader.kept_body().to_vec())
}

/// Repeats the same bytes until the reader finishes or twice the kept-bytes limit has been fed.
fn read_endless(bytes: &[u8]) {
    let mut reader = Reader::default();
    reader.reset(1 << 20);
    let mut next = bytes.to_vec();
    let rest = bytes.repeat(READ_BYTES / bytes.len());
    let mut fed = 0;
    while fed < 2 * MAX_KEPT_BYTES && reader.feed(&next) == Progress::NeedMore {
        fed += next.len();
        next.clone_from(&rest);
        assert!(reader.kept_bytes() <= MAX_KEPT_BYTES, "{} bytes are kept", reader.kept_bytes());
    }
}
