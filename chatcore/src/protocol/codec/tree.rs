//! A frame as a generic value, before anything is known of its meaning.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::fields::FieldError;

/// A value, and the first thing about it that no frame may have.
///
/// The flaw is kept beside the value, so that the request's `id` can still be found.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) value: Value,
    pub(super) flaw: Option<FieldError>,
}

impl Tree {
    /// Builds the value that `deserializer` reads. Nesting must have been bounded before.
    pub(super) fn build<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut flaw = None;
        let value = Seed(&mut flaw).deserialize(deserializer)?;
        Ok(Self { value, flaw })
    }

    /// The value, if there is nothing wrong with it.
    pub(super) fn flawless(self) -> Result<Value, FieldError> {
        match self.flaw {
            None => Ok(self.value),
            Some(flaw) => Err(flaw),
        }
    }
}

struct Seed<'a>(&'a mut Option<FieldError>);

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that JSON can hold")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, b: bool) -> Result<Value, E> {
        Ok(Value::Bool(b))
    }

    fn visit_i64<E: Error>(self, n: i64) -> Result<Value, E> {
        Ok(Value::Number(n.into()))
    }

    fn visit_u64<E: Error>(self, n: u64) -> Result<Value, E> {
        Ok(Value::Number(n.into()))
    }

    fn visit_f64<E: Error>(self, n: f64) -> Result<Value, E> {
        if let Some(n) = Number::from_f64(n) {
            return Ok(Value::Number(n));
        }
        self.0.get_or_insert_with(|| FieldError::new("numbers must be finite"));
        Ok(Value::Null)
    }

    fn visit_str<E: Error>(self, s: &str) -> Result<Value, E> {
        Ok(Value::String(s.to_owned()))
    }

    fn visit_string<E: Error>(self, s: String) -> Result<Value, E> {
        Ok(Value::String(s))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        // No capacity is taken from the input's word: the scan counted, but growing costs little.
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(Seed(self.0))? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if fields.contains_key(&key) {
                self.0.get_or_insert_with(|| FieldError::new("is given twice").at(&key));
            }
            let value = map.next_value_seed(Seed(self.0))?;
            fields.insert(key, value);
        }
        Ok(Value::Object(fields))
    }
}
