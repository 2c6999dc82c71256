//! Behaviour through public interfaces, with real parts: real sockets, the real server, the real
//! kernel, a real Engine.
//!
//! Tests under `docker::` need a Docker Engine and the image `inference-api`; `cargo xtask test`
//! leaves them out where no Engine answers, and says so.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::sync::{Mutex, MutexGuard, PoisonError};

mod addresses;
mod command;
mod docker;
mod engine;
mod payloads;
mod process;
mod prometheus;
mod scenario;
mod server;
mod tls;
mod ui;

/// Sweeps take turns: each gives its generator a processor of its own, which would be the same one
/// for two, and begins by removing what killed ones left, which a test may still want to see.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
