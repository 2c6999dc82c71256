//! Request and response bodies: size limits, and gzip and deflate in both directions.

use std::io::{Read, Write};

use axum::{
    BoxError,
    body::{Bytes, HttpBody},
    http::{HeaderMap, HeaderValue, Response, header},
};
use flate2::{
    Compression,
    read::{MultiGzDecoder, ZlibDecoder},
    write::{GzEncoder, ZlibEncoder},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::ApiError;

/// Smallest response worth compressing, in bytes; a smaller one fits into one packet anyway.
const WORTH_CODING: usize = 1024;

/// Reads and decompresses the whole body. The limit holds before and after decompression.
///
/// # Errors
/// Returns an error if the body is too large, cut off, or in an unsupported coding.
pub(super) async fn read<B>(headers: &HeaderMap, body: B, limit: usize) -> Result<Bytes, ApiError>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>>,
{
    let announced = body.size_hint().lower();
    if announced > limit as u64 {
        return Err(ApiError::TooLarge { limit, got: format!("{announced} bytes") });
    }
    let body = match Limited::new(body, limit).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Err(ApiError::TooLarge { limit, got: "more".to_owned() });
        }
        Err(error) => return Err(ApiError::Unreadable(error.to_string())),
    };
    match headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity" | b"") => Ok(body),
        Some(b"gzip" | b"x-gzip") => inflate(MultiGzDecoder::new(&body[..]), limit),
        Some(b"deflate") => inflate(ZlibDecoder::new(&body[..]), limit),
        Some(other) => Err(ApiError::Coding(String::from_utf8_lossy(other).into_owned())),
    }
}

/// Compresses a large enough body with a coding that the client accepts; returns its name too.
pub(super) fn code(headers: &HeaderMap, body: Vec<u8>) -> (Vec<u8>, Option<&'static str>) {
    let Some(coding) = choose(accepted(headers)).filter(|_| body.len() >= WORTH_CODING) else {
        return (body, None);
    };
    let coded = match coding {
        "gzip" => {
            deflate(GzEncoder::new(Vec::new(), Compression::fast()), &body, GzEncoder::finish)
        }
        _ => deflate(ZlibEncoder::new(Vec::new(), Compression::fast()), &body, ZlibEncoder::finish),
    };
    match coded {
        Ok(coded) => (coded, Some(coding)),
        Err(_) => (body, None),
    }
}

/// Returns true if the client accepts gzip.
pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    choose(accepted(headers)) == Some("gzip")
}

fn accepted(headers: &HeaderMap) -> &str {
    headers.get(header::ACCEPT_ENCODING).and_then(|v| v.to_str().ok()).unwrap_or("")
}

/// Sets the headers that describe the coding of the body.
pub(super) fn tell_coding<T>(response: &mut Response<T>, coding: Option<&'static str>) {
    if let Some(coding) = coding {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
}

fn inflate(decoder: impl Read, limit: usize) -> Result<Bytes, ApiError> {
    let mut out = Vec::new();
    // One byte beyond the limit distinguishes a body that is too large from one that just fits.
    let read = decoder.take(limit as u64 + 1).read_to_end(&mut out);
    read.map_err(|e| ApiError::Unreadable(format!("its content-encoding does not hold: {e}")))?;
    if out.len() > limit {
        return Err(ApiError::TooLarge { limit, got: "more, decompressed".to_owned() });
    }
    Ok(out.into())
}

fn deflate<E: Write>(
    mut encoder: E,
    body: &[u8],
    finish: impl FnOnce(E) -> std::io::Result<Vec<u8>>,
) -> std::io::Result<Vec<u8>> {
    encoder.write_all(body)?;
    finish(encoder)
}

/// Returns the first accepted coding that this server supports; a weight of 0 refuses one.
fn choose(accepted: &str) -> Option<&'static str> {
    accepted.split(',').find_map(|entry| {
        let (coding, weight) = entry.split_once(';').unwrap_or((entry, ""));
        let refused = weight.trim().strip_prefix("q=").is_some_and(|q| q.trim().parse() == Ok(0.0));
        match coding.trim() {
            _ if refused => None,
            "gzip" => Some("gzip"),
            "deflate" => Some("deflate"),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codings_are_chosen() {
        assert_eq!(choose("gzip, deflate"), Some("gzip"));
        assert_eq!(choose("br, deflate;q=0.5"), Some("deflate"));
        assert_eq!(choose("gzip;q=0, identity"), None);
        assert_eq!(choose(""), None);
    }

    #[test]
    fn a_bomb_is_cut_off() {
        let zeros = vec![0; 10 << 20];
        let headers =
            HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"))]);
        let (coded, coding) = code(&headers, zeros);
        assert_eq!(coding, Some("gzip"));
        assert!(coded.len() < 1 << 20);
        assert!(matches!(
            inflate(MultiGzDecoder::new(&coded[..]), 1 << 20),
            Err(ApiError::TooLarge { .. })
        ));
        assert_eq!(inflate(MultiGzDecoder::new(&coded[..]), 10 << 20).unwrap().len(), 10 << 20);
    }
}
