//! The request that users send, and the host it goes to.

use std::{
    fmt,
    net::{SocketAddr, ToSocketAddrs},
    str::FromStr,
};

use super::{Secure, Trust};

/// `http://127.0.0.1:8000`: what Locust calls the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// What the Host header says.
    pub authority: String,
    /// Whether it is spoken to in TLS.
    pub is_secure: bool,
    name: String,
    port: u16,
    /// The path in front of the request's own; empty, or beginning with a slash and not ending with one.
    pub base_path: String,
}

/// A host that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// It is no URL of a host.
    #[error("host {given:?}: {reason}; write http://127.0.0.1:8000")]
    Syntax {
        /// What was given.
        given: String,
        /// What is wrong.
        reason: String,
    },
    /// TLS cannot be spoken to it.
    #[error("host {name}: {reason}")]
    Tls {
        /// Its name.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// The name does not resolve.
    #[error("host {name} cannot be resolved: {source}")]
    Resolve {
        /// Its name.
        name: String,
        /// The system's words.
        source: std::io::Error,
    },
}

impl Host {
    /// A host that is spoken to by its address, without TLS.
    pub fn at(addr: SocketAddr) -> Self {
        Self {
            authority: addr.to_string(),
            is_secure: false,
            name: addr.ip().to_string(),
            port: addr.port(),
            base_path: String::new(),
        }
    }

    /// What it takes to speak TLS to it, if it is an `https://` host.
    ///
    /// # Errors
    /// When the certificates to trust cannot be read.
    pub fn secure(&self, trust: &Trust) -> Result<Option<Secure>, HostError> {
        self.is_secure.then(|| Secure::new(&self.name, trust)).transpose()
    }

    /// The addresses that the name stands for.
    ///
    /// # Errors
    /// When it does not resolve.
    pub fn resolve(&self) -> Result<Vec<SocketAddr>, HostError> {
        let failed = |source| HostError::Resolve { name: self.name.clone(), source };
        let addrs: Vec<SocketAddr> = (self.name.as_str(), self.port).to_socket_addrs().map_err(failed)?.collect();
        if addrs.is_empty() {
            return Err(failed(std::io::Error::other("no address")));
        }
        Ok(addrs)
    }
}

impl FromStr for Host {
    type Err = HostError;

    fn from_str(given: &str) -> Result<Self, HostError> {
        let wrong = |reason: &str| HostError::Syntax { given: given.to_owned(), reason: reason.to_owned() };
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
        Ok(Self { authority, is_secure, name, port, base_path: url.path().trim_end_matches('/').to_owned() })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_secure { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.base_path)
    }
}

/// A request, the same for every user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `POST`, `GET`, …
    pub method: String,
    /// Beginning with a slash.
    pub path: String,
    /// Sent as it is; empty for none.
    pub body: Vec<u8>,
    /// Of the body.
    pub content_type: String,
}

impl Request {
    /// `GET path`.
    pub fn get(path: &str) -> Self {
        Self { method: "GET".to_owned(), path: path.to_owned(), body: Vec::new(), content_type: String::new() }
    }

    /// `POST path` with a JSON body.
    pub fn post_json(path: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            method: "POST".to_owned(),
            path: path.to_owned(),
            body: body.into(),
            content_type: "application/json".to_owned(),
        }
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
        assert_eq!((host.authority.as_str(), host.base_path.as_str(), host.port), ("localhost", "/api", 80));
        assert_eq!("http://[::1]:9".parse::<Host>().unwrap().name, "::1");
        for wrong in ["127.0.0.1:8000", "ftp://x", "http://x/?q=1", ""] {
            assert!(wrong.parse::<Host>().is_err(), "{wrong} was taken");
        }
    }
}
