//! Detection of files that are not ONNX models, with advice on how to convert them.

use std::{fs::File, io::Read, path::Path};

/// First bytes, file type and advice.
const KNOWN: [(&[u8], &str, &str); 9] = [
    (b"\x80\x02", "a Python pickle", SKLEARN),
    (b"\x80\x03", "a Python pickle", SKLEARN),
    (b"\x80\x04", "a Python pickle", SKLEARN),
    (b"\x80\x05", "a Python pickle", SKLEARN),
    (b"\x78\x9c", "a compressed joblib file", SKLEARN),
    (
        b"PK\x03\x04",
        "a zip file, as PyTorch and Keras save models",
        "torch.onnx.export(model, example, \"model.onnx\"), or tf2onnx for Keras",
    ),
    (
        b"\x89HDF",
        "an HDF5 file, as Keras saves models",
        "python -m tf2onnx.convert --keras model.h5 --output model.onnx",
    ),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself", "git lfs pull"),
    (b"<!DOCTYPE", "an HTML page", "download the file itself"),
];

const SKLEARN: &str = "skl2onnx.to_onnx(model, X[:1]) makes an ONNX model of a scikit-learn one; \
    for xgboost and lightgbm, onnxmltools does";

/// Returns the type of a file commonly mistaken for an ONNX model, and advice; else `None`.
pub(super) fn stranger(path: &Path) -> Option<String> {
    let mut head = [0; 64];
    let length = File::open(path).and_then(|mut file| file.read(&mut head)).ok()?;
    let head = &head[..length];
    if head.is_empty() {
        return Some("it is empty".to_owned());
    }
    let is_tensors = head.get(8) == Some(&b'{')
        && path.extension().is_some_and(|extension| extension == "safetensors");
    let known = KNOWN
        .iter()
        .find(|(magic, ..)| head.starts_with(magic))
        .map(|(_, what, help)| (*what, *help));
    let known = known.or(is_tensors.then_some((
        "safetensors: weights without a graph",
        "export the model to ONNX from its framework",
    )));
    let known = known.or(head.get(4..8).filter(|magic| *magic == b"TFL3").map(|_| {
        (
            "a TensorFlow Lite model",
            "python -m tf2onnx.convert --tflite model.tflite --output model.onnx",
        )
    }));
    known.map(|(what, help)| format!("it is {what}, and no ONNX model\n  help: {help}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_take_for_a_model_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let told = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            stranger(&path).unwrap_or_default()
        };
        assert!(told("model.pkl", b"\x80\x04\x95x").contains("skl2onnx"));
        assert!(told("model.pt", b"PK\x03\x04..").contains("torch.onnx.export"));
        assert!(told("model.h5", b"\x89HDF\r\n").contains("tf2onnx"));
        assert!(told("m.tflite", b"\x1c\0\0\0TFL3").contains("TensorFlow Lite"));
        assert_eq!(told("empty.onnx", b""), "it is empty");
        assert_eq!(told("model.onnx", b"\x08\x09\x12\x08"), "");
    }
}
