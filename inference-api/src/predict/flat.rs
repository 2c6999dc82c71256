//! Elements of a tensor in JSON: one list of all elements, or nested lists.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{
    fault::{Fault, Piece, Trail, refuse},
    scalar::Scalar,
};
use crate::model::{Buffer, Element, Tensor};

/// Reads the elements in their written order; the shape is given elsewhere.
///
/// # Errors
/// Returns an error if an element is not of this type.
pub fn flat(element: Element, json: &RawValue) -> Result<Buffer, Fault> {
    read(element, json, None)
}

/// Reads a tensor from nested lists, which also give its shape.
///
/// # Errors
/// Returns an error if an element is not of this type or lists differ in length.
pub fn shaped(element: Element, json: &RawValue) -> Result<Tensor, Fault> {
    let mut shape = Vec::new();
    let data = read(element, json, Some(&mut shape))?;
    Ok(Tensor { shape: shape.into_iter().map(|size| size.unwrap_or(0)).collect(), data })
}

/// Length of the lists at each depth, once the first of them has been read.
type Shape = Vec<Option<usize>>;

fn read(element: Element, json: &RawValue, shape: Option<&mut Shape>) -> Result<Buffer, Fault> {
    let trail = Trail::default();
    let mut buffer = Buffer::new(element);
    let mut json = serde_json::Deserializer::from_str(json.get());
    let read = Flat { buffer: &mut buffer, trail: &trail, depth: 0, shape }.deserialize(&mut json);
    match read {
        Ok(()) => Ok(buffer),
        Err(error) => Err(trail.into_fault(&error)),
    }
}

struct Flat<'a> {
    buffer: &'a mut Buffer,
    trail: &'a Trail,
    depth: usize,
    shape: Option<&'a mut Shape>,
}

impl Flat<'_> {
    /// Notes a fault: expected is a list at the outermost level or after lists, else an element.
    fn wrong<E: de::Error>(self, got: impl Into<String>) -> E {
        if self.takes_lists() {
            return self.trail.fault("a list", got);
        }
        let element = Scalar { buffer: self.buffer, nullable: false, trail: self.trail };
        element.trail.fault(element.expected(), got)
    }

    fn takes_lists(&self) -> bool {
        self.depth == 0 || self.shape.as_ref().is_some_and(|shape| shape.len() > self.depth)
    }

    fn scalar<E: de::Error>(&mut self, got: impl FnOnce() -> String) -> Result<Scalar<'_>, E> {
        // A number must not replace a list of the same depth.
        if self.takes_lists() {
            return Err(self.trail.fault("a list", got()));
        }
        Ok(Scalar { buffer: self.buffer, nullable: false, trail: self.trail })
    }
}

impl<'de> DeserializeSeed<'de> for Flat<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Flat<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self { buffer, trail, depth, mut shape } = self;
        if let Some(shape) = shape.as_deref_mut()
            && shape.len() == depth
        {
            // A non-empty buffer means that an earlier element of this depth was a number.
            if !buffer.is_empty() {
                return Err(trail.fault("a number or a string", "a list"));
            }
            shape.push(None);
        }
        let mut count = 0;
        loop {
            let inner = Flat { buffer, trail, depth: depth + 1, shape: shape.as_deref_mut() };
            match seq.next_element_seed(inner).map_err(trail.at(|| Piece::Index(count)))? {
                Some(()) => count += 1,
                None => break,
            }
        }
        match shape.and_then(|shape| shape[depth].replace(count)) {
            Some(other) if other != count => {
                Err(trail
                    .fault(format!("{other} elements, as in the lists before"), count.to_string()))
            }
            _ => Ok(()),
        }
    }

    fn visit_f64<E: de::Error>(mut self, value: f64) -> Result<(), E> {
        self.scalar(|| format!("the number {value:?}"))?.visit_f64(value)
    }

    fn visit_i64<E: de::Error>(mut self, value: i64) -> Result<(), E> {
        self.scalar(|| format!("the number {value}"))?.visit_i64(value)
    }

    fn visit_u64<E: de::Error>(mut self, value: u64) -> Result<(), E> {
        self.scalar(|| format!("the number {value}"))?.visit_u64(value)
    }

    fn visit_bool<E: de::Error>(mut self, value: bool) -> Result<(), E> {
        self.scalar(|| value.to_string())?.visit_bool(value)
    }

    fn visit_str<E: de::Error>(mut self, value: &str) -> Result<(), E> {
        self.scalar(|| "a string".to_owned())?.visit_str(value)
    }

    refuse!(null, object);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(element: Element, json: &str) -> Result<Buffer, String> {
        flat(element, serde_json::from_str(json).unwrap()).map_err(|fault| fault.to_string())
    }

    #[test]
    fn nesting_does_not_matter() {
        let all = Ok(Buffer::Float32(vec![1.0, 2.0, 3.5, 4.0]));
        assert_eq!(read(Element::Float32, "[1, 2, 3.5, 4]"), all);
        assert_eq!(read(Element::Float32, "[[1, 2], [3.5, 4]]"), all);
        assert_eq!(
            read(Element::Text, r#"["a", ["b"]]"#),
            Ok(Buffer::Text(vec!["a".into(), "b".into()]))
        );
        assert_eq!(read(Element::Bool, "[true, false]"), Ok(Buffer::Bool(vec![true, false])));
        assert_eq!(read(Element::Int8, "[]"), Ok(Buffer::Int8(vec![])));
    }

    #[test]
    fn the_shape_is_that_of_the_lists() {
        let read = |json| shaped(Element::Int64, serde_json::from_str(json).unwrap());
        assert_eq!(read("[[1, 2], [3, 4], [5, 6]]").unwrap().shape, [3, 2]);
        assert_eq!(read("[]").unwrap().shape, [0]);
        assert_eq!(read("[[[1]]]").unwrap().shape, [1, 1, 1]);
        for ragged in ["[[1, 2], [3]]", "[1, [2]]", "[[1], 2]", "[[1], [[2]]]", "7"] {
            assert!(read(ragged).is_err(), "{ragged}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        assert_eq!(
            read(Element::Int8, "[1, 300]").unwrap_err(),
            "[1]: expected an integer from -128 to 127, got the number 300"
        );
        assert!(read(Element::Int8, "5").unwrap_err().contains("expected a list"));
        assert!(read(Element::Float32, "[[1], {}]").unwrap_err().starts_with("[1]"));
        assert_eq!(
            read(Element::Float32, "[1, null]").unwrap_err(),
            "[1]: expected a finite number, got null"
        );
        assert_eq!(
            read(Element::Int64, "[[{}]]").unwrap_err(),
            "[0][0]: expected an integer of 64 bits, got an object"
        );
        assert!(read(Element::Float32, "null").unwrap_err().contains("expected a list"));
    }
}
