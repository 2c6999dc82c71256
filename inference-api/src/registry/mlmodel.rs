//! `MLmodel`: which of a version's files is the ONNX model.

use std::path::Path;

use serde::Deserialize;

#[derive(Deserialize)]
struct MlModel {
    #[serde(default)]
    flavors: Flavors,
}

#[derive(Deserialize, Default)]
struct Flavors {
    onnx: Option<Onnx>,
}

#[derive(Deserialize)]
struct Onnx {
    data: String,
}

/// The ONNX model's path in a version's folder.
///
/// # Errors
/// When the version is no ONNX model.
pub(super) fn onnx_file(folder: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(folder.join("MLmodel")).map_err(|e| format!("it has no MLmodel file: {e}"))?;
    parse(&text)
}

fn parse(text: &str) -> Result<String, String> {
    let model: MlModel =
        serde_saphyr::from_str(text).map_err(|e| format!("its MLmodel file is not understood: {e}"))?;
    let onnx = model.flavors.onnx.ok_or("it has no ONNX flavor; log it with mlflow.onnx.log_model")?;
    Ok(onnx.data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_onnx_flavor_names_the_file() {
        let text = "artifact_path: model\nflavors:\n  onnx:\n    code: null\n    data: model.onnx\n    onnx_version: 1.19.0\n    providers:\n    - CPUExecutionProvider\n  python_function:\n    loader_module: mlflow.onnx\nmlflow_version: 3.1.0\nsignature:\n  inputs: '[{\"type\": \"tensor\"}]'\n";
        assert_eq!(parse(text), Ok("model.onnx".to_owned()));
        assert!(parse("flavors:\n  sklearn: {}\n").unwrap_err().contains("log_model"));
        assert!(parse(": : :").is_err());
    }
}
