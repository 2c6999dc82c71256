//! Conversion of tensors, maps and sequences to and from the runtime's values.

use ort::{
    session::SessionInputValue,
    value::{DynValue, Map, Shape, TensorElementType, ValueType},
};

use super::{Kind, Port};
use crate::model::{Buffer, Element, Key, RunError, Tensor, Value, room};

/// Converts a tensor to the value of an input.
pub(super) fn to_ort(port: &Port, tensor: Tensor) -> ort::Result<SessionInputValue<'static>> {
    if let Kind::Map { by_number, value } = port.kind {
        return map(&port.name, (by_number, value), &tensor);
    }
    let Tensor { shape, data } = tensor;
    macro_rules! own {
        ($v:expr) => {
            ort::value::Tensor::from_array((shape, $v)).map(Into::into)
        };
    }
    match data {
        Buffer::Float16(v) => own!(v),
        Buffer::Bfloat16(v) => own!(v),
        Buffer::Float32(v) => own!(v),
        Buffer::Float64(v) => own!(v),
        Buffer::Int8(v) => own!(v),
        Buffer::Int16(v) => own!(v),
        Buffer::Int32(v) => own!(v),
        Buffer::Int64(v) => own!(v),
        Buffer::Uint8(v) => own!(v),
        Buffer::Uint16(v) => own!(v),
        Buffer::Uint32(v) => own!(v),
        Buffer::Uint64(v) => own!(v),
        Buffer::Bool(v) => own!(v),
        Buffer::Text(v) => {
            ort::value::Tensor::from_string_array((shape, v.as_slice())).map(Into::into)
        }
    }
}

/// Converts the value of an output.
pub(super) fn from_ort(port: &Port, value: &DynValue) -> Result<Value, RunError> {
    let failed = |e: ort::Error| super::run_error(&e);
    match port.kind {
        Kind::Tensor | Kind::Map { .. } => tensor(port.element, value).map(Value::Tensor),
        Kind::Maps => maps(value).map(Value::Maps).map_err(failed),
        Kind::Sequence => {
            let tensors =
                value.try_extract_sequence::<ort::value::DynValueTypeMarker>().map_err(failed)?;
            tensors
                .iter()
                .map(|value| tensor(port.element, value))
                .collect::<Result<_, _>>()
                .map(Value::Sequence)
        }
    }
}

fn tensor(element: Element, value: &DynValue) -> Result<Tensor, RunError> {
    let failed = |e: ort::Error| super::run_error(&e);
    macro_rules! tensor {
        ($variant:ident) => {{
            let (shape, data) = value.try_extract_tensor().map_err(failed)?;
            Tensor { shape: dims(shape), data: Buffer::$variant(copy(data)?) }
        }};
    }
    Ok(match element {
        Element::Float16 => tensor!(Float16),
        Element::Bfloat16 => tensor!(Bfloat16),
        Element::Float32 => tensor!(Float32),
        Element::Float64 => tensor!(Float64),
        Element::Int8 => tensor!(Int8),
        Element::Int16 => tensor!(Int16),
        Element::Int32 => tensor!(Int32),
        Element::Int64 => tensor!(Int64),
        Element::Uint8 => tensor!(Uint8),
        Element::Uint16 => tensor!(Uint16),
        Element::Uint32 => tensor!(Uint32),
        Element::Uint64 => tensor!(Uint64),
        Element::Bool => tensor!(Bool),
        Element::Text => {
            let (shape, data) = value.try_extract_strings().map_err(failed)?;
            Tensor { shape: dims(shape), data: Buffer::Text(data) }
        }
    })
}

/// Copies `data`, or fails if memory is insufficient: a model's output may be unreasonably large.
fn copy<T: Copy>(data: &[T]) -> Result<Vec<T>, RunError> {
    let mut copy = room(data.len())?;
    copy.extend_from_slice(data);
    Ok(copy)
}

fn dims(shape: &Shape) -> Vec<usize> {
    shape.iter().map(|&d| usize::try_from(d).unwrap_or(0)).collect()
}

/// Returns the maps sorted by key, which is the order of the classes.
///
/// Converters sort both; the runtime returns keys in an order of its own.
fn maps(value: &DynValue) -> ort::Result<Vec<Vec<(Key, f32)>>> {
    let rows = value.try_extract_sequence::<ort::value::DynValueTypeMarker>()?;
    rows.iter()
        .map(|row| match row.dtype() {
            ValueType::Map { key: TensorElementType::String, .. } => {
                let pairs = row.try_extract_key_values::<String, f32>()?;
                Ok(pairs.into_iter().map(|(key, p)| (Key::Text(key), p)).collect())
            }
            _ => {
                let mut pairs = row.try_extract_key_values::<i64, f32>()?;
                pairs.sort_unstable_by_key(|(key, _)| *key);
                Ok(pairs.into_iter().map(|(key, p)| (Key::Int(key), p)).collect())
            }
        })
        .collect()
}

/// Parses a map from the JSON text of an object: `{"name": 1.5}`.
fn map(
    name: &str,
    (by_number, value): (bool, Element),
    tensor: &Tensor,
) -> ort::Result<SessionInputValue<'static>> {
    fn pairs<K, V>(name: &str, text: &str) -> ort::Result<Vec<(K, V)>>
    where
        K: std::str::FromStr<Err: std::fmt::Display>,
        V: serde::de::DeserializeOwned,
    {
        let object: std::collections::BTreeMap<String, V> = serde_json::from_str(text)
            .map_err(|e| ort::Error::new(format!("{name}: an object of numbers: {e}")))?;
        let pair = |(key, value): (String, V)| match key.parse() {
            Ok(key) => Ok((key, value)),
            Err(e) => Err(ort::Error::new(format!("{name}: the key {key:?}: {e}"))),
        };
        object.into_iter().map(pair).collect()
    }
    let text = match &tensor.data {
        Buffer::Text(texts) if texts.len() == 1 => &texts[0],
        other => {
            return Err(ort::Error::new(format!(
                "{name}: one object a run, and {} came",
                other.len()
            )));
        }
    };
    Ok(match (by_number, value) {
        (false, Element::Float64) => Map::<String, f64>::new(pairs(name, text)?)?.into(),
        (false, Element::Int64) => Map::<String, i64>::new(pairs(name, text)?)?.into(),
        (false, _) => Map::<String, f32>::new(pairs(name, text)?)?.into(),
        (true, Element::Float64) => Map::<i64, f64>::new(pairs::<i64, f64>(name, text)?)?.into(),
        (true, Element::Int64) => Map::<i64, i64>::new(pairs::<i64, i64>(name, text)?)?.into(),
        (true, _) => Map::<i64, f32>::new(pairs::<i64, f32>(name, text)?)?.into(),
    })
}
