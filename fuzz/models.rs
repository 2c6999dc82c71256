//! Model signatures for the fuzz targets: one of each layout, and every element type.
//! No model file and no runtime is involved.

#![allow(dead_code, reason = "not every target wants all of it")]

use std::{path::Path, sync::LazyLock};

use inference_api::model::{Buffer, Element, Kind, Port, Sidecar, Signature, Tensor};

static SIGNATURES: LazyLock<Vec<Signature>> = LazyLock::new(|| {
    let named = |name: &str, element: Element, dims: &[Option<usize>]| Port {
        name: name.to_owned(),
        kind: Kind::Tensor,
        element,
        dims: dims.to_vec(),
    };
    let scalars = [
        ("f16", Element::Float16),
        ("bf16", Element::Bfloat16),
        ("f32", Element::Float32),
        ("f64", Element::Float64),
        ("i8", Element::Int8),
        ("i16", Element::Int16),
        ("i32", Element::Int32),
        ("i64", Element::Int64),
        ("u8", Element::Uint8),
        ("u16", Element::Uint16),
        ("u32", Element::Uint32),
        ("u64", Element::Uint64),
        ("flag", Element::Bool),
        ("text", Element::Text),
    ];
    let columns = scalars.map(|(name, element)| named(name, element, &[None, Some(1)]));
    let outputs = [named("y", Element::Float32, &[None, Some(3)])];
    let sidecar =
        Sidecar::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/iris.onnx")))
            .expect("iris.json is read");
    assert!(sidecar.is_some(), "models/iris.json is missing");
    let iris_outputs = [
        named("label", Element::Text, &[None]),
        named("probabilities", Element::Float32, &[None, Some(3)]),
    ];
    let new = |inputs: &[Port], outputs: &[Port], sidecar| {
        let name = ("fuzz".to_owned(), "1".to_owned());
        Signature::new(Path::new("fuzz.onnx"), name, (inputs, outputs), sidecar)
            .expect("a signature")
    };
    vec![
        new(&[named("x", Element::Float32, &[None, Some(4)])], &iris_outputs, sidecar),
        new(&columns, &outputs, None),
        new(&[named("image", Element::Float32, &[None, None, Some(2), Some(3)])], &outputs, None),
        new(&[named("pair", Element::Int64, &[Some(2), Some(2)])], &outputs, None),
        new(
            &[
                named("words", Element::Text, &[None]),
                named("x", Element::Float64, &[None, Some(2)]),
            ],
            &outputs,
            None,
        ),
    ]
});

/// Returns one of the signatures.
pub fn signature(choice: u8) -> &'static Signature {
    &SIGNATURES[usize::from(choice) % SIGNATURES.len()]
}

/// Asserts that each input has a tensor with `rows` rows.
pub fn check(signature: &Signature, rows: usize, tensors: &[Tensor]) {
    check_shapes(signature, tensors);
    for tensor in tensors {
        assert_eq!(tensor.shape.first(), Some(&rows));
    }
}

/// Asserts that each input has a tensor of its element type whose shape matches its data.
pub fn check_shapes(signature: &Signature, tensors: &[Tensor]) {
    assert_eq!(tensors.len(), signature.inputs.len());
    for (tensor, port) in tensors.iter().zip(&signature.inputs) {
        assert_eq!(
            tensor.shape.iter().product::<usize>(),
            tensor.data.len(),
            "{}: {:?}",
            port.name,
            tensor.shape
        );
        assert_eq!(
            std::mem::discriminant(&tensor.data),
            std::mem::discriminant(&Buffer::new(port.element))
        );
        assert_eq!(tensor.shape.len(), port.dims.len());
        let fits = tensor
            .shape
            .iter()
            .zip(&port.dims)
            .all(|(size, dim)| dim.is_none_or(|dim| dim == *size));
        // Missing rows of a fixed batch are filled in when the model runs.
        assert!(fits || signature.fixed_batch.is_some(), "{:?} for {:?}", tensor.shape, port.dims);
    }
}
