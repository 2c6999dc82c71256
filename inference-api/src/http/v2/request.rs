//! Decoder from the body of an inference request to tensors.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{binary, datatype, error::V2Error};
use crate::{
    model::{Port, Signature, Tensor},
    predict::flat,
};

/// Request that the model can run.
#[derive(Debug)]
pub(super) struct Inference {
    /// Identifier that the response repeats.
    pub(super) id: Option<String>,
    /// Tensors in the model's order.
    pub(super) inputs: Vec<Tensor>,
    /// Requested outputs: index, and true for bytes.
    pub(super) outputs: Vec<(usize, bool)>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(default, deserialize_with = "or_default")]
    parameters: RequestParameters,
    #[serde(borrow)]
    inputs: Vec<Input<'a>>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    outputs: Vec<Output<'a>>,
}

#[derive(Deserialize, Default)]
struct RequestParameters {
    #[serde(default, deserialize_with = "or_default")]
    binary_data_output: bool,
}

#[derive(Deserialize)]
struct Input<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    shape: Vec<i64>,
    #[serde(borrow)]
    datatype: Cow<'a, str>,
    #[serde(default, deserialize_with = "or_default")]
    parameters: TensorParameters,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Output<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(default, deserialize_with = "or_default")]
    parameters: TensorParameters,
}

#[derive(Deserialize, Default)]
struct TensorParameters {
    binary_data_size: Option<usize>,
    binary_data: Option<bool>,
    shared_memory_region: Option<serde::de::IgnoredAny>,
    classification: Option<serde::de::IgnoredAny>,
}

/// Reads null as a missing field: clients in typed languages write all fields.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a body whose first `header` bytes are JSON and whose rest is binary tensors.
///
/// Without `header` all of the body is JSON.
/// With `one_batch`, all inputs must have the same number of rows.
///
/// # Errors
/// Returns what is wrong, and where.
pub(super) fn read(
    signature: &Signature,
    body: &[u8],
    header: Option<usize>,
    one_batch: bool,
) -> Result<Inference, V2Error> {
    let (json, binary) = match header {
        None => (body, &[][..]),
        Some(length) => body.split_at_checked(length).ok_or_else(|| {
            V2Error::bad_request(format!(
                "Inference-Header-Content-Length is {length}, the body has {}",
                body.len()
            ))
        })?,
    };
    let request: Body<'_> = serde_json::from_slice(json).map_err(|e| {
        V2Error::bad_request(format!("failed to parse the request JSON buffer: {e}"))
    })?;
    let inputs = inputs(signature, &request.inputs, binary)?;
    if one_batch {
        same_batch(signature, &inputs)?;
    }
    let outputs = outputs(signature, &request)?;
    Ok(Inference { id: request.id.map(Cow::into_owned), inputs, outputs })
}

