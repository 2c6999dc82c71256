//! Access control: only this machine's own browser may use the page, from the page itself.
//!
//! Another page in the same browser can send requests here. Two headers reveal it: Origin (or
//! Sec-Fetch-Site), and Host if its own name was pointed at this address (DNS rebinding).

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

/// Names under which the page may be reached.
#[derive(Debug, Clone)]
pub struct Guard {
    names: Vec<String>,
}

const POLICY: &str =
    "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

impl Guard {
    /// Creates a guard with loopback's names and these.
    pub fn new(more: &[String]) -> Self {
        let own = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
        Self { names: own.into_iter().chain(more.iter().map(|n| n.to_ascii_lowercase())).collect() }
    }

    /// Returns the reason why a request with these headers is refused, if it is.
    fn refuses(&self, headers: &HeaderMap) -> Option<String> {
        let Some(host) = text(headers, header::HOST) else {
            return Some("no Host header".to_owned());
        };
        if !self.names.contains(&name(host)) {
            return Some(format!("Host {host} is not this page; --allow-name adds names"));
        }
        // Browsers send Origin with every POST; if present, it must be this page, port included.
        if let Some(origin) = text(headers, header::ORIGIN)
            && origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"))
                != Some(host)
        {
            return Some(format!("Origin {origin} is not this page"));
        }
        // Over plain http to a name, browsers send neither with a GET: an image of a foreign page
        // could stop a test. They do send where it comes from.
        if text(headers, header::ORIGIN).is_none()
            && !headers.contains_key("sec-fetch-site")
            && let Some(from) = text(headers, header::REFERER)
            && from.split('/').nth(2) != Some(host)
        {
            return Some(format!("the request comes from {from}"));
        }
        // Sec-Fetch-Site also comes with the GETs that stop and reset.
        match headers.get("sec-fetch-site").and_then(|v| v.to_str().ok()) {
            None | Some("same-origin" | "none") => None,
            Some(site) => Some(format!("the request comes from another site ({site})")),
        }
    }
}

/// Policy of reports, which contain their styles, and texts of the servers that were loaded: no
/// script runs, whatever they contain.
pub(super) const REPORT_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; \
    img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; \
    sandbox allow-popups";

pub(super) async fn check(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    if let Some(why) = guard.refuses(request.headers()) {
        return (StatusCode::FORBIDDEN, format!("refused: {why}\n")).into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let policy = headers.entry(header::CONTENT_SECURITY_POLICY);
    policy.or_insert(HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Files with a version in their path say so themselves.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).map(|v| v.to_str().unwrap_or("unreadable"))
}

/// Returns the host without its port.
fn name(host: &str) -> String {
    let end = host.rfind(':').filter(|&i| i > host.rfind(']').unwrap_or(0)).unwrap_or(host.len());
    host[..end].to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(pairs: &[(&'static str, &'static str)]) -> bool {
        let headers =
            pairs.iter().map(|(k, v)| (k.parse().unwrap(), HeaderValue::from_static(v))).collect();
        Guard::new(&["loadgen.test".to_owned()]).refuses(&headers).is_some()
    }

    #[test]
    fn the_page_itself_may() {
        assert!(!refused(&[("host", "127.0.0.1:8089"), ("origin", "http://127.0.0.1:8089")]));
        assert!(!refused(&[("host", "[::1]:8089"), ("sec-fetch-site", "same-origin")]));
        assert!(!refused(&[("host", "LOADGEN.test")]));
    }

    #[test]
    fn others_may_not() {
        assert!(refused(&[]));
        assert!(refused(&[("host", "evil.example:8089")]));
        assert!(refused(&[("host", "127.0.0.1:8089"), ("origin", "http://evil.example")]));
        assert!(refused(&[("host", "127.0.0.1:8089"), ("origin", "http://127.0.0.1:9999")]));
        assert!(refused(&[("host", "127.0.0.1:8089"), ("origin", "null")]));
        assert!(refused(&[("host", "127.0.0.1:8089"), ("sec-fetch-site", "cross-site")]));
        assert!(refused(&[("host", "127.0.0.1.evil.example")]));
        assert!(refused(&[("host", "loadgen.test"), ("referer", "http://evil.example/a")]));
        assert!(!refused(&[("host", "loadgen.test"), ("referer", "http://loadgen.test/")]));
    }
}
