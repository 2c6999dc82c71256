//! Encoder from a model's outputs to the body of an inference response.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, header},
    response::Response,
};
use serde::{Serialize, Serializer};

use super::{binary, datatype, error::V2Error, request::Inference};
use crate::{
    http::ApiError,
    model::{Buffer, RunError, Signature, Tensor, Value, room},
    predict::large,
    with_elements,
};

/// Header with the length of the JSON part of a body, which binary tensors follow.
pub(super) const HEADER_LENGTH: HeaderName =
    HeaderName::from_static("inference-header-content-length");

#[derive(Serialize)]
struct Answer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    model_name: &'a str,
    model_version: &'a str,
    outputs: Vec<Output<'a>>,
}

#[derive(Serialize)]
struct Output<'a> {
    name: &'a str,
    datatype: &'static str,
    shape: &'a [usize],
    /// Present only with a size: the C++ client refuses empty parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Parameters>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Flat<'a>>,
}

#[derive(Serialize)]
struct Parameters {
    binary_data_size: usize,
}

/// Body of a response, and the length of its JSON part if bytes follow it.
pub(super) struct Encoded {
    pub(super) body: Vec<u8>,
    pub(super) json_length: Option<usize>,
}

/// Writes the requested outputs.
///
/// # Errors
/// Returns an error if an output is not a tensor or memory is insufficient.
pub(super) fn write(
    signature: &Signature,
    inference: &Inference,
    values: &[Value],
) -> Result<Encoded, V2Error> {
    let tensors: Vec<std::borrow::Cow<'_, Tensor>> =
        inference.outputs.iter().map(|&(i, _)| as_tensor(&values[i])).collect::<Result<_, _>>()?;
    let memory = |e: RunError| V2Error::from(ApiError::from(e));
    let in_bytes = tensors.iter().zip(&inference.outputs).filter(|(_, (_, as_bytes))| *as_bytes);
    let size = |tensor: &Tensor| {
        tensor.data.len().saturating_mul(binary::size_of(tensor.data.element()).unwrap_or(0))
    };
    let mut bytes = room(in_bytes.map(|(tensor, _)| size(tensor)).sum()).map_err(memory)?;
    let mut outputs = Vec::with_capacity(tensors.len());
    for (tensor, &(index, as_bytes)) in tensors.iter().zip(&inference.outputs) {
        let (parameters, data) = match as_bytes {
            true => (
                Some(Parameters { binary_data_size: binary::encode(&tensor.data, &mut bytes) }),
                None,
            ),
            false => (None, Some(Flat(&tensor.data))),
        };
        outputs.push(Output {
            name: &signature.outputs[index].name,
            datatype: datatype::name(tensor.data.element()),
            shape: &tensor.shape,
            parameters,
            data,
        });
    }
    let has_bytes = inference.outputs.iter().any(|(_, as_bytes)| *as_bytes);
    let answer = Answer {
        id: inference.id.as_deref(),
        model_name: &signature.name,
        model_version: &signature.version,
        outputs,
    };
    let most = large(values)
        .filter(|_| inference.outputs.iter().any(|(_, as_bytes)| !as_bytes))
        .unwrap_or(128);
    let mut body = room(most.saturating_add(bytes.len())).map_err(memory)?;
    serde_json::to_writer(&mut body, &answer).map_err(|e| V2Error::bad_request(e.to_string()))?;
    let json_length = has_bytes.then_some(body.len());
    body.append(&mut bytes);
    Ok(Encoded { body, json_length })
}

impl Encoded {
    /// Creates the response with these headers; the caller sets the content coding.
    pub(super) fn into_response(self, body: Body) -> Response {
        let mut response = Response::new(body);
        let content_type = match self.json_length {
            Some(_) => HeaderValue::from_static("application/octet-stream"),
            None => HeaderValue::from_static("application/json"),
        };
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        if let Some(length) = self.json_length {
            response.headers_mut().insert(HEADER_LENGTH, length.into());
        }
        response
    }
}

/// Converts maps to one row of numbers each, in the order of the classes.
/// The protocol has only tensors.
fn as_tensor(value: &Value) -> Result<std::borrow::Cow<'_, Tensor>, V2Error> {
    Ok(match value {
        Value::Tensor(tensor) => std::borrow::Cow::Borrowed(tensor),
        Value::Sequence(_) => {
            return Err(V2Error::bad_request("a sequence of tensors is no tensor"));
        }
        Value::Maps(rows) => {
            let width = rows.first().map_or(0, Vec::len);
            let data = rows.iter().flat_map(|row| row.iter().map(|(_, p)| *p)).collect();
            std::borrow::Cow::Owned(Tensor {
                shape: vec![rows.len(), width],
                data: Buffer::Float32(data),
            })
        }
    })
}

/// All elements in one list.
struct Flat<'a>(&'a Buffer);

impl Serialize for Flat<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Buffer::Float16(v) => serializer.collect_seq(v.iter().map(|x| x.to_f32())),
            Buffer::Bfloat16(v) => serializer.collect_seq(v.iter().map(|x| x.to_f32())),
            data => with_elements!(data, v => v.serialize(serializer)),
        }
    }
}
