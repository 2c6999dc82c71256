//! Encoder from a model's outputs to the JSON of a response.

use std::fmt;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::{
    model::{Buffer, Classifier, Key, Labels, RunError, Signature, Tensor, Value, room},
    with_elements,
};

/// Encodes the body of a 200 response.
///
/// Classifiers: `{"predictions": [{"label", "probabilities": {class: p}}], "model", "version"}`,
/// with `"scores"` where the model has no probabilities.
/// Other models: `{"outputs": {name: nested lists}, "model", "version"}`.
///
/// # Errors
/// Returns an error if a classifier's outputs lack one label and one list of probabilities per row.
pub fn encode(signature: &Signature, rows: usize, values: &[Value]) -> Result<Vec<u8>, RunError> {
    let answer = Answer { signature, rows, values };
    let mut body = match large(values) {
        Some(most) => room(most)?,
        None => Vec::with_capacity(64 + rows * 96),
    };
    serde_json::to_writer(&mut body, &answer).map_err(|e| RunError::Refused(e.to_string()))?;
    Ok(body)
}

/// Encodes `{"predictions": {name: nested lists}}`, with every output as a whole.
///
/// # Errors
/// Returns an error if an output's shape and length disagree.
pub fn encode_columns(signature: &Signature, values: &[Value]) -> Result<Vec<u8>, RunError> {
    #[derive(serde::Serialize)]
    struct Columns<'a> {
        predictions: Outputs<'a>,
    }
    let answer = Columns { predictions: Outputs { signature, values } };
    let mut body = room(large(values).unwrap_or(0))?;
    serde_json::to_writer(&mut body, &answer).map_err(|e| RunError::Refused(e.to_string()))?;
    Ok(body)
}

/// Encodes `{"predictions": [{name: value}, …]}`, with a record of all outputs for each row.
///
/// # Errors
/// Returns an error if an output does not have a value for each row.
pub fn encode_records(
    signature: &Signature,
    rows: usize,
    values: &[Value],
) -> Result<Vec<u8>, RunError> {
    #[derive(serde::Serialize)]
    struct Records {
        predictions: Vec<serde_json::Map<String, serde_json::Value>>,
    }
    if let Some(most) = large(values) {
        // A tree of values takes more memory than their text.
        drop(room::<serde_json::Value>(most / TEXT)?);
    }
    let refused = |e: serde_json::Error| RunError::Refused(e.to_string());
    let columns = serde_json::to_value(Outputs { signature, values }).map_err(refused)?;
    let mut predictions = vec![serde_json::Map::new(); rows];
    for port in &signature.outputs {
        let column = columns[&port.name].as_array().filter(|column| column.len() == rows);
        let column = column.ok_or_else(|| {
            RunError::Refused(format!("output {:?} has no value for each row", port.name))
        })?;
        for (record, value) in predictions.iter_mut().zip(column) {
            // A data frame has single values in its cells, not lists of one.
            let cell = value
                .as_array()
                .and_then(|list| <&[_; 1]>::try_from(list.as_slice()).ok())
                .map_or(value, |[one]| one);
            record.insert(port.name.clone(), cell.clone());
        }
    }
    serde_json::to_vec(&Records { predictions }).map_err(refused)
}

/// Smallest number of values for which capacity is reserved up front.
const LARGE: usize = 1 << 20;
/// Largest length of a number in JSON, in bytes.
const TEXT: usize = 26;

/// Estimates the JSON size of the values, in bytes, if they are many, else returns `None`.
///
/// The caller reserves it at once: a growing vector aborts the process without memory.
pub fn large(values: &[Value]) -> Option<usize> {
    let count = |value: &Value| match value {
        Value::Tensor(tensor) => tensor.data.len(),
        Value::Maps(maps) => maps.first().map_or(0, |map| map.len().saturating_mul(maps.len())),
        Value::Sequence(tensors) => tensors.iter().map(|tensor| tensor.data.len()).sum(),
    };
    let all: usize = values.iter().map(count).sum();
    (all >= LARGE).then(|| all.saturating_mul(TEXT))
}

struct Answer<'a> {
    signature: &'a Signature,
    rows: usize,
    values: &'a [Value],
}

impl Serialize for Answer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        match &self.signature.classifier {
            Some(classifier) => {
                let predictions = Predictions { classifier, rows: self.rows, values: self.values };
                map.serialize_entry("predictions", &predictions)?;
            }
            None => map.serialize_entry(
                "outputs",
                &Outputs { signature: self.signature, values: self.values },
            )?,
        }
        map.serialize_entry("model", &self.signature.name)?;
        map.serialize_entry("version", &self.signature.version)?;
        map.end()
    }
}

struct Predictions<'a> {
    classifier: &'a Classifier,
    rows: usize,
    values: &'a [Value],
}

impl Serialize for Predictions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let labels = &self.values[self.classifier.label];
        let scores = &self.values[self.classifier.probabilities];
        let rows_of = |value: &Value| match value {
            Value::Tensor(tensor) => tensor.shape.first().copied(),
            Value::Maps(maps) => Some(maps.len()),
            Value::Sequence(_) => None,
        };
        if rows_of(labels) != Some(self.rows) || rows_of(scores) != Some(self.rows) {
            return Err(serde::ser::Error::custom(
                "the model gave another number of answers than rows",
            ));
        }
        let mut seq = serializer.serialize_seq(Some(self.rows))?;
        for row in 0..self.rows {
            seq.serialize_element(&Prediction {
                classifier: self.classifier,
                labels,
                scores,
                row,
            })?;
        }
        seq.end()
    }
}

