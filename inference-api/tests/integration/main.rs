//! The server as users run it: the real binary, a real model, bytes on a socket.
//!
//! Needs the ONNX Runtime library (`inference-api runtime install`).

#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test, in helpers too")]

mod connections;
mod faults;
mod heads;
mod models;
mod processes;
mod random;
mod reference;
mod shutdown;
mod support;
