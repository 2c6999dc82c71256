//! `inference-api check`: whether a file can be served.

use std::path::Path;

use super::ServeError;
use crate::{
    model::Runtime,
    predict::{decode, encode},
    repository::{Repository, Settings, Source},
    runtime,
};

/// Loads the model as `serve` does with so many workers, runs its example if it has rows, and says what it takes and puts out.
///
/// # Errors
/// When it cannot be served.
pub fn check(file: &Path, workers: usize) -> Result<String, ServeError> {
    let onnxruntime = Runtime::load(&runtime::locate()?)?;
    let repository = Repository::new(onnxruntime, vec![Source::from(file)], Settings::with_workers(workers));
    repository.load_all()?;
    let catalog = repository.catalog();
    let mut said = Vec::new();
    for served in catalog.all() {
        let signature = &served.signature;
        said.push(format!("{}: it can be served, as {served}", file.display()));
        for (what, ports) in [("input", &signature.inputs), ("output", &signature.outputs)] {
            for port in ports {
                let dims: Vec<String> = port.dims.iter().map(|d| d.map_or("?".to_owned(), |d| d.to_string())).collect();
                said.push(format!("  {what} {}: {} [{}]", port.name, port.element, dims.join(", ")));
            }
        }
        said.push(format!(
            "  rows of several requests are run together: {}",
            if served.batches() { "yes" } else { "no" }
        ));
        said.push(format!("  POST /predict {}", signature.example.get()));
        // A made-up example need not be one that the model takes: categories have names.
        let answer = decode(signature, signature.example.get().as_bytes())
            .map_err(|fault| fault.to_string())
            .and_then(|batch| {
                let rows = batch.rows;
                served.run_alone(batch.inputs, rows).map_err(|e| e.to_string()).map(|run| (rows, run))
            })
            .and_then(|(rows, run)| encode(signature, rows, &run.outputs).map_err(|e| e.to_string()));
        said.push(match answer {
            Ok(answer) => format!("  {}", String::from_utf8_lossy(&answer)),
            Err(reason) => format!("  its example is refused: {reason}"),
        });
    }
    Ok(said.join("\n"))
}
