//! Cookies of a user (RFC 6265), kept like those of Locust's users and browsers.

use std::time::{Duration, SystemTime};

use cookie::Cookie;

/// Cookies that servers set for a user.
#[derive(Debug, Default)]
pub struct Jar(Vec<Kept>);

#[derive(Debug)]
struct Kept {
    /// Target that set the cookie; no other one receives it.
    target: usize,
    name: String,
    value: String,
    path: String,
    is_secure: bool,
    until: Option<SystemTime>,
}

/// Most cookies of a user, so that a server cannot exhaust the memory.
const MOST: usize = 64;

impl Jar {
    /// Returns true if there is no cookie.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the `Set-Cookie` values of the answer to a request; an expired one removes the cookie
    /// of the same name.
    pub fn take(&mut self, target: usize, request: &[u8], set: &[String]) {
        if !set.is_empty() {
            self.0.retain(|kept| kept.until.is_none_or(|until| until > SystemTime::now()));
        }
        for text in set {
            let Ok(cookie) = Cookie::parse(text.as_str()) else { continue };
            let given = cookie.path().filter(|path| path.starts_with('/'));
            let path = given.map_or_else(|| default_path(request), str::to_owned);
            self.0.retain(|kept| {
                (kept.target, &*kept.name, &kept.path) != (target, cookie.name(), &path)
            });
            let until = ends(&cookie);
            if self.0.len() < MOST && until.is_none_or(|until| until > SystemTime::now()) {
                self.0.push(Kept {
                    target,
                    name: cookie.name().to_owned(),
                    value: cookie.value().to_owned(),
                    path,
                    is_secure: cookie.secure() == Some(true),
                    until,
                });
            }
        }
    }

    /// Writes the request with its matching cookies after the first line into `out`; leaves `out`
    /// unchanged if there are none.
    pub fn add_to(&self, target: usize, is_secure: bool, request: &[u8], out: &mut Vec<u8>) {
        let Some(line) = request.windows(2).position(|pair| pair == b"\r\n") else { return };
        let path = path_of(request);
        let belongs = |kept: &&Kept| {
            kept.target == target
                && (is_secure || !kept.is_secure)
                && matches(path, kept.path.as_bytes())
                && kept.until.is_none_or(|until| until > SystemTime::now())
        };
        let mut wanted: Vec<&Kept> = self.0.iter().filter(belongs).collect();
        if wanted.is_empty() {
            return;
        }
        // Cookies with longer paths come first (section 5.4).
        wanted.sort_by_key(|kept| std::cmp::Reverse(kept.path.len()));
        let pairs: Vec<String> =
            wanted.iter().map(|kept| format!("{}={}", kept.name, kept.value)).collect();
        out.clear();
        out.extend_from_slice(&request[..line + 2]);
        out.extend_from_slice(format!("cookie: {}\r\n", pairs.join("; ")).as_bytes());
        out.extend_from_slice(&request[line + 2..]);
    }
}

/// Returns the path of a request, without its query.
fn path_of(request: &[u8]) -> &[u8] {
    let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let path = line.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    path.split(|byte| *byte == b'?').next().unwrap_or_default()
}

/// Returns the directory of the request's path (section 5.1.4).
fn default_path(request: &[u8]) -> String {
    let path = String::from_utf8_lossy(path_of(request));
    match path.rfind('/') {
        Some(at) if at > 0 && path.starts_with('/') => path[..at].to_owned(),
        _ => "/".to_owned(),
    }
}

/// Returns the expiry of a cookie, if it has one.
fn ends(cookie: &Cookie<'_>) -> Option<SystemTime> {
    if let Some(age) = cookie.max_age() {
        return SystemTime::now().checked_add(Duration::try_from(age).unwrap_or_default());
    }
    cookie.expires_datetime().map(SystemTime::from)
}

/// Returns true if a cookie's path matches (section 5.1.4).
fn matches(path: &[u8], kept: &[u8]) -> bool {
    path.strip_prefix(kept)
        .is_some_and(|rest| rest.is_empty() || kept.ends_with(b"/") || rest.starts_with(b"/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(jar: &Jar, path: &str, is_secure: bool) -> Option<String> {
        let mut out = Vec::new();
        jar.add_to(
            0,
            is_secure,
            format!("GET {path} HTTP/1.1\r\nhost: h\r\n\r\n").as_bytes(),
            &mut out,
        );
        let text = String::from_utf8(out).unwrap();
        let line = text.lines().nth(1)?.strip_prefix("cookie: ")?.to_owned();
        assert!(text.ends_with("\r\nhost: h\r\n\r\n"), "{text}");
        Some(line)
    }

    fn take(jar: &mut Jar, set: &[&str]) {
        take_from(jar, "/", set);
    }

    fn take_from(jar: &mut Jar, path: &str, set: &[&str]) {
        let request = format!("GET {path} HTTP/1.1\r\nhost: h\r\n\r\n");
        jar.take(
            0,
            request.as_bytes(),
            &set.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>(),
        );
    }

    #[test]
    fn cookies_without_a_path_are_for_where_they_were_set() {
        let mut jar = Jar::default();
        take_from(&mut jar, "/api/login?x=/y", &["a=1", "b=2; Path=relative", "c=3; Path=/"]);
        assert_eq!(sent(&jar, "/api/predict", false).as_deref(), Some("a=1; b=2; c=3"));
        assert_eq!(sent(&jar, "/api", false).as_deref(), Some("a=1; b=2; c=3"));
        assert_eq!(sent(&jar, "/other", false).as_deref(), Some("c=3"));
        let mut jar = Jar::default();
        take_from(&mut jar, "/login", &["a=1"]);
        assert_eq!(sent(&jar, "/predict", false).as_deref(), Some("a=1"));
    }

    #[test]
    fn cookies_go_where_they_belong() {
        let mut jar = Jar::default();
        take(&mut jar, &["a=1", "b=2; Path=/api", "c=3; Secure", "no cookie", "=x"]);
        assert_eq!(sent(&jar, "/", false).as_deref(), Some("a=1"));
        assert_eq!(sent(&jar, "/api/x?y", false).as_deref(), Some("b=2; a=1"));
        assert_eq!(sent(&jar, "/apis", true).as_deref(), Some("a=1; c=3"));
        jar.take(1, b"GET / HTTP/1.1\r\n\r\n", &["a=9".to_owned()]);
        assert_eq!(sent(&jar, "/", false).as_deref(), Some("a=1"), "another host's");
    }

    #[test]
    fn cookies_are_replaced_and_end() {
        let mut jar = Jar::default();
        take(&mut jar, &["a=1", "a=2; Max-Age=100", "b=1"]);
        assert_eq!(sent(&jar, "/", false).as_deref(), Some("a=2; b=1"));
        take(&mut jar, &["a=; Max-Age=0", "b=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"]);
        assert_eq!(sent(&jar, "/", false), None);
        let many: Vec<String> = (0..200).map(|i| format!("n{i}=1")).collect();
        jar.take(0, b"GET / HTTP/1.1\r\n\r\n", &many);
        assert_eq!(jar.0.len(), MOST);
    }
}
