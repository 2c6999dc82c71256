//! Socket of a live connection, and the state of that connection.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::{
    body::Incoming,
    rt::{Read, ReadBufCursor, Write},
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

use super::unread::Share;

/// Largest response, in bytes, whose head and body are copied into one write.
///
/// For small responses, the saving over several writes exceeds the cost of the copy.
const SMALL_ANSWER: usize = 1024;
/// Limits, in size and time, on reading the unused rest of a request's body.
const REST_BYTES: usize = 64 << 10;
const REST_TIME: Duration = Duration::from_millis(50);

/// State of a live connection, noted by the socket below hyper and the bodies above it.
///
/// hyper does not report it. A connection may be taken apart when all of this holds:
/// - No request is being answered: hyper has dropped the last response's body at its end.
/// - hyper's writes are flushed: it flushes the socket only when its own buffer is empty.
/// - The last read found nothing: hyper reads only when it holds no whole request.
/// - It has answered a request or received nothing. Otherwise it holds the beginning of a head, and
///   would be taken apart and rebuilt forever.
/// - The request's body was read to its end. Otherwise its rest would be the next request.
///
/// hyper may then still hold the beginning of the next head, which it returns.
///
/// The fields are atomic only for `Send`: a single thread accesses them.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Number of requests whose head was read.
    begun: AtomicU32,
    answering: AtomicBool,
    body_left: AtomicBool,
    /// Unread rest of the body.
    rest: Mutex<Option<Incoming>>,
    /// Share of the last response in the unread bytes, if it is a large one.
    share: Mutex<Option<Share>>,
    unflushed: AtomicBool,
    received: AtomicBool,
    starved: AtomicBool,
    /// True while a reader waits for more of the request's body.
    body_wanted: AtomicBool,
    /// True while the client does not accept written bytes.
    blocked: AtomicBool,
    /// Number of bytes that the client has accepted; may wrap.
    written: AtomicUsize,
}

/// Action that only the client can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owed {
    /// Sending the rest of the head of the request with this number.
    Head(u32),
    /// Sending the rest of the body of the request with this number.
    Body(u32),
    /// Accepting more than this many bytes of responses.
    Reading(usize),
}

impl Progress {
    /// Notes that a request's head was read.
    pub(super) fn begin(&self) {
        self.begun.store(self.begun.load(Relaxed).wrapping_add(1), Relaxed);
        self.answering.store(true, Relaxed);
        // hyper has found a head after the previous body, so that body was read.
        self.body_left.store(false, Relaxed);
    }

    /// Notes that the response's body has ended.
    pub(super) fn answered(&self) {
        self.answering.store(false, Relaxed);
    }

    /// Notes that a request's body was dropped before its end.
    pub(super) fn leave_body(&self, rest: Incoming) {
        self.body_left.store(true, Relaxed);
        *self.rest.lock().unwrap_or_else(PoisonError::into_inner) = Some(rest);
    }

    /// Reads the rest of a body if it is small and arrives soon, to keep the connection.
    pub(super) async fn read_rest(&self) {
        let rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(rest) = rest else { return };
        let read = timeout(REST_TIME, Limited::new(rest, REST_BYTES).collect()).await;
        if matches!(read, Ok(Ok(_))) {
            self.body_left.store(false, Relaxed);
        }
    }

    /// Notes a large response as unread until the next large one or until the connection is idle.
    pub(super) fn owe(&self, share: Share) {
        *self.share.lock().unwrap_or_else(PoisonError::into_inner) = Some(share);
    }

    /// Leaves the rest of a body unread; the connection then closes.
    pub(super) fn forget_rest(&self) {
        *self.rest.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Returns true if the last request's body was dropped before its end.
    pub(super) fn body_left(&self) -> bool {
        self.body_left.load(Relaxed)
    }

    /// Returns true if the connection may be taken apart.
    pub(super) fn is_idle(&self) -> bool {
        self.waits()
            && !self.body_left()
            && (self.begun.load(Relaxed) > 0 || !self.received.load(Relaxed))
    }

    /// Notes whether a reader waits for more of a request's body.
    pub(super) fn want_body(&self, wanted: bool) {
        self.body_wanted.store(wanted, Relaxed);
    }

    /// Returns the client's next action if the connection waits for it.
    pub(super) fn owed(&self) -> Option<Owed> {
        let request = self.begun.load(Relaxed);
        if self.blocked.load(Relaxed) {
            Some(Owed::Reading(self.written.load(Relaxed)))
        } else if self.body_wanted.load(Relaxed) {
            Some(Owed::Body(request))
        } else {
            (self.waits() && self.received.load(Relaxed)).then_some(Owed::Head(request))
        }
    }

    /// Notes a write and returns its result.
    fn wrote(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.unflushed.store(true, Relaxed);
        self.blocked.store(result.is_pending(), Relaxed);
        if let Poll::Ready(Ok(count)) = &result {
            self.written.store(self.written.load(Relaxed).wrapping_add(*count), Relaxed);
        }
        result
    }

    /// Returns true if no response is under way and the last read found nothing.
    fn waits(&self) -> bool {
        !self.answering.load(Relaxed) && !self.unflushed.load(Relaxed) && self.starved.load(Relaxed)
    }
}

/// Socket as hyper reads and writes it.
pub(super) struct Socket {
    stream: TokioIo<TcpStream>,
    /// Bytes that were read before this connection was built.
    early: Bytes,
    progress: Arc<Progress>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, early: Bytes, progress: Arc<Progress>) -> Self {
        Self { stream: TokioIo::new(stream), early, progress }
    }

    pub(super) fn into_stream(self) -> TcpStream {
        self.stream.into_inner()
    }
}

impl Read for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.progress.starved.store(false, Relaxed);
        if !self.early.is_empty() {
            let count = self.early.len().min(buf.remaining());
            buf.put_slice(&self.early.split_to(count));
            self.progress.received.store(true, Relaxed);
            return Poll::Ready(Ok(()));
        }
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let noted =
            if read.is_pending() { &self.progress.starved } else { &self.progress.received };
        noted.store(true, Relaxed);
        read
    }
}

impl Write for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.progress.wrote(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length: usize = bufs.iter().map(|buf| buf.len()).sum();
        if length > SMALL_ANSWER {
            let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
            return self.progress.wrote(result);
        }
        let mut small = [0; SMALL_ANSWER];
        let mut end = 0;
        for buf in bufs {
            small[end..end + buf.len()].copy_from_slice(buf);
            end += buf.len();
        }
        self.poll_write(cx, &small[..length])
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.progress.unflushed.store(false, Relaxed);
        Poll::Ready(Ok(()))
    }

    /// Does nothing: the socket outlives hyper's connection, and its owner decides how it closes.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
