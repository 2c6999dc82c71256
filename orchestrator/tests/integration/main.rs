//! Against the real kernel and the real Engine: one binary, which is also the server that the
//! replicas run.
//!
//! `process::` needs root (or a delegated cgroup), `docker::` an Engine and the image
//! `debian:bookworm-slim`. Nothing is skipped where they are missing: such a test fails and says
//! what it lacks.

#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod cases;
mod docker;
mod helper;
mod process;
