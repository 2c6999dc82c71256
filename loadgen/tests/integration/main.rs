//! Behaviour through public interfaces, with real parts: real sockets, the real server, the real
//! kernel, a real Engine.
//!
//! Tests under `docker::` need a Docker Engine and the image `inference-api`; `cargo xtask test`
//! leaves them out where no Engine answers, and says so. `.config/nextest.toml` runs sweeps one at
//! a time.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod addresses;
mod command;
mod docker;
mod documents;
mod engine;
mod payloads;
mod process;
mod prometheus;
mod results;
mod scenario;
mod server;
mod tls;
mod ui;
mod ui_page;
