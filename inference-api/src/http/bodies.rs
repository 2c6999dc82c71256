//! Decoders from protocol bodies to tensors, without a server around them, for the fuzz targets.

use super::{mlflow, v2};
use crate::{
    model::{Signature, Tensor},
    predict::{Batch, Fault},
};

/// Reads an inference request of the Open Inference Protocol and returns a tensor for each input.
///
/// The tensors are in the model's order.
/// The first `header` bytes are JSON, the rest are binary tensors; without `header` all is JSON.
///
/// # Errors
/// Returns the message for the client.
pub fn v2(
    signature: &Signature,
    body: &[u8],
    header: Option<usize>,
) -> Result<Vec<Tensor>, String> {
    v2::read_inputs(signature, body, header).map_err(|error| error.message)
}

/// Reads a JSON body of MLflow's scoring protocol.
///
/// # Errors
/// Returns an error if the body has none of the protocol's forms or does not fit the model.
pub fn mlflow_json(signature: &Signature, body: &[u8]) -> Result<Batch, Fault> {
    mlflow::json_body(signature, body).map(|(batch, _)| batch)
}

/// Reads a CSV body of MLflow's scoring protocol.
///
/// # Errors
/// Returns an error if the body is not CSV with a header line or does not fit the model.
pub fn mlflow_csv(signature: &Signature, body: &[u8]) -> Result<Batch, Fault> {
    mlflow::csv_body(signature, body)
}
