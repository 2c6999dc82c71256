//! Decoder from the body of a request to tensors.
//!
//! One serde pass over the bytes pushes numbers directly into the inputs' buffers.
//! It builds no tree of values, so a row of four floats costs only the floats.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{
    fault::{Fault, Piece, Trail, refuse, shorten},
    row::{Columns, Named, Row},
};
use crate::model::{Buffer, Signature, Tensor};

/// Rows of a request, ready for the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Number of rows.
    pub rows: usize,
    /// One tensor for each input, in the model's order; the first dimension is `rows`.
    pub inputs: Vec<Tensor>,
}

/// Decodes `{"features": […]}`, `{"instances": [row, …]}` or an object keyed by feature name.
///
/// # Errors
/// Returns an error if the body is not JSON or a field is unknown, missing or not finite.
/// A value of the wrong type or shape is an error too.
pub fn decode(signature: &Signature, body: &[u8]) -> Result<Batch, Fault> {
    read(signature, |columns| {
        let mut json = serde_json::Deserializer::from_slice(body);
        Body(columns).deserialize(&mut json).and_then(|rows| json.end().map(|()| rows))
    })
}

/// Decodes `[row, …]` with rows as in `{"instances": …}`; faults use the name `field`.
///
/// # Errors
/// Returns the errors of [`decode`].
pub fn decode_rows(signature: &Signature, field: &'static str, rows: &str) -> Result<Batch, Fault> {
    read(signature, |columns| {
        let trail = columns.trail;
        let mut json = serde_json::Deserializer::from_str(rows);
        Rows(columns)
            .deserialize(&mut json)
            .map_err(trail.at(|| Piece::Key(field.to_owned())))
            .and_then(|rows| json.end().map(|()| rows))
    })
}

fn read(
    signature: &Signature,
    rows: impl FnOnce(&mut Columns<'_>) -> serde_json::Result<usize>,
) -> Result<Batch, Fault> {
    if let Some(reason) = &signature.no_rows {
        return Err(Fault {
            field: "body".to_owned(),
            expected: format!("whole tensors, at POST /v2/models/{}/infer", signature.name),
            got: format!("rows, which this model does not have: {reason}"),
            malformed: false,
        });
    }
    let trail = Trail::default();
    let mut columns = Columns {
        signature,
        buffers: signature.inputs.iter().map(|i| Buffer::new(i.element)).collect(),
        seen_dims: vec![None; signature.inputs.len()],
        trail: &trail,
    };
    let read = rows(&mut columns);
    let Columns { buffers, seen_dims, .. } = columns;
    let rows = read.map_err(|error| trail.into_fault(&error))?;
    if let Some(batch) = signature.fixed_batch.filter(|batch| rows % batch != 0) {
        return Err(Fault {
            field: "instances".to_owned(),
            expected: format!("a multiple of {batch} rows: the model's batch size is fixed"),
            got: format!("{rows} rows"),
            malformed: false,
        });
    }
    let tensor = |(input, (data, seen)): (usize, (Buffer, Option<Vec<usize>>))| {
        let dims = signature.row_dims(input);
        let row = dims.iter().enumerate().map(|(i, dim)| {
            dim.or_else(|| {
                seen.as_ref().and_then(|s| s.get(i).copied()).filter(|&d| d != usize::MAX)
            })
            .unwrap_or(0)
        });
        Tensor { shape: std::iter::once(rows).chain(row).collect(), data }
    };
    Ok(Batch { rows, inputs: buffers.into_iter().zip(seen_dims).enumerate().map(tensor).collect() })
}

struct Body<'a, 'b>(&'b mut Columns<'a>);

impl<'de> DeserializeSeed<'de> for Body<'_, '_> {
    /// Number of rows.
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_any(self)
    }
}

const OBJECT: &str = "an object with \"features\", \"instances\" or the names of features";

impl Body<'_, '_> {
    fn wrong<E: de::Error>(&self, got: impl Into<String>) -> E {
        self.0.trail.fault(OBJECT, got)
    }
}

impl<'de> Visitor<'de> for Body<'_, '_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(OBJECT)
    }

    refuse!(bool, number, string, null, list);

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<usize, A::Error> {
        let columns = self.0;
        let trail = columns.trail;
        let mut rows = None;
        let mut named: Option<Named> = None;
        while let Some(key) = map.next_key::<std::borrow::Cow<'_, str>>()? {
            let here = || Piece::Key(shorten(&key));
            match key.as_ref() {
                "features" | "instances" if rows.is_some() || named.is_some() => {
                    return Err(trail.at(here)(
                        trail.fault("one way of giving rows", "a second one"),
                    ));
                }
                "features" => {
                    map.next_value_seed(Row(columns)).map_err(trail.at(here))?;
                    rows = Some(1);
                }
                "instances" => {
                    rows = Some(map.next_value_seed(Rows(columns)).map_err(trail.at(here))?);
                }
                _ if rows.is_some() => {
                    return Err(trail.at(here)(trail.fault("no further field", "one")));
                }
                name => named
                    .get_or_insert_with(|| Named::of_body(columns.signature))
                    .read(columns, name, &mut map)?,
            }
        }
        match (rows, named) {
            (Some(rows), _) => Ok(rows),
            (None, Some(named)) => named.finish(columns).map(|()| 1),
            (None, None) => Err(trail.fault(OBJECT, "an empty object")),
        }
    }
}

struct Rows<'a, 'b>(&'b mut Columns<'a>);

impl<'de> DeserializeSeed<'de> for Rows<'_, '_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Rows<'_, '_> {
    fn wrong<E: de::Error>(&self, got: impl Into<String>) -> E {
        self.0.trail.fault("a list of rows", got)
    }
}

impl<'de> Visitor<'de> for Rows<'_, '_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of rows")
    }

    refuse!(bool, number, string, null, object);

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<usize, A::Error> {
        let columns = self.0;
        let mut rows = 0;
        loop {
            let trail = columns.trail;
            match seq.next_element_seed(Row(columns)).map_err(trail.at(|| Piece::Index(rows)))? {
                Some(()) => rows += 1,
                None => break,
            }
        }
        if rows == 0 { Err(columns.trail.fault("at least one row", "none")) } else { Ok(rows) }
    }
}
