//! Tensors in the forms of TensorFlow Serving's protocol.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::{
    model::Signature,
    predict::{Batch, Fault, decode_rows, shaped},
};

/// Reads a list of rows.
pub(super) fn instances(signature: &Signature, json: &RawValue) -> Result<Batch, Fault> {
    decode_rows(signature, "instances", json.get())
}

/// Reads a tensor for a model's only input, or an object.
/// The object has a tensor for each input or a list for each feature.
pub(super) fn inputs(signature: &Signature, json: &RawValue) -> Result<Batch, Fault> {
    const FIELD: &str = "inputs";
    if !json.get().starts_with('{') {
        return decode_rows(signature, FIELD, json.get());
    }
    let fault = |field: String, expected: String, got: String| Fault {
        field,
        expected,
        got,
        malformed: false,
    };
    let mut named: BTreeMap<String, &RawValue> = serde_json::from_str(json.get())
        .map_err(|e| fault(FIELD.to_owned(), "an object of tensors".to_owned(), e.to_string()))?;
    if named.keys().any(|name| signature.features.iter().any(|f| f.name == *name))
        && !named.keys().any(|name| signature.inputs.iter().any(|port| port.name == *name))
    {
        return features(signature, &named);
    }
    let mut tensors = Vec::with_capacity(signature.inputs.len());
    for port in &signature.inputs {
        let here = || format!("{FIELD}.{}", port.name);
        let json = named
            .remove(&port.name)
            .ok_or_else(|| fault(here(), "a tensor".to_owned(), "no such field".to_owned()))?;
        let tensor = shaped(port.element, json)
            .map_err(|f| Fault { field: format!("{}{}", here(), rest(&f.field)), ..f })?;
        let fits = tensor.shape.len() == port.dims.len()
            && tensor
                .shape
                .iter()
                .zip(&port.dims)
                .all(|(size, dim)| dim.is_none_or(|dim| dim == *size));
        if !fits {
            let wanted: Vec<_> =
                port.dims.iter().map(|d| d.map_or("any".to_owned(), |d| d.to_string())).collect();
            return Err(fault(
                here(),
                format!("a tensor of shape [{}]", wanted.join(", ")),
                format!("{:?}", tensor.shape),
            ));
        }
        tensors.push(tensor);
    }
    if let Some(name) = named.keys().next() {
        let known: Vec<_> = signature.inputs.iter().map(|port| port.name.as_str()).collect();
        return Err(fault(
            format!("{FIELD}.{name}"),
            format!("one of {known:?}"),
            "an unknown field".to_owned(),
        ));
    }
    let rows = tensors.first().and_then(|t| t.shape.first()).copied().unwrap_or(1);
    if let Some((port, tensor)) =
        signature.inputs.iter().zip(&tensors).find(|(_, t)| t.shape.first() != Some(&rows))
    {
        return Err(fault(
            format!("{FIELD}.{}", port.name),
            format!("{rows} rows"),
            format!("{:?}", tensor.shape),
        ));
    }
    Ok(Batch { rows, inputs: tensors })
}

/// Reads `{feature: [value, …], …}`: the columns of a table, transposed into rows.
fn features(signature: &Signature, named: &BTreeMap<String, &RawValue>) -> Result<Batch, Fault> {
    let mut columns: Vec<(&str, Vec<&RawValue>)> = Vec::with_capacity(named.len());
    for (name, json) in named {
        let values = serde_json::from_str(json.get()).map_err(|e| Fault {
            field: format!("inputs.{name}"),
            expected: "a list of values".to_owned(),
            got: e.to_string(),
            malformed: false,
        })?;
        columns.push((name, values));
    }
    let rows = columns.first().map_or(0, |(_, values)| values.len());
    if let Some((name, values)) = columns.iter().find(|(_, values)| values.len() != rows) {
        return Err(Fault {
            field: format!("inputs.{name}"),
            expected: format!("{rows} values, as the first column has"),
            got: format!("{} values", values.len()),
            malformed: false,
        });
    }
    let names: Vec<String> = columns.iter().map(|(name, _)| (*name).to_owned()).collect();
    let order = super::columns::order(signature, "inputs", &names)?;
    let row = |row: usize| columns.iter().map(|(_, values)| values[row].get()).collect();
    order.read(signature, "inputs", (0..rows).map(row)).map_err(by_column)
}

/// Rewrites a fault's field for a table sent by column: `inputs[1].name` becomes `inputs.name[1]`.
fn by_column(fault: Fault) -> Fault {
    let place = fault
        .field
        .strip_prefix("inputs")
        .and_then(|rest| rest.split_once("]."))
        .map(|(row, name)| format!("inputs.{name}{row}]"));
    Fault { field: place.unwrap_or(fault.field), ..fault }
}

/// Returns a fault's position within a tensor; empty for the whole tensor.
fn rest(field: &str) -> &str {
    if field == "body" { "" } else { field }
}
