//! Socket addresses as users write them: an IP address or a host name, always with a port.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

/// Parses `ADDRESS:PORT` or `NAME:PORT`.
///
/// # Errors
/// Returns a message with valid examples if `text` has no valid port or its name does not resolve.
pub fn parse(text: &str) -> Result<SocketAddr, String> {
    if let Ok(addr) = text.parse() {
        return Ok(addr);
    }
    let wanted = "expected ADDRESS:PORT or NAME:PORT, for instance 127.0.0.1:8000, 0.0.0.0:8000, \
        [::]:8000 or localhost:8000";
    if text
        .rsplit_once(':')
        .is_none_or(|(name, port)| name.is_empty() || port.parse::<u16>().is_err())
    {
        return Err(wanted.to_owned());
    }
    let found: Vec<SocketAddr> =
        text.to_socket_addrs().map_err(|e| format!("{wanted}; {e}"))?.collect();
    // Prefer IPv4 if the name has both: it also works on hosts without IPv6.
    found
        .iter()
        .find(|addr| addr.is_ipv4())
        .or(found.first())
        .copied()
        .ok_or_else(|| wanted.to_owned())
}

/// Returns the address at which a local client reaches a server that listens on `addr`.
/// An unspecified address (`0.0.0.0` or `[::]`) becomes the loopback address.
pub fn from_here(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        other => other,
    };
    SocketAddr::new(ip, addr.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_addresses() {
        assert_eq!(parse("127.0.0.1:80").unwrap(), SocketAddr::from(([127, 0, 0, 1], 80)));
        assert!(parse("localhost:8000").unwrap().ip().is_loopback());
        for wrong in ["8000", ":8000", "127.0.0.1", "localhost:", "localhost:70000"] {
            assert!(parse(wrong).unwrap_err().contains("127.0.0.1:8000"), "{wrong}");
        }
    }

    #[test]
    fn who_listens_everywhere_is_asked_on_the_loopback() {
        let here = |text: &str| from_here(text.parse().unwrap()).to_string();
        assert_eq!(here("0.0.0.0:9000"), "127.0.0.1:9000");
        assert_eq!(here("[::]:9000"), "[::1]:9000");
        assert_eq!(here("10.1.2.3:9000"), "10.1.2.3:9000");
    }
}
