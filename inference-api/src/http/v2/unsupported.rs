//! Responses for missing paths and methods under `/v2`.
//! The protocol's clients read only `{"error": "…"}`.

use axum::{
    http::{HeaderValue, Method, header},
    response::{IntoResponse, Response},
};
use percent_encoding::percent_decode_str;

use super::error::V2Error;
use crate::http::status::Cause;

/// Returns true if the path belongs to this protocol.
pub(in crate::http) fn is_ours(path: &str) -> bool {
    path == "/v2" || path.starts_with("/v2/")
}

/// Returns true if a path under `/v2` does not decode to UTF-8, so that it names nothing.
pub(in crate::http) fn is_unreadable(path: &str) -> bool {
    is_ours(path) && percent_decode_str(path).decode_utf8().is_err()
}

/// Returns the response for a path that does not exist.
pub(in crate::http) fn no_path(path: &str) -> Response {
    let message = match extension(path) {
        Some((name, instead)) => {
            format!("this server does not have Triton's {name} extension{instead}")
        }
        None => format!("no such path: {path}; GET /openapi.json lists those that there are"),
    };
    V2Error::new(Cause::NotFound, message).into_response()
}

/// Returns the response for a path that has another method.
pub(in crate::http) fn no_method(method: &Method, path: &str, allowed: &'static str) -> Response {
    let message = format!("{path} has no {method}, only {allowed}");
    let mut response = V2Error::new(Cause::Method, message).into_response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

/// Returns the Triton extension that a path belongs to, and its replacement here.
fn extension(path: &str) -> Option<(&'static str, &'static str)> {
    let rest = path.strip_prefix("/v2/")?;
    let in_model = rest
        .strip_prefix("models/")
        .and_then(|rest| rest.split_once('/'))
        .map_or("", |(_, rest)| rest);
    let last = in_model.rsplit('/').next().unwrap_or_default();
    if ["systemsharedmemory", "cudasharedmemory", "tpusharedmemory"]
        .iter()
        .any(|name| rest.starts_with(name))
    {
        Some(("shared memory", "; send tensors in the request, as bytes where they are large"))
    } else if rest.starts_with("trace") || in_model.ends_with("trace/setting") {
        Some(("trace", "; GET /metrics has the times of a request's stages"))
    } else if rest.starts_with("logging") {
        Some(("logging", "; start it with --log"))
    } else if ["generate", "generate_stream"].contains(&last) {
        Some(("generate", "; POST to infer"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_known_by_their_paths() {
        let name = |path| extension(path).map(|(name, _)| name);
        assert_eq!(name("/v2/systemsharedmemory/status"), Some("shared memory"));
        assert_eq!(name("/v2/cudasharedmemory/region/a/register"), Some("shared memory"));
        assert_eq!(name("/v2/trace/setting"), Some("trace"));
        assert_eq!(name("/v2/models/iris/trace/setting"), Some("trace"));
        assert_eq!(name("/v2/logging"), Some("logging"));
        assert_eq!(name("/v2/models/iris/versions/1/generate_stream"), Some("generate"));
        assert_eq!(name("/v2/models/generate"), None);
        assert_eq!(name("/v2/nothing"), None);
    }
}
