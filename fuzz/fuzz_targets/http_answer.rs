//! The load engine's reader of answers: whatever comes, in whatever pieces, has one meaning, and
//! little of it is kept.

#![no_main]

use libfuzzer_sys::fuzz_target;
use load_engine::{http1::{Progress, Reader}};

/// What the engine reads at once.
const READ_BYTES: usize = 64 << 10;
/// What is kept of a head in pieces, and of a body that is looked at.
const MAX_KEPT_BYTES: usize = (64 << 10) + (1 << 20);
/// From here on the first byte asks for a server that does not end.
const ENDLESS: u8 = 240;

// The first byte says how the rest is cut: into pieces of so many bytes.
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
    // What follows the end of an answer makes it malformed if it comes with it, and is the caller's
    // affair if it comes later.
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
    /// After so many bytes: status, whether the connection lives on, bytes.
    Done(usize, u16, bool, u64),
    Malformed,
    /// Without more bytes; what the connection's end would make of it.
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

/// The same again and again, until it is enough or twice as much has come as may be kept.
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
