//! Decoder of a row: a list in the features' order, or an object keyed by feature name.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{
    fault::{Piece, Trail, refuse, shorten},
    object::Object,
    scalar::Scalar,
};
use crate::model::{Buffer, Kind, Layout, Signature};

/// Buffers of the inputs while rows are decoded into them.
pub(super) struct Columns<'a> {
    pub(super) signature: &'a Signature,
    /// One buffer for each input.
    pub(super) buffers: Vec<Buffer>,
    /// Sizes of a row's variable dimensions, fixed by the first row; one entry for each input.
    pub(super) seen_dims: Vec<Option<Vec<usize>>>,
    pub(super) trail: &'a Trail,
}

/// Decoder of one row.
pub(super) struct Row<'a, 'b>(pub(super) &'b mut Columns<'a>);

impl<'de> DeserializeSeed<'de> for Row<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Row<'_, '_> {
    fn wanted(&self) -> String {
        let signature = self.0.signature;
        match signature.layout {
            Layout::Tensor => format!("a list of shape {}", show_dims(signature.row_dims(0))),
            Layout::Matrix | Layout::Columns => {
                format!("a list of {} values", signature.features.len())
            }
        }
    }

    fn wrong<E: de::Error>(&self, got: impl Into<String>) -> E {
        self.0.trail.fault(self.wanted(), got)
    }
}

impl<'de> Visitor<'de> for Row<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.wanted())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let columns = self.0;
        let signature = columns.signature;
        if signature.layout == Layout::Tensor {
            return Nested::of_input(columns, 0).visit_seq(seq);
        }
        let width = signature.features.len();
        let mut count = 0;
        while count < width {
            let read = Field { columns, feature: count };
            let piece = || Piece::Index(count);
            match seq.next_element_seed(read).map_err(columns.trail.at(piece))? {
                Some(()) => count += 1,
                None => break,
            }
        }
        if count == width && seq.next_element::<de::IgnoredAny>()?.is_some() {
            count += 1;
            while seq.next_element::<de::IgnoredAny>()?.is_some() {
                count += 1;
            }
        }
        if count == width { Ok(()) } else { Err(Row(columns).wrong(format!("{count} values"))) }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut named = Named::new(self.0.signature);
        while let Some(key) = map.next_key::<String>()? {
            named.read(self.0, &key, &mut map)?;
        }
        named.finish(self.0)
    }

    fn visit_f64<E: de::Error>(mut self, value: f64) -> Result<(), E> {
        self.bare(|| format!("the number {value:?}"))?.visit_f64(value)
    }

    fn visit_i64<E: de::Error>(mut self, value: i64) -> Result<(), E> {
        self.bare(|| format!("the number {value}"))?.visit_i64(value)
    }

    fn visit_u64<E: de::Error>(mut self, value: u64) -> Result<(), E> {
        self.bare(|| format!("the number {value}"))?.visit_u64(value)
    }

    fn visit_bool<E: de::Error>(mut self, value: bool) -> Result<(), E> {
        self.bare(|| value.to_string())?.visit_bool(value)
    }

    fn visit_str<E: de::Error>(mut self, value: &str) -> Result<(), E> {
        self.bare(|| format!("the string {:?}", shorten(value)))?.visit_str(value)
    }

    fn visit_unit<E: de::Error>(mut self) -> Result<(), E> {
        self.bare(|| "null".to_owned())?.visit_unit()
    }
}

impl Row<'_, '_> {
    /// Returns the decoder of a row that is a bare value: valid for a single scalar feature.
    fn bare<E: de::Error>(&mut self, got: impl FnOnce() -> String) -> Result<Scalar<'_>, E> {
        let signature = self.0.signature;
        match &signature.features[..] {
            [feature] if signature.is_scalar(feature) => Ok(Scalar {
                buffer: &mut self.0.buffers[feature.input],
                nullable: feature.nullable,
                trail: self.0.trail,
            }),
            _ => Err(self.wrong(got())),
        }
    }
}

/// Decoder of one feature's value: a scalar, or nested lists.
struct Field<'a, 'b> {
    columns: &'b mut Columns<'a>,
    feature: usize,
}

impl<'de> DeserializeSeed<'de> for Field<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Self { columns, feature } = self;
        let feature = &columns.signature.features[feature];
        let buffer = &mut columns.buffers[feature.input];
        if columns.signature.inputs[feature.input].kind != Kind::Tensor {
            return Object { buffer, trail: columns.trail }.deserialize(deserializer);
        }
        if columns.signature.is_scalar(feature) {
            return Scalar { buffer, nullable: feature.nullable, trail: columns.trail }
                .deserialize(deserializer);
        }
        Nested::of_input(columns, feature.input).deserialize(deserializer)
    }
}

/// Values of a row given by name, buffered until all are read because names come in any order.
pub(super) struct Named {
    slots: Vec<Option<Buffer>>,
    /// True if the row is the whole body, where `features` or `instances` are valid too.
    is_body: bool,
}

impl Named {
    /// Creates the decoder of a row that is the whole body.
    pub(super) fn of_body(signature: &Signature) -> Self {
        Self { is_body: true, ..Self::new(signature) }
    }

    fn new(signature: &Signature) -> Self {
        Self { slots: vec![None; signature.features.len()], is_body: false }
    }

