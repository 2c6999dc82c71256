//! Tests of `http1`.

use proptest::prelude::*;

use super::*;

fn read_in_pieces(bytes: &[u8], size: usize) -> (Progress, Reader) {
    let mut reader = Reader::default();
    let mut progress = Progress::NeedMore;
    for piece in bytes.chunks(size.max(1)) {
        assert_eq!(progress, Progress::NeedMore, "bytes after the end");
        progress = reader.feed(piece);
    }
    (progress, reader)
}

const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: \
    chunked\r\n\r\n4;x=y\r\nabcd\r\nA\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\n";
const SIZED: &[u8] =
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 No\r\ncontent-length: 5\r\nConnection: \
        close\r\n\r\nhello";

proptest! {
    #[test]
    fn pieces_make_no_difference(size in 1usize..120) {
        for (bytes, status, keep_alive) in [(CHUNKED, 200, true), (SIZED, 503, false)] {
            let answer = Answer { status, keep_alive, bytes: bytes.len() as u64 };
            prop_assert_eq!(read_in_pieces(bytes, size).0, Progress::Done(answer));
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        size in 1usize..50,
    ) {
        let mut reader = Reader::default();
        for piece in bytes.chunks(size) {
            if reader.feed(piece) != Progress::NeedMore {
                break;
            }
        }
    }

    #[test]
    fn any_chunked_body_is_read_without_a_panic(
        body in "[0-9a-fA-F;\r\n x]{0,60}",
        size in 1usize..20,
    ) {
        let mut reader = Reader::default();
        reader.feed(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        for piece in body.as_bytes().chunks(size) {
            if reader.feed(piece) != Progress::NeedMore {
                break;
            }
        }
    }
}

#[test]
fn a_body_without_length_ends_with_the_connection() {
    let (progress, reader) = read_in_pieces(b"HTTP/1.1 200 OK\r\n\r\nhello", 100);
    assert_eq!(progress, Progress::NeedMore);
    assert_eq!(reader.end().map(|a| (a.status, a.keep_alive)), Some((200, false)));
    let (_, reader) = read_in_pieces(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello", 100);
    assert_eq!(reader.end(), None, "it was cut off");
}

#[test]
fn a_body_is_kept_when_it_is_wanted() {
    for size in [1, 7, 1000] {
        for (bytes, body) in [(CHUNKED, &b"abcd0123456789"[..]), (SIZED, b"hello")] {
            let mut reader = Reader::default();
            reader.reset(1000);
            bytes.chunks(size).for_each(|piece| {
                reader.feed(piece);
            });
            assert_eq!(reader.kept_body(), body);
        }
    }
}

#[test]
fn a_head_may_have_many_headers() {
    for count in [64, 65, 1000] {
        let headers: String =
            (0..count).map(|number| format!("x-{number}: {number}\r\n")).collect();
        let answer = format!("HTTP/1.1 200 OK\r\n{headers}content-length: 2\r\n\r\nok");
        for size in [7, answer.len()] {
            let (progress, _) = read_in_pieces(answer.as_bytes(), size);
            assert!(
                matches!(progress, Progress::Done(Answer { status: 200, .. })),
                "{count} headers: {progress:?}"
            );
        }
    }
}

#[test]
fn what_a_server_says_of_a_refusal_is_kept() {
    let (_, reader) = read_in_pieces(
        b"HTTP/1.1 307 Temporary Redirect\r\nLocation: https://api/\r\ncontent-length: \
            12\r\n\r\ngo\r\n  there!",
        9,
    );
    assert_eq!(reader.words(), "Location: https://api/ · go there!");
    let long = format!("HTTP/1.1 422 X\r\ncontent-length: 600\r\n\r\n{}", "é".repeat(300));
    assert_eq!(read_in_pieces(long.as_bytes(), 50).1.words().chars().count(), WORDS / 2);
    assert_eq!(read_in_pieces(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", 50).1.words(), "");
}

#[test]
fn what_is_no_answer_is_malformed() {
    for bytes in [
        &b"SSH-2.0-OpenSSH\r\n"[..],
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
    ] {
        assert_eq!(
            read_in_pieces(bytes, 1000).0,
            Progress::Malformed,
            "{}",
            String::from_utf8_lossy(bytes)
        );
    }
}

#[test]
fn a_reader_reads_one_answer_after_another() {
    let mut reader = Reader::default();
    for _ in 0..3 {
        let progress = reader.feed(b"HTTP/1.1 204 No Content\r\n\r\n");
        assert!(
            matches!(progress, Progress::Done(Answer { status: 204, keep_alive: true, .. })),
            "{progress:?}"
        );
        reader.reset(0);
    }
}
