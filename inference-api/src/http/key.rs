//! Optional API key that clients must send.

use axum::{
    Json,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde_json::json;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::status::Cause;

/// Digest of the key that clients must send.
///
/// Digests have equal length, so the time of a comparison reveals nothing about the key.
#[derive(Clone)]
pub struct ApiKey([u8; 32]);

/// Paths that need no key: health checks, and the documents that describe how to use one.
const OPEN: [&str; 8] = [
    "/health",
    "/ping",
    "/version",
    "/v2",
    "/v2/health/live",
    "/v2/health/ready",
    "/openapi.json",
    "/docs",
];

/// Returns true if the path needs no key.
pub(super) fn is_open(path: &str) -> bool {
    OPEN.contains(&path) || path.starts_with("/docs/")
}

impl ApiKey {
    /// Creates the digest of `key`.
    pub fn new(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    /// Returns the refusal for a request that lacks a required key.
    pub(super) fn refusal(&self, path: &str, headers: &HeaderMap) -> Option<Response> {
        if is_open(path) || shown(headers).any(|key| self.is(key)) {
            return None;
        }
        let message = "this server wants its key: Authorization: Bearer KEY, or X-API-Key: KEY";
        let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
        Some(
            (Cause::Unauthorized.status(), challenge, Json(json!({ "error": message })))
                .into_response(),
        )
    }

    fn is(&self, key: &[u8]) -> bool {
        let digest: [u8; 32] = Sha256::digest(key).into();
        self.0.ct_eq(&digest).into()
    }
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

/// Returns the keys that a client sent, in either header.
/// Both are checked because a proxy may have replaced one of them.
fn shown(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| {
        let (scheme, key) = value.as_bytes().split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then_some(key)
    });
    bearer.into_iter().chain(headers.get("x-api-key").map(HeaderValue::as_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(path: &str, header: Option<(&'static str, &str)>) -> bool {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = header {
            headers.insert(name, value.parse().unwrap());
        }
        ApiKey::new("secret").refusal(path, &headers).is_some()
    }

    #[test]
    fn only_the_key_opens() {
        assert!(!refused("/predict", Some(("authorization", "Bearer secret"))));
        assert!(!refused("/predict", Some(("authorization", "bearer secret"))));
        assert!(!refused("/predict", Some(("x-api-key", "secret"))));
        let both = HeaderMap::from_iter([
            (header::AUTHORIZATION, HeaderValue::from_static("Bearer of-the-proxy")),
            (axum::http::HeaderName::from_static("x-api-key"), HeaderValue::from_static("secret")),
        ]);
        assert!(ApiKey::new("secret").refusal("/predict", &both).is_none());
        for wrong in ["Bearer secret2", "Bearer ", "secret", "Basic secret"] {
            assert!(refused("/predict", Some(("authorization", wrong))), "{wrong}");
        }
        for path in [
            "/predict",
            "/metrics",
            "/v2/repository/models/iris/load",
            "/v2/models/iris/infer",
            "/model",
        ] {
            assert!(refused(path, None), "{path}");
        }
        assert!(!refused("/health", None));
        assert!(!refused("/v2/health/ready", None));
    }
}
