//! HTTP server for ONNX models: `POST /predict`, the Open Inference Protocol and MLflow's.
//!
//! A request passes these modules:
//!
//! - [`serve`] accepts the connection on a worker's own thread.
//! - [`http`] routes the request.
//! - [`predict`] converts between JSON and tensors.
//! - [`model`] runs the worker's own session.
//!
//! Workers share only counters: one thread, one session, no contended lock.
//!
//! This crate knows nothing of load tests, containers or objectives.

pub mod address;
pub mod config;
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
