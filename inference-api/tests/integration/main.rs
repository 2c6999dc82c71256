//! The server as users run it: the real binary, a real model, bytes on a socket.
//!
//! Needs the ONNX Runtime library (`inference-api runtime install`).

mod connections;
mod faults;
mod heads;
mod models;
mod processes;
mod random;
mod reference;
mod shutdown;
mod support;
