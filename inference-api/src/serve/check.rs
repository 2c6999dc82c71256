//! `inference-api check`: a test of whether a file can be served.

use std::path::Path;

use super::ServeError;
use serde_json::value::RawValue;

use crate::{
    model::Runtime,
    predict::{decode, encode},
    repository::{Repository, Served, Settings, Source},
    runtime,
};

/// Result of a check.
#[derive(Debug)]
pub struct Checked {
    /// Summary of the models' inputs, outputs and example responses, in lines.
    pub report: String,
    /// Reason why a model's own example is refused, if one is.
    pub refused: Option<String>,
}

/// Loads the models as `serve` does with `workers` workers and runs and summarizes their examples.
///
/// Models without rows, or whose row is too large for an example, are not run.
///
/// # Errors
/// Returns an error if a model cannot be served.
pub fn check(path: &Path, workers: usize) -> Result<Checked, ServeError> {
    let onnxruntime = Runtime::load(&runtime::locate()?)?;
    let repository =
        Repository::new(onnxruntime, vec![Source::from(path)], Settings::with_workers(workers));
    repository.load_all()?;
    let (mut lines, mut refused) = (Vec::new(), None);
    for served in repository.catalog().all() {
        let signature = &served.signature;
        lines.push(format!("{}: it can be served, as {served}", path.display()));
        for (what, ports) in [("input", &signature.inputs), ("output", &signature.outputs)] {
            for port in ports {
                let dims: Vec<String> =
                    port.dims.iter().map(|d| d.map_or("?".to_owned(), |d| d.to_string())).collect();
                lines.push(format!(
                    "  {what} {}: {} [{}]",
                    port.name,
                    port.element,
                    dims.join(", ")
                ));
            }
        }
        lines.push(format!(
            "  rows of several requests are run together: {}",
            if served.batches() { "yes" } else { "no" }
        ));
        if let Some(reason) = &signature.no_rows {
            lines.push(format!(
                "  it takes whole tensors only, at /v2/models/{}/infer: {reason}",
                signature.name
            ));
            continue;
        }
        let Some(example) = &signature.example else {
            lines.push("  a row has more than a million values: nothing was tried".to_owned());
            continue;
        };
        lines.push(format!("  POST /predict {}", cut(example.get())));
        match answer(served, example) {
            Ok(answer) => lines.push(format!("  {}", cut(&answer))),
            Err(reason) => {
                lines.push(format!("  its example is refused: {reason}"));
                refused.get_or_insert(format!(
                    "the example of {served} is refused: {reason}\n  help: one that the model \
                        takes can be told as \"example\" in a sidecar"
                ));
            }
        }
    }
    Ok(Checked { report: lines.join("\n"), refused })
}

/// Returns the model's response to its own example.
///
/// The model may refuse a generated example: categories have names.
fn answer(served: &Served, example: &RawValue) -> Result<String, String> {
    let signature = &served.signature;
    let batch = decode(signature, example.get().as_bytes()).map_err(|fault| fault.to_string())?;
    let run = served.run_alone(batch.inputs, batch.rows).map_err(|e| e.to_string())?;
    let answer = encode(signature, batch.rows, &run.outputs).map_err(|e| e.to_string())?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Largest number of characters of an example or response that is printed.
const SHOWN: usize = 300;

fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}
