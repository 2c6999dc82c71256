//! Fuzz target for the Open Inference Protocol: a JSON head, optionally followed by binary tensors.

#![no_main]

#[path = "../models.rs"]
mod models;

use inference_api::http::bodies;
use libfuzzer_sys::fuzz_target;

// The first byte selects the model and, from 128 on, binary tensors after the last `}` of the JSON.
fuzz_target!(|data: &[u8]| {
    let Some((&first, body)) = data.split_first() else { return };
    let signature = models::signature(first);
    let header = (first >= 128)
        .then(|| body.iter().rposition(|&byte| byte == b'}').map_or(body.len() + 1, |at| at + 1));
    match bodies::v2(signature, body, header) {
        Ok(tensors) => models::check_shapes(signature, &tensors),
        Err(message) => assert!(!message.is_empty()),
    }
});
