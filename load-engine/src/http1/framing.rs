//! Framing of answers: where the body ends.

/// Framing of a body.
pub(super) enum Framing {
    None,
    Sized(u64),
    Chunked,
    UntilClose,
}

/// Returns the framing of the body (RFC 9112, section 6.3), and whether the connection stays open.
pub(super) fn framing(response: &httparse::Response<'_, '_>) -> Option<(Framing, bool)> {
    let mut length = None;
    let mut chunked = false;
    let mut keep_alive = response.version == Some(1);
    for header in response.headers.iter() {
        let value = || std::str::from_utf8(header.value).map(str::trim).ok();
        if header.name.eq_ignore_ascii_case("content-length") {
            length = Some(value()?.parse::<u64>().ok()?);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            chunked = value()?.to_ascii_lowercase().ends_with("chunked");
        } else if header.name.eq_ignore_ascii_case("connection") {
            for token in value()?.split(',') {
                match token.trim().to_ascii_lowercase().as_str() {
                    "close" => keep_alive = false,
                    "keep-alive" => keep_alive = true,
                    _ => {}
                }
            }
        }
    }
    Some(match (response.code?, chunked, length) {
        (204 | 304, ..) => (Framing::None, keep_alive),
        (_, true, _) => (Framing::Chunked, keep_alive),
        (_, false, Some(length)) => (Framing::Sized(length), keep_alive),
        (_, false, None) => (Framing::UntilClose, false),
    })
}
