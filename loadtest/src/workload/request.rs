//! The request that users send, and the host it goes to.

use std::{
    fmt,
    net::{SocketAddr, ToSocketAddrs},
    str::FromStr,
};

use super::{Payload, Secure, Trust, payload::is_header_value};

/// Host such as `http://127.0.0.1:8000`, as in Locust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Value of the Host header.
    pub authority: String,
    /// True for https:// hosts.
    pub is_secure: bool,
    name: String,
    port: u16,
    /// Path prefix of every request; empty, or with a leading slash and without a trailing one.
    pub base_path: String,
}

/// Error for a host that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The text is not the URL of a host.
    #[error("host {given:?}: {reason}; write http://127.0.0.1:8000")]
    Syntax {
        /// The given text.
        given: String,
        /// The problem.
        reason: String,
    },
    /// TLS cannot be set up for the host.
    #[error("host {name}: {reason}")]
    Tls {
        /// Host name.
        name: String,
        /// The problem.
        reason: String,
    },
    /// The name does not resolve.
    #[error("host {name} cannot be resolved: {source}")]
    Resolve {
        /// Host name.
        name: String,
        /// The system's error.
        source: std::io::Error,
    },
}

impl Host {
    /// Returns a host named by its address, without TLS.
    pub fn at(addr: SocketAddr) -> Self {
        Self {
            authority: addr.to_string(),
            is_secure: false,
            name: addr.ip().to_string(),
            port: addr.port(),
            base_path: String::new(),
        }
    }

    /// Returns the TLS settings of an `https://` host; `None` for a host without TLS.
    ///
    /// # Errors
    /// Returns an error if the trusted certificates cannot be read.
    pub fn secure(&self, trust: &Trust) -> Result<Option<Secure>, HostError> {
        self.is_secure.then(|| Secure::new(&self.name, trust)).transpose()
    }

    /// Resolves the host name to its addresses.
    ///
    /// # Errors
    /// Returns an error if the name does not resolve.
    pub fn resolve(&self) -> Result<Vec<SocketAddr>, HostError> {
        let failed = |source| HostError::Resolve { name: self.name.clone(), source };
        let addrs: Vec<SocketAddr> =
            (self.name.as_str(), self.port).to_socket_addrs().map_err(failed)?.collect();
        if addrs.is_empty() {
            return Err(failed(std::io::Error::other("no address")));
        }
        Ok(addrs)
    }
}

impl FromStr for Host {
    type Err = HostError;

    fn from_str(given: &str) -> Result<Self, HostError> {
        let wrong =
            |reason: &str| HostError::Syntax { given: given.to_owned(), reason: reason.to_owned() };
        let url = url::Url::parse(given).map_err(|e| wrong(&e.to_string()))?;
        if !["http", "https"].contains(&url.scheme()) {
            return Err(wrong("a host begins with http:// or https://"));
        }
        if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
            return Err(wrong("a host has no query, fragment or user"));
        }
        let name = url.host_str().ok_or_else(|| wrong("it names no host"))?.to_owned();
        let port = url.port_or_known_default().unwrap_or(80);
        let authority = url.port().map_or_else(|| name.clone(), |port| format!("{name}:{port}"));
        let name = name.trim_start_matches('[').trim_end_matches(']').to_owned();
        let is_secure = url.scheme() == "https";
        Ok(Self {
            authority,
            is_secure,
            name,
            port,
            base_path: url.path().trim_end_matches('/').to_owned(),
        })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_secure { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.base_path)
    }
}

/// A request, the same for every user except for its payloads, which are sent in turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// HTTP method: `POST`, `GET`, …
    pub method: String,
    /// Path, beginning with a slash.
    pub path: String,
    /// Value of the `Host` header, if it differs from the host's own name.
    pub host: Option<String>,
    /// Further headers.
    pub headers: Vec<Header>,
    /// Payloads in turn, each user beginning with a different one; empty for a request without a
    /// body.
    pub payloads: Vec<Payload>,
}

/// A request header: `Name: value`.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    /// Header name.
    pub name: String,
    /// Header value.
    pub value: String,
}

impl Request {
    /// Returns `GET path`.
    pub fn get(path: &str) -> Self {
        let (method, path) = ("GET".to_owned(), path.to_owned());
        Self { method, path, host: None, headers: Vec::new(), payloads: Vec::new() }
    }

    /// Returns `POST path` with a JSON body.
    pub fn post_json(path: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { method: "POST".to_owned(), payloads: vec![Payload::json(body)], ..Self::get(path) }
    }

    /// Returns true if the method needs a body and none is set.
    pub fn wants_payload(&self) -> bool {
        self.payloads.is_empty() && ["POST", "PUT", "PATCH"].contains(&self.method.as_str())
    }

    /// Returns a `GET` of another path with this request's host and headers.
    pub fn get_as(&self, path: &str) -> Self {
        Self { host: self.host.clone(), headers: self.headers.clone(), ..Self::get(path) }
    }
}

impl FromStr for Header {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("{text:?}: {why}");
        let (name, value) = text.split_once(':').ok_or_else(|| wrong("write 'Name: value'"))?;
        let is_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(wrong("this is no name of a header"));
        }
        if !is_header_value(value.trim()) {
            return Err(wrong("a header's value is one line, and not empty"));
        }
        match name.to_ascii_lowercase().as_str() {
            "content-length" | "transfer-encoding" => Err(wrong("loadgen sets this header itself")),
            "host" => Err(wrong("say --host-header")),
            "content-type" => Err(wrong("say --content-type")),
            _ => Ok(Self { name: name.to_owned(), value: value.trim().to_owned() }),
        }
    }
}

/// Hides the value, which may be a secret.
impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: …", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_urls() {
        let host: Host = "http://127.0.0.1:8000".parse().unwrap();
        assert_eq!((host.authority.as_str(), host.base_path.as_str()), ("127.0.0.1:8000", ""));
        let host: Host = "http://localhost/api/".parse().unwrap();
        assert_eq!(
            (host.authority.as_str(), host.base_path.as_str(), host.port),
            ("localhost", "/api", 80)
        );
        assert_eq!("http://[::1]:9".parse::<Host>().unwrap().name, "::1");
        for wrong in ["127.0.0.1:8000", "ftp://x", "http://x/?q=1", ""] {
            assert!(wrong.parse::<Host>().is_err(), "{wrong} was taken");
        }
    }

    #[test]
    fn a_header_is_a_name_and_a_value() {
        let header: Header = "X-Api-Key:  a b ".parse().unwrap();
        assert_eq!((header.name.as_str(), header.value.as_str()), ("X-Api-Key", "a b"));
        assert!(!format!("{header:?}").contains("a b"), "a secret is not shown");
        for wrong in
            ["X-Api-Key", ": x", "a b: c", "a: b\r\nc: d", "a:", "Host: x", "Content-Length: 3"]
        {
            assert!(wrong.parse::<Header>().is_err(), "{wrong:?}");
        }
    }
}
