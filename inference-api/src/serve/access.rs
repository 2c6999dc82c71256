//! Every request's name, and a line in the log for whoever wants one of each.

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
/// The log's part that these lines are in: `--log info,access=debug`.
const TARGET: &str = "access";
/// Longer names are not given back.
const LONGEST_ID: usize = 128;

/// What names the requests of a worker.
pub(super) struct Access {
    /// Tells this worker's names from those of all others, before and after.
    prefix: u64,
    next: AtomicU64,
}

/// A request that is being answered.
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

    /// Names a request as its client has named it, or by a name of ours.
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
    /// Gives the name back to the client, and logs the answer.
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

/// What a log line can hold without being taken for another one.
fn is_plain(id: &HeaderValue) -> bool {
    !id.is_empty() && id.len() <= LONGEST_ID && id.as_bytes().iter().all(u8::is_ascii_graphic)
}
