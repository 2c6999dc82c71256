//! `POST /predict`: rows of features in JSON, to tensors whose shapes are those of their data.

#![no_main]

#[path = "../models.rs"]
mod models;

use inference_api::predict::decode;
use libfuzzer_sys::fuzz_target;

// The first byte says which model the rest is for.
fuzz_target!(|data: &[u8]| {
    let Some((&model, body)) = data.split_first() else { return };
    let signature = models::signature(model);
    match decode(signature, body) {
        Ok(batch) => models::check(signature, batch.rows, &batch.inputs),
        Err(fault) => assert!(!fault.to_string().is_empty()),
    }
});
