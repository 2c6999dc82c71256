//! Raw bodies, as in Triton: the bytes of one tensor, whose shape follows from the model.

use super::{binary, datatype, error::V2Error, request::Inference};
use crate::model::{Buffer, Element, Port, Signature, Tensor};

/// Reads the whole body as the model's only input. All tensor outputs are returned as bytes.
///
/// # Errors
/// Returns an error if the model has several inputs or more than one variable dimension.
/// Returns an error if the bytes do not fit the input.
pub(super) fn read(signature: &Signature, body: &[u8]) -> Result<Inference, V2Error> {
    let refused = |why: String| {
        V2Error::bad_request(format!(
            "Inference-Header-Content-Length is 0, so that the body is the bytes of one tensor: \
                {why}"
        ))
    };
    let [port] = &signature.inputs[..] else {
        return Err(refused(format!(
            "model '{}' has {} inputs, and which is meant is missing; send the JSON before the \
                bytes",
            signature.name,
            signature.inputs.len()
        )));
    };
    let (shape, data) = match port.element {
        Element::Text => (
            one_element(port).map_err(refused)?,
            Buffer::Text(vec![binary::text(body).map_err(refused)?]),
        ),
        element => {
            let data = binary::decode(element, body).map_err(refused)?;
            (shape(port, data.len()).map_err(refused)?, data)
        }
    };
    let tensors =
        signature.outputs.iter().enumerate().filter(|(_, port)| port.kind.is_tensor_like());
    let outputs = tensors.map(|(index, _)| (index, true)).collect();
    Ok(Inference { id: None, inputs: vec![Tensor { shape, data }], outputs })
}

/// Returns the shape of a single string: the body has no lengths, so it is one element.
fn one_element(port: &Port) -> Result<Vec<usize>, String> {
    match port.dims.iter().all(|dim| dim.is_none_or(|dim| dim == 1)) {
        true => Ok(vec![1; port.dims.len()]),
        false => Err(format!(
            "it is one element of BYTES, and input '{}' takes {}",
            port.name,
            show(port)
        )),
    }
}

/// Returns the shape of `count` elements.
fn shape(port: &Port, count: usize) -> Result<Vec<usize>, String> {
    if port.dims.iter().filter(|dim| dim.is_none()).count() > 1 {
        return Err(format!(
            "input '{}' has the shape {}, with more than one dimension open, and their sizes are \
                missing; send the JSON before the bytes",
            port.name,
            show(port)
        ));
    }
    let fixed: usize = port.dims.iter().flatten().product();
    let open = count.checked_div(fixed).unwrap_or(0);
    let shape: Vec<usize> = port.dims.iter().map(|dim| dim.unwrap_or(open)).collect();
    match shape.iter().product::<usize>() == count && count > 0 {
        true => Ok(shape),
        false => Err(format!(
            "{count} elements of {} came, and input '{}' has the shape {}",
            datatype::name(port.element),
            port.name,
            show(port)
        )),
    }
}

fn show(port: &Port) -> String {
    let dims: Vec<String> =
        port.dims.iter().map(|dim| dim.map_or("-1".to_owned(), |dim| dim.to_string())).collect();
    format!("[{}]", dims.join(", "))
}
