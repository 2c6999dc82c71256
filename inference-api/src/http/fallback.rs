//! Responses for unknown paths and unsupported methods.

use axum::{
    http::{Method, Uri},
    response::{IntoResponse, Response},
};

use super::{
    errors::{ApiError, allowed},
    v2,
};

pub(super) async fn not_found(uri: Uri) -> Response {
    match v2::is_ours(uri.path()) {
        true => v2::no_path(uri.path()),
        false => ApiError::NotFound(uri.path().to_owned()).into_response(),
    }
}

pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> Response {
    match v2::is_ours(uri.path()) {
        true => v2::no_method(&method, uri.path(), allowed(uri.path())),
        false => ApiError::Method(method, uri.path().to_owned()).into_response(),
    }
}