struct Prediction<'a> {
    classifier: &'a Classifier,
    labels: &'a Value,
    scores: &'a Value,
    row: usize,
}

impl Prediction<'_> {
    /// Returns the sidecar's class name for an integer label.
    ///
    /// The label is looked up among the file's own labels or `ZipMap`'s keys; else it is an index.
    /// Returns `None` without sidecar names, so that labels stay numbers.
    fn name_of(&self, label: i64) -> Option<&String> {
        let Classifier { classes, labels, is_named, .. } = self.classifier;
        if !is_named {
            return None;
        }
        let index = match (labels, self.scores) {
            (Some(Labels::Numbers(own)), _) => own.iter().position(|number| *number == label)?,
            (_, Value::Maps(maps)) => {
                maps[self.row].iter().position(|(key, _)| *key == Key::Int(label))?
            }
            (_, Value::Tensor(_) | Value::Sequence(_)) => usize::try_from(label).ok()?,
        };
        classes.get(index)
    }
}

impl Serialize for Prediction<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        match self.labels {
            Value::Tensor(Tensor { data: Buffer::Text(labels), .. }) => {
                map.serialize_entry("label", &labels[self.row])?;
            }
            Value::Tensor(Tensor { data: Buffer::Int64(labels), .. }) => {
                let label = labels[self.row];
                match self.name_of(label) {
                    Some(name) => map.serialize_entry("label", name)?,
                    None => map.serialize_entry("label", &label)?,
                }
            }
            _ => return Err(serde::ser::Error::custom("labels are neither strings nor integers")),
        }
        let values = if self.classifier.has_scores { "scores" } else { "probabilities" };
        map.serialize_entry(values, &Probabilities(self))?;
        map.end()
    }
}

struct Probabilities<'a>(&'a Prediction<'a>);

impl Serialize for Probabilities<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Prediction { classifier: Classifier { classes, .. }, scores, row, .. } = self.0;
        match scores {
            Value::Maps(maps) => {
                let mut map = serializer.serialize_map(Some(maps[*row].len()))?;
                for (i, (key, p)) in maps[*row].iter().enumerate() {
                    match (key, classes.get(i)) {
                        // A string key is the class name; the sidecar may name an integer key.
                        (Key::Int(_), Some(name)) => map.serialize_entry(name, p)?,
                        _ => map.serialize_entry(key, p)?,
                    }
                }
                map.end()
            }
            Value::Tensor(Tensor { shape, data: Buffer::Float32(data) }) => {
                let width: usize = shape[1..].iter().product();
                let mut map = serializer.serialize_map(Some(width))?;
                for (i, p) in data[row * width..][..width].iter().enumerate() {
                    match classes.get(i) {
                        Some(name) => map.serialize_entry(name, p)?,
                        None => map.serialize_entry(&i, p)?,
                    }
                }
                map.end()
            }
            Value::Tensor(_) | Value::Sequence(_) => {
                Err(serde::ser::Error::custom("probabilities are no float32 tensor"))
            }
        }
    }
}

struct Outputs<'a> {
    signature: &'a Signature,
    values: &'a [Value],
}

impl Serialize for Outputs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.values.len()))?;
        for (port, value) in self.signature.outputs.iter().zip(self.values) {
            match value {
                Value::Tensor(tensor) => map.serialize_entry(&port.name, &NestedTensor(tensor))?,
                Value::Maps(rows) => {
                    map.serialize_entry(
                        &port.name,
                        &rows.iter().map(|r| MapRow(r)).collect::<Vec<_>>(),
                    )?;
                }
                Value::Sequence(tensors) => {
                    map.serialize_entry(
                        &port.name,
                        &tensors.iter().map(NestedTensor).collect::<Vec<_>>(),
                    )?;
                }
            }
        }
        map.end()
    }
}

struct MapRow<'a>(&'a [(Key, f32)]);

impl Serialize for MapRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(k, v)| (k, v)))
    }
}

/// Tensor as nested lists; 16-bit floats are written as numbers, not as their bits.
struct NestedTensor<'a>(&'a Tensor);

impl Serialize for NestedTensor<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let dims = &self.0.shape[..];
        match &self.0.data {
            Buffer::Float16(v) => {
                let data: &[f32] = &v.iter().map(|&x| x.into()).collect::<Vec<_>>();
                Nest { dims, data }.serialize(serializer)
            }
            Buffer::Bfloat16(v) => {
                let data: &[f32] = &v.iter().map(|&x| x.into()).collect::<Vec<_>>();
                Nest { dims, data }.serialize(serializer)
            }
            data => with_elements!(data, v => Nest { dims, data: v }.serialize(serializer)),
        }
    }
}

/// Flat buffer as nested lists.
struct Nest<'a, T> {
    dims: &'a [usize],
    data: &'a [T],
}

impl<T: Serialize + fmt::Debug> Serialize for Nest<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some((&count, rest)) = self.dims.split_first() else {
            return match self.data {
                [one] => one.serialize(serializer),
                _ => Err(serde::ser::Error::custom("a tensor's shape and length disagree")),
            };
        };
        let size: usize = rest.iter().product();
        let mut seq = serializer.serialize_seq(Some(count))?;
        for i in 0..count {
            let data = self.data.get(i * size..(i + 1) * size);
            let data = data
                .ok_or_else(|| serde::ser::Error::custom("a tensor's shape and length disagree"))?;
            seq.serialize_element(&Nest { dims: rest, data })?;
        }
        seq.end()
    }
}
