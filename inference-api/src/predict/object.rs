//! Decoder of a JSON object of numbers, for a model whose input is a map.
//!
//! The object is kept as JSON text, from which the input is built.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};

use super::fault::{Piece, Trail, refuse, shorten};
use crate::model::Buffer;

pub(super) struct Object<'a> {
    pub(super) buffer: &'a mut Buffer,
    pub(super) trail: &'a Trail,
}

const OBJECT: &str = "an object of numbers";

impl Object<'_> {
    fn wrong<E: de::Error>(&self, got: impl Into<String>) -> E {
        self.trail.fault(OBJECT, got)
    }
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(OBJECT)
    }

    refuse!(bool, number, string, null, list);

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut numbers = serde_json::Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let here = || Piece::Key(shorten(&key));
            let value = map.next_value::<serde_json::Value>().map_err(self.trail.at(here))?;
            if !value.is_number() {
                return Err(self.trail.at(here)(
                    self.trail.fault("a number", shorten(&value.to_string())),
                ));
            }
            if numbers.contains_key(&key) {
                return Err(self.trail.at(here)(self.trail.fault("the key once", "it twice")));
            }
            numbers.insert(key, value);
        }
        if let Buffer::Text(texts) = self.buffer {
            texts.push(serde_json::Value::Object(numbers).to_string());
        }
        Ok(())
    }
}
