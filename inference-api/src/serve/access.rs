//! Request ids and the access log.

use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Instant,
};

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, Method, Uri},
    response::Response,
};
use tracing::{Level, enabled};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Log target of these lines: `--log info,access=debug`.
const TARGET: &str = "access";
/// Longest client-given id, in bytes, that the response repeats.
const LONGEST_ID: usize = 128;

/// Generator of request ids for a worker.
pub(super) struct Access {
    /// Random prefix that makes ids unique across workers and restarts.
    prefix: u64,
    next: AtomicU64,
}

/// Request that is being answered.
pub(super) struct Named {
    id: HeaderValue,
    line: Option<Line>,
}

struct Line {
    begun: Instant,
    method: Method,
    uri: Uri,
}

impl Access {
    pub(super) fn new() -> Self {
        Self { prefix: rand::random(), next: AtomicU64::new(0) }
    }

    /// Assigns the client's id to a request, or a generated one.
    pub(super) fn begin<B>(&self, request: &Request<B>) -> Named {
        let given = request.headers().get(REQUEST_ID).filter(|id| is_plain(id)).cloned();
        let id = given.unwrap_or_else(|| self.name());
        let line = enabled!(target: TARGET, Level::DEBUG).then(|| Line {
            begun: Instant::now(),
            method: request.method().clone(),
            uri: request.uri().clone(),
        });
        Named { id, line }
    }

    fn name(&self) -> HeaderValue {
        let mut name = String::with_capacity(32);
        // Writing to a string does not fail.
        let _ = write!(name, "{:016x}-{:x}", self.prefix, self.next.fetch_add(1, Relaxed));
        HeaderValue::try_from(name).unwrap_or(HeaderValue::from_static("-"))
    }
}

impl Named {
    /// Adds the id to the response and logs it.
    pub(super) fn end(self, response: &mut Response) {
        let status = response.status().as_u16();
        if let Some(line) = &self.line {
            tracing::debug!(
                target: TARGET,
                request_id = self.id.to_str().unwrap_or_default(),
                method = line.method.as_str(),
                path = line.uri.path(),
                status,
                microseconds = u64::try_from(line.begun.elapsed().as_micros()).unwrap_or(u64::MAX),
                "request"
            );
        } else if status == 500 {
            tracing::error!(request_id = self.id.to_str().unwrap_or_default(), "answered with 500");
        }
        response.headers_mut().insert(REQUEST_ID, self.id);
    }
}

/// Returns true if the id is safe in a log line.
fn is_plain(id: &HeaderValue) -> bool {
    !id.is_empty() && id.len() <= LONGEST_ID && id.as_bytes().iter().all(u8::is_ascii_graphic)
}
