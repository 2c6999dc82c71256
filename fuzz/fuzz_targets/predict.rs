//! Fuzz target for `POST /predict`: JSON rows decode to tensors whose shapes match their data.

#![no_main]

#[path = "../models.rs"]
mod models;

use inference_api::predict::decode;
use libfuzzer_sys::fuzz_target;

// The first byte selects the model.
fuzz_target!(|data: &[u8]| {
    let Some((&model, body)) = data.split_first() else { return };
    let signature = models::signature(model);
    match decode(signature, body) {
        Ok(batch) => models::check(signature, batch.rows, &batch.inputs),
        Err(fault) => assert!(!fault.to_string().is_empty()),
    }
});