    /// Reads the value of `key` from `map`.
    pub(super) fn read<'de, A: MapAccess<'de>>(
        &mut self,
        columns: &mut Columns<'_>,
        key: &str,
        map: &mut A,
    ) -> Result<(), A::Error> {
        let signature = columns.signature;
        let here = || Piece::Key(shorten(key));
        let Some(index) = signature.features.iter().position(|f| f.name == key) else {
            let error =
                columns.trail.fault(known_names(signature, self.is_body), "an unknown field");
            return Err(columns.trail.at(here)(error));
        };
        if self.slots[index].is_some() {
            return Err(columns.trail.at(here)(columns.trail.fault("the field once", "it twice")));
        }
        let input = signature.features[index].input;
        // Read into an empty input buffer and take it out: the value needs its own buffer.
        let so_far = std::mem::replace(
            &mut columns.buffers[input],
            Buffer::new(signature.inputs[input].element),
        );
        let read = map.next_value_seed(Field { columns, feature: index });
        let value = std::mem::replace(&mut columns.buffers[input], so_far);
        read.map_err(columns.trail.at(here))?;
        self.slots[index] = Some(value);
        Ok(())
    }

    /// Moves the row into the inputs; a missing value of a nullable feature becomes NaN.
    pub(super) fn finish<E: de::Error>(self, columns: &mut Columns<'_>) -> Result<(), E> {
        for (slot, feature) in self.slots.into_iter().zip(&columns.signature.features) {
            let value = match slot {
                Some(value) => value,
                None if feature.nullable => match columns.buffers[feature.input] {
                    Buffer::Float16(_) => Buffer::Float16(vec![half::f16::NAN]),
                    Buffer::Bfloat16(_) => Buffer::Bfloat16(vec![half::bf16::NAN]),
                    Buffer::Float64(_) => Buffer::Float64(vec![f64::NAN]),
                    _ => Buffer::Float32(vec![f32::NAN]),
                },
                None => {
                    let error = columns.trail.fault("a value", "no such field");
                    return Err(columns.trail.at(|| Piece::Key(feature.name.clone()))(error));
                }
            };
            if !columns.buffers[feature.input].append(value) {
                return Err(columns.trail.fault("a value of the input's type", "another type"));
            }
        }
        Ok(())
    }
}

/// Decoder of nested lists with a given shape.
struct Nested<'a> {
    dims: &'a [Option<usize>],
    depth: usize,
    buffer: &'a mut Buffer,
    seen: &'a mut Option<Vec<usize>>,
    trail: &'a Trail,
}

impl<'a> Nested<'a> {
    fn of_input<'c: 'a>(columns: &'a mut Columns<'c>, input: usize) -> Self {
        Self {
            dims: columns.signature.row_dims(input),
            depth: 0,
            buffer: &mut columns.buffers[input],
            seen: &mut columns.seen_dims[input],
            trail: columns.trail,
        }
    }

    fn deeper(&mut self) -> Nested<'_> {
        Nested {
            dims: self.dims,
            depth: self.depth + 1,
            buffer: self.buffer,
            seen: self.seen,
            trail: self.trail,
        }
    }

    fn wanted(&self) -> String {
        format!("a list of shape {}", show_dims(self.dims.get(self.depth..).unwrap_or(&[])))
    }

    fn wrong<E: de::Error>(&self, got: impl Into<String>) -> E {
        self.trail.fault(self.wanted(), got)
    }
}

impl<'de> DeserializeSeed<'de> for Nested<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.depth == self.dims.len() {
            return Scalar { buffer: self.buffer, nullable: false, trail: self.trail }
                .deserialize(deserializer);
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Nested<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.wanted())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        let mut count = 0;
        loop {
            let trail = self.trail;
            match seq.next_element_seed(self.deeper()).map_err(trail.at(|| Piece::Index(count)))? {
                Some(()) => count += 1,
                None => break,
            }
        }
        // The first row fixes variable dimensions, innermost first: inner lists end first.
        let depth = self.depth;
        let rank = self.dims.len();
        let seen = self.seen.get_or_insert_with(|| vec![usize::MAX; rank]);
        let want = match (self.dims[depth], seen[depth]) {
            (Some(fixed), _) => fixed,
            (None, usize::MAX) => count,
            (None, earlier) => earlier,
        };
        seen[depth] = want;
        if count == want {
            Ok(())
        } else {
            Err(self.trail.fault(format!("a list of {want} values"), format!("{count} values")))
        }
    }

    refuse!(bool, number, string, null, object);
}

/// Formats dimensions as `[3, 224, ?]`.
fn show_dims(dims: &[Option<usize>]) -> String {
    let dims: Vec<String> =
        dims.iter().map(|d| d.map_or_else(|| "?".to_owned(), |d| d.to_string())).collect();
    format!("[{}]", dims.join(", "))
}

fn known_names(signature: &Signature, is_body: bool) -> String {
    const SHOWN: usize = 12;
    let names: Vec<&str> = signature.features.iter().map(|f| f.name.as_str()).take(SHOWN).collect();
    let more = signature.features.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let others =
        if is_body { "\"features\", \"instances\" or the names of features: " } else { "one of " };
    format!("{others}{}{more}", names.join(", "))
}
