//! ONNX models behind `POST /predict` and the Open Inference Protocol.
//!
//! The path of a request: [`serve`] accepts the connection on a worker's own thread, [`http`]
//! routes it, [`predict`] turns JSON into tensors and tensors into JSON, and [`model`] runs the
//! worker's own session. Workers share nothing but counters: one thread, one session, no lock that
//! two of them want.
//!
//! What this crate never does: it knows of no load test, no container and no objective.

pub mod address;
pub mod config;
pub mod file;
pub mod http;
pub mod logging;
pub mod metrics;
pub mod model;
pub mod predict;
pub mod registry;
pub mod repository;
pub mod runtime;
pub mod serve;
pub mod service_time;
