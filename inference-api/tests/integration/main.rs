//! The server as users run it: the real binary, a real model, bytes on a socket.
//!
//! Needs the ONNX Runtime library (`inference-api runtime install`) and, for `clients`, what
//! `cargo xtask clients` installs.

#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test, in helpers too")]

mod access;
mod clients;
mod configuration;
mod connections;
mod documents;
mod faults;
mod heads;
mod mlflow;
mod models;
mod processes;
mod queueing;
mod random;
mod reference;
mod repository;
mod service_time;
mod shutdown;
mod support;
mod v2;
