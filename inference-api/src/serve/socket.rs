//! The socket of a live connection, and what is known of how far the connection is.

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

/// Head and body that are together no longer than this are put together: a write of one piece costs
/// the kernel less than of several, and more than the copy.
const SMALL_ANSWER: usize = 1024;
/// How much of a body that an answer had no use for is read after all, and for how long it is
/// waited for.
const REST_BYTES: usize = 64 << 10;
const REST_TIME: Duration = Duration::from_millis(50);

/// How far a live connection is; noted by the socket below hyper and by the bodies above it, since
/// hyper does not tell.
///
/// A connection may be taken apart when all of this holds:
/// - no request is being answered: the last answer's body is at its end (hyper has dropped it);
/// - what hyper wrote it has flushed: it flushes the socket only when its own buffer is empty;
/// - the last read found nothing: hyper reads only when what it holds is no whole request;
/// - it has answered a request, or has received nothing: else it holds the beginning of a head,
///   and would be taken apart and built again for ever;
/// - the request's body was read to its end: else its rest would be taken for the next request.
///
/// What hyper may still hold then is the beginning of the next head, which it gives back.
///
/// The fields are atomic for `Send` alone: one thread touches them.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Requests whose head was read.
    begun: AtomicU32,
    answering: AtomicBool,
    body_left: AtomicBool,
    /// What is left of it.
    rest: Mutex<Option<Incoming>>,
    /// The last answer's part of what is not read yet, if it is a large one.
    share: Mutex<Option<Share>>,
    unflushed: AtomicBool,
    received: AtomicBool,
    starved: AtomicBool,
    /// Somebody waits for more of the request's body.
    body_wanted: AtomicBool,
    /// The client does not take what is written.
    blocked: AtomicBool,
    /// Bytes that it has taken; may wrap.
    written: AtomicUsize,
}

/// What only the client can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owed {
    /// The rest of the head of the request with this number.
    Head(u32),
    /// The rest of its body.
    Body(u32),
    /// To take more than so many bytes of answers.
    Reading(usize),
}

impl Progress {
    /// A request's head is read.
    pub(super) fn begin(&self) {
        self.begun.store(self.begun.load(Relaxed).wrapping_add(1), Relaxed);
        self.answering.store(true, Relaxed);
        // hyper has found a head behind the body before it: that body is read.
        self.body_left.store(false, Relaxed);
    }

    /// The answer's body is at its end.
    pub(super) fn answered(&self) {
        self.answering.store(false, Relaxed);
    }

    /// A request's body was dropped before its end.
    pub(super) fn leave_body(&self, rest: Incoming) {
        self.body_left.store(true, Relaxed);
        *self.rest.lock().unwrap_or_else(PoisonError::into_inner) = Some(rest);
    }

    /// Reads what is left of a body, if that is little and comes soon: then the connection can be
    /// kept.
    pub(super) async fn read_rest(&self) {
        let rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(rest) = rest else { return };
        let read = timeout(REST_TIME, Limited::new(rest, REST_BYTES).collect()).await;
        if matches!(read, Ok(Ok(_))) {
            self.body_left.store(false, Relaxed);
        }
    }

    /// Takes note of a large answer, which is unread until there is another one, or the connection
    /// is idle.
    pub(super) fn owe(&self, share: Share) {
        *self.share.lock().unwrap_or_else(PoisonError::into_inner) = Some(share);
    }

    /// Leaves what is left of a body to the connection, which ends with it.
    pub(super) fn forget_rest(&self) {
        *self.rest.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether the last request's body was dropped before its end.
    pub(super) fn body_left(&self) -> bool {
        self.body_left.load(Relaxed)
    }

    /// Whether the connection may be taken apart.
    pub(super) fn is_idle(&self) -> bool {
        self.waits()
            && !self.body_left()
            && (self.begun.load(Relaxed) > 0 || !self.received.load(Relaxed))
    }

    /// Whether somebody waits for more of a request's body.
    pub(super) fn want_body(&self, wanted: bool) {
        self.body_wanted.store(wanted, Relaxed);
    }

    /// What the client has to do before anything else can happen, if there is something.
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

    /// Notes a write, and gives back what came of it.
    fn wrote(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.unflushed.store(true, Relaxed);
        self.blocked.store(result.is_pending(), Relaxed);
        if let Poll::Ready(Ok(count)) = &result {
            self.written.store(self.written.load(Relaxed).wrapping_add(*count), Relaxed);
        }
        result
    }

    /// Whether only the client can move the connection on.
    fn waits(&self) -> bool {
        !self.answering.load(Relaxed) && !self.unflushed.load(Relaxed) && self.starved.load(Relaxed)
    }
}

/// The socket as hyper reads and writes it.
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

    /// Nothing: the socket outlives hyper's connection, and its owner decides how it closes.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