fn inputs(
    signature: &Signature,
    given: &[Input<'_>],
    mut binary: &[u8],
) -> Result<Vec<Tensor>, V2Error> {
    let model = &signature.name;
    let mut slots: Vec<Option<Tensor>> = signature.inputs.iter().map(|_| None).collect();
    for input in given {
        let name = input.name.as_ref();
        let Some(index) = signature.inputs.iter().position(|port| port.name == name) else {
            return Err(V2Error::bad_request(format!(
                "unexpected inference input '{name}' for model '{model}'"
            )));
        };
        if slots[index].is_some() {
            return Err(V2Error::bad_request(format!("input '{name}' is given twice")));
        }
        slots[index] = Some(tensor(&signature.inputs[index], input, &mut binary, model)?);
    }
    if !binary.is_empty() {
        return Err(V2Error::bad_request(format!(
            "{} bytes follow the last input: unexpected additional input data for model '{model}'",
            binary.len()
        )));
    }
    let missing = |(slot, port): (Option<Tensor>, &Port)| {
        slot.ok_or_else(|| {
            V2Error::bad_request(format!(
                "expected input '{}' for model '{model}', got none",
                port.name
            ))
        })
    };
    slots.into_iter().zip(&signature.inputs).map(missing).collect()
}

/// Checks that the first dimension, the batch, is the same in every input.
fn same_batch(signature: &Signature, tensors: &[Tensor]) -> Result<(), V2Error> {
    let mut sizes = tensors.iter().filter_map(|t| t.shape.first());
    let first = sizes.next();
    match sizes.find(|size| Some(*size) != first) {
        Some(other) => Err(V2Error::bad_request(format!(
            "inputs of model '{}' have different batch sizes: {} and {other}",
            signature.name,
            first.copied().unwrap_or(0)
        ))),
        None => Ok(()),
    }
}

fn tensor(
    port: &Port,
    input: &Input<'_>,
    binary: &mut &[u8],
    model: &str,
) -> Result<Tensor, V2Error> {
    let name = &port.name;
    let wanted = datatype::name(port.element);
    if input.datatype != wanted {
        return Err(V2Error::bad_request(format!(
            "inference input '{name}' data-type is '{}', but model '{model}' expects '{wanted}'",
            input.datatype
        )));
    }
    if input.parameters.shared_memory_region.is_some() {
        return Err(V2Error::bad_request(format!(
            "input '{name}' is in shared memory, which this server does not read"
        )));
    }
    let (shape, count) = shape(port, &input.shape, model)?;
    let wrong = |why: String| V2Error::bad_request(format!("input '{name}': {why}"));
    let data = match (input.parameters.binary_data_size, input.data) {
        (Some(_), Some(_)) => {
            return Err(wrong("it has both data and binary_data_size".to_owned()));
        }
        (None, None) => return Err(wrong("it has neither data nor binary_data_size".to_owned())),
        (Some(size), None) => {
            let (own, rest) = binary.split_at_checked(size).ok_or_else(|| {
                wrong(format!(
                    "binary_data_size is {size}, {} bytes are left of the body",
                    binary.len()
                ))
            })?;
            *binary = rest;
            binary::decode(port.element, own).map_err(wrong)?
        }
        (None, Some(json)) => flat(port.element, json).map_err(|fault| wrong(fault.to_string()))?,
    };
    if data.len() != count {
        return Err(wrong(format!(
            "its shape {:?} has {count} elements, {} came",
            input.shape,
            data.len()
        )));
    }
    Ok(Tensor { shape, data })
}

/// Largest product of the non-zero dimensions of an empty tensor.
const MOST_OF_NOTHING: usize = 1 << 16;

/// Returns the shape and its number of elements if the model accepts it.
fn shape(port: &Port, given: &[i64], model: &str) -> Result<(Vec<usize>, usize), V2Error> {
    let refused = || {
        let wanted: Vec<i64> =
            port.dims.iter().map(|d| d.map_or(-1, |d| i64::try_from(d).unwrap_or(-1))).collect();
        V2Error::bad_request(format!(
            "unexpected shape for input '{}' for model '{model}'. Expected {wanted:?}, got \
                {given:?}",
            port.name
        ))
    };
    if given.len() != port.dims.len() {
        return Err(refused());
    }
    let mut shape = Vec::with_capacity(given.len());
    let (mut count, mut extent): (usize, usize) = (1, 1);
    for (size, dim) in given.iter().zip(&port.dims) {
        let size = usize::try_from(*size).map_err(|_| refused())?;
        if dim.is_some_and(|dim| dim != size) {
            return Err(refused());
        }
        count = count.checked_mul(size).ok_or_else(refused)?;
        extent = extent.checked_mul(size.max(1)).ok_or_else(refused)?;
        shape.push(size);
    }
    // An empty tensor costs its sender nothing but may make the model allocate the other sizes.
    if count == 0 && extent > MOST_OF_NOTHING {
        return Err(refused());
    }
    Ok((shape, count))
}

fn outputs(signature: &Signature, request: &Body<'_>) -> Result<Vec<(usize, bool)>, V2Error> {
    let binary = request.parameters.binary_data_output;
    if request.outputs.is_empty() {
        let all =
            signature.outputs.iter().enumerate().filter(|(_, port)| port.kind.is_tensor_like());
        return Ok(all.map(|(index, _)| (index, binary)).collect());
    }
    let wanted = |output: &Output<'_>| {
        let name = output.name.as_ref();
        let unsupported = |what: &str| {
            Err(V2Error::bad_request(format!("output '{name}': this server has no {what}")))
        };
        if output.parameters.shared_memory_region.is_some() {
            return unsupported("shared memory");
        }
        if output.parameters.classification.is_some() {
            return unsupported("classification extension");
        }
        let index =
            signature.outputs.iter().position(|port| port.name == name).ok_or_else(|| {
                V2Error::bad_request(format!(
                    "unexpected inference output '{name}' for model '{}'",
                    signature.name
                ))
            })?;
        if !signature.outputs[index].kind.is_tensor_like() {
            return Err(V2Error::bad_request(format!(
                "output '{name}' is a sequence of tensors, which this protocol cannot hold; POST \
                    /predict answers it"
            )));
        }
        Ok((index, output.parameters.binary_data.unwrap_or(binary)))
    };
    let outputs: Vec<(usize, bool)> =
        request.outputs.iter().map(wanted).collect::<Result<_, _>>()?;
    // Repeated outputs would let a small request produce a huge response.
    let mut seen = vec![false; signature.outputs.len()];
    match outputs.iter().find(|(index, _)| std::mem::replace(&mut seen[*index], true)) {
        Some((index, _)) => Err(V2Error::bad_request(format!(
            "output '{}' is asked for twice",
            signature.outputs[*index].name
        ))),
        None => Ok(outputs),
    }
}
