//! `MLmodel` file: the path of the ONNX model and the names of its columns.

use std::path::Path;

use serde::Deserialize;

use crate::model::SidecarFeature;

/// Fields of an `MLmodel` file that a server needs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Description {
    /// Path of the ONNX model in the version's folder.
    pub(super) file: String,
    /// Columns of the logged signature; empty if it has no columns or they are unnamed.
    pub(super) features: Vec<SidecarFeature>,
}

#[derive(Deserialize)]
struct MlModel {
    #[serde(default)]
    flavors: Flavors,
    #[serde(default)]
    signature: Option<Signature>,
}

#[derive(Deserialize, Default)]
struct Flavors {
    onnx: Option<Onnx>,
}

#[derive(Deserialize)]
struct Onnx {
    data: String,
}

#[derive(Deserialize)]
struct Signature {
    /// JSON text inside the YAML.
    #[serde(default)]
    inputs: Option<String>,
}

#[derive(Deserialize)]
struct Column {
    r#type: serde_json::Value,
    name: Option<String>,
    #[serde(default = "yes")]
    required: bool,
}

fn yes() -> bool {
    true
}

/// Reads the description in a version's folder.
///
/// # Errors
/// Returns an error if the version is not an ONNX model.
pub(super) fn read(folder: &Path) -> Result<Description, String> {
    let text = std::fs::read_to_string(folder.join("MLmodel"))
        .map_err(|e| format!("it has no MLmodel file: {e}"))?;
    parse(&text)
}

fn parse(text: &str) -> Result<Description, String> {
    let model: MlModel = serde_saphyr::from_str(text)
        .map_err(|e| format!("its MLmodel file is not understood: {e}"))?;
    let onnx =
        model.flavors.onnx.ok_or("it has no ONNX flavor; log it with mlflow.onnx.log_model")?;
    let inputs = model.signature.and_then(|signature| signature.inputs);
    Ok(Description {
        file: onnx.data,
        features: inputs.and_then(|json| columns(&json)).unwrap_or_default(),
    })
}

fn columns(json: &str) -> Option<Vec<SidecarFeature>> {
    let columns: Vec<Column> = serde_json::from_str(json).ok()?;
    let feature = |column: Column| {
        let name = column.name.filter(|_| column.r#type != "tensor")?;
        Some(SidecarFeature { name, nullable: !column.required })
    };
    columns.into_iter().map(feature).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "artifact_path: model\nflavors:\n  onnx:\n    code: null\n    data: \
        model.onnx\n    onnx_version: 1.19.0\n    providers:\n    - \
        CPUExecutionProvider\n  python_function:\n    loader_module: mlflow.onnx\nmlflow_version: \
        3.1.0\n";

    fn names(signature: &str) -> Vec<(String, bool)> {
        let description = parse(&format!("{HEAD}{signature}")).unwrap();
        assert_eq!(description.file, "model.onnx");
        description.features.into_iter().map(|f| (f.name, f.nullable)).collect()
    }

    #[test]
    fn the_onnx_flavor_names_the_file() {
        assert_eq!(names(""), []);
        assert!(parse("flavors:\n  sklearn: {}\n").unwrap_err().contains("log_model"));
        assert!(parse(": : :").is_err());
    }

    #[test]
    fn the_signature_names_the_columns() {
        let columns = "signature:\n  inputs: \
            '[{\"type\": \"double\", \"name\": \"length (cm)\", \"required\": true}, \
            {\"type\": \"float\", \"name\": \"width\", \"required\": false}]'\n  \
            outputs: null\n";
        assert_eq!(names(columns), [("length (cm)".to_owned(), false), ("width".to_owned(), true)]);
        let tensor = "signature:\n  inputs: \
            '[{\"type\": \"tensor\", \"tensor-spec\": {\"dtype\": \"float32\", \
            \"shape\": [-1, 4]}}]'\n";
        assert_eq!(names(tensor), []);
    }
}
