//! Fuzz target for MLflow's scoring protocol: data frames and tensors in JSON, and CSV.

#![no_main]

#[path = "../models.rs"]
mod models;

use inference_api::http::bodies;
use libfuzzer_sys::fuzz_target;

// The first byte selects the model and, from 128 on, CSV.
fuzz_target!(|data: &[u8]| {
    let Some((&first, body)) = data.split_first() else { return };
    let signature = models::signature(first);
    let read = if first >= 128 {
        bodies::mlflow_csv(signature, body)
    } else {
        bodies::mlflow_json(signature, body)
    };
    match read {
        Ok(batch) => models::check(signature, batch.rows, &batch.inputs),
        Err(fault) => assert!(!fault.to_string().is_empty()),
    }
});
