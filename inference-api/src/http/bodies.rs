//! Bodies of the protocols to tensors, without a server around them: what the fuzz targets read.

use super::{mlflow, v2};
use crate::{
    model::{Signature, Tensor},
    predict::{Batch, Fault},
};

/// Reads an inference request of the Open Inference Protocol, whose first `header` bytes (all of
/// them without) are JSON and whose rest are tensors as bytes. Returns a tensor for each input, in
/// the model's order.
///
/// # Errors
/// What the client is told.
pub fn v2(
    signature: &Signature,
    body: &[u8],
    header: Option<usize>,
) -> Result<Vec<Tensor>, String> {
    v2::read_inputs(signature, body, header).map_err(|error| error.message)
}

/// Reads JSON of MLflow's scoring protocol.
///
/// # Errors
/// When it is in none of the protocol's forms, or does not fit the model.
pub fn mlflow_json(signature: &Signature, body: &[u8]) -> Result<Batch, Fault> {
    mlflow::json_body(signature, body).map(|(batch, _)| batch)
}

/// Reads CSV of MLflow's scoring protocol.
///
/// # Errors
/// When it is no CSV with a line of names, or does not fit the model.
pub fn mlflow_csv(signature: &Signature, body: &[u8]) -> Result<Batch, Fault> {
    mlflow::csv_body(signature, body)
}
