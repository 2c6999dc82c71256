//! `GET /openapi.json`, and `GET /docs` with Swagger UI. All assets are served from this binary.

mod openapi;
mod schemas;

use std::io::Read;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use flate2::read::GzDecoder;

use super::{ApiError, SharedWorker};

const STYLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui.css.gz"));
const BUNDLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui-bundle.js.gz"));
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// Content security policy: this server's resources, and Swagger UI's inline images and styles.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'";

pub(super) fn routes() -> Router<SharedWorker> {
    Router::new()
        .route("/openapi.json", get(document))
        .route("/docs", get(page))
        .route("/docs/{file}", get(file))
}

async fn document(State(worker): State<SharedWorker>) -> Response {
    Json(openapi::document(&worker.server.repository.catalog(), &worker.server)).into_response()
}

async fn page() -> Response {
    ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(include_str!("page.html"))).into_response()
}

async fn file(Path(file): Path<String>, headers: HeaderMap) -> Result<Response, ApiError> {
    match file.as_str() {
        "swagger-ui.css" => Ok(compressed("text/css; charset=utf-8", STYLE, &headers)),
        "swagger-ui-bundle.js" => Ok(compressed(JAVASCRIPT, BUNDLE, &headers)),
        "start.js" => {
            Ok(([(header::CONTENT_TYPE, JAVASCRIPT)], include_str!("start.js")).into_response())
        }
        _ => Err(ApiError::NotFound(format!("/docs/{file}"))),
    }
}

/// Returns the asset compressed if the client accepts gzip, as all browsers do, else decompressed.
fn compressed(media: &'static str, gzip: &'static [u8], headers: &HeaderMap) -> Response {
    if super::body::takes_gzip(headers) {
        return ([(header::CONTENT_TYPE, media), (header::CONTENT_ENCODING, "gzip")], gzip)
            .into_response();
    }
    let mut plain = Vec::new();
    // The bytes were compressed at build time, so decompression cannot fail.
    let _ = GzDecoder::new(gzip).read_to_end(&mut plain);
    let mut response = plain.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    response
}
