//! `inference-api check`: whether a file can be served.

use std::path::Path;

use super::ServeError;
use crate::{
    model::{LoadError, Model, Runtime},
    predict::{decode, encode},
    runtime,
};

/// Loads the model, runs its example if it has rows, and says what it takes and puts out.
///
/// # Errors
/// When it cannot be served.
pub fn check(file: &Path) -> Result<String, ServeError> {
    let onnxruntime = Runtime::load(&runtime::locate()?)?;
    let stem = file.file_stem().map_or_else(|| "model".to_owned(), |stem| stem.to_string_lossy().into_owned());
    let mut model = Model::load(&onnxruntime, file, (stem, "1".to_owned()))?;
    let signature = std::sync::Arc::clone(&model.signature);
    let refused = |reason: String| LoadError::Model { path: file.to_owned(), reason };
    let mut said = vec![format!("{}: it can be served", file.display())];
    if signature.no_rows.is_none() {
        let batch = decode(&signature, signature.example.get().as_bytes())
            .map_err(|fault| refused(format!("it does not take its own example: {fault}")))?;
        let rows = batch.rows;
        // A made-up example need not be one that the model takes: categories have names.
        match model.run(batch.inputs, rows).map(|outputs| encode(&signature, rows, &outputs)) {
            Ok(Ok(answer)) => {
                said.push(format!("  {}", signature.example.get()));
                said.push(format!("  {}", String::from_utf8_lossy(&answer)));
            }
            Ok(Err(error)) | Err(error) => said.push(format!("  its example is refused: {error}")),
        }
    }
    for (what, ports) in [("input", &signature.inputs), ("output", &signature.outputs)] {
        for port in ports {
            let dims: Vec<String> = port.dims.iter().map(|d| d.map_or("?".to_owned(), |d| d.to_string())).collect();
            said.push(format!("  {what} {}: {} [{}]", port.name, port.element, dims.join(", ")));
        }
    }
    Ok(said.join("\n"))
}
