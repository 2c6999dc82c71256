//! State that the connections of a worker share.

use std::{sync::Arc, time::Duration};

use axum::http::HeaderValue;

use super::{access::Access, stop::Stop, unread::Unread};
use crate::http::{Routes, Server};

/// State shared by the connections of a worker.
pub(super) struct Connections {
    pub(super) routes: Routes,
    pub(super) server: Arc<Server>,
    pub(super) access: Access,
    /// Value of the `x-replica` header.
    pub(super) replica: HeaderValue,
    /// Time limits for clients; a slow loris is cut off here.
    pub(super) patience: Patience,
    /// Account of the bytes that clients have not read yet.
    pub(super) unread: Arc<Unread>,
    /// Stop signal of the server.
    pub(super) stop: Stop,
}

/// Time limits for clients.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Time for the head of a request, from its first byte.
    pub(super) head: Duration,
    /// Time for a body after its head, and for a client to accept a part of a response.
    pub(super) body: Duration,
}
