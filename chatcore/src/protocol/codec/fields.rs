//! From a generic value to a typed one, keeping track of which field is at fault.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, StringDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, Visitor,
};
use serde_json::{Map, Value, map};

use crate::error::Invalid;
use crate::id::Seq;

/// Reads a `T` out of `value`.
pub(super) fn typed<T: DeserializeOwned>(value: Value) -> Result<T, FieldError> {
    T::deserialize(Node(value))
}

/// The fields of a map that are not used up yet.
#[derive(Debug)]
pub(super) struct Fields(pub(super) Map<String, Value>);

impl Fields {
    /// Uses up the field `name`, which must be there.
    pub(super) fn take<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
    ) -> Result<T, FieldError> {
        match self.0.remove(name) {
            Some(value) => typed(value).map_err(|e: FieldError| e.at(name)),
            None => Err(FieldError::missing_field(name)),
        }
    }

    /// Uses up the field `name`, which may be absent.
    pub(super) fn take_if_any<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
    ) -> Result<Option<T>, FieldError> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => typed(value).map(Some).map_err(|e: FieldError| e.at(name)),
        }
    }

    /// Uses up the field `name`, after which nothing may be left.
    pub(super) fn last<T: DeserializeOwned>(mut self, name: &'static str) -> Result<T, FieldError> {
        let value = self.take(name)?;
        self.finish()?;
        Ok(value)
    }

    /// Uses up all that is left, as the fields of a `T`.
    pub(super) fn rest<T: DeserializeOwned>(self) -> Result<T, FieldError> {
        T::deserialize(MapAccessDeserializer::new(Pairs { pairs: self.0.into_iter(), next: None }))
    }

    /// Nothing may be left.
    pub(super) fn finish(self) -> Result<(), FieldError> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(FieldError::unknown_field(name, &[])),
        }
    }
}

/// A field that cannot be accepted: its path, and what would be accepted. Never its value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FieldError {
    path: String,
    problem: String,
}

impl FieldError {
    pub(super) fn new(problem: impl Into<String>) -> Self {
        Self { path: String::new(), problem: problem.into() }
    }

    /// The same, one level further out: `seq` at `lobby` is `lobby.seq`.
    #[must_use]
    pub(super) fn at(mut self, outer: &str) -> Self {
        // What a client calls its fields is shown to it, but not at any length.
        let outer: String = outer.chars().take(64).collect();
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{outer}{dot}{}", self.path);
        self
    }
}

impl From<FieldError> for Invalid {
    fn from(error: FieldError) -> Self {
        Self::new(error.path, error.problem)
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, self.problem)
    }
}

impl std::error::Error for FieldError {}

impl Error for FieldError {
    fn custom<T: fmt::Display>(problem: T) -> Self {
        Self::new(problem.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = match found {
            Unexpected::Bool(_) => "a boolean",
            Unexpected::Unsigned(_) | Unexpected::Signed(_) => "a number",
            Unexpected::Float(_) => "a number with a fraction",
            Unexpected::Str(_) => "text",
            Unexpected::Unit | Unexpected::Option => "null",
            Unexpected::Seq => "a list",
            Unexpected::Map => "a map",
            _ => "something else",
        };
        Self::new(format!("must be {expected}, not {found}"))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("must be {expected}"))
    }

    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        Self::new(format!("must be {expected}"))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("must be one of {}", expected.join(", ")))
    }

    fn unknown_field(name: &str, expected: &'static [&'static str]) -> Self {
        let problem = match expected {
            [] => "is not a field of this; leave it out".to_owned(),
            known => format!("is not a field of this; known are {}", known.join(", ")),
        };
        Self::new(problem).at(name)
    }

    fn missing_field(name: &'static str) -> Self {
        Self::new("is missing").at(name)
    }

    fn duplicate_field(name: &'static str) -> Self {
        Self::new("is given twice").at(name)
    }
}

/// A value as a source of typed data.
struct Node(Value);

/// Whole numbers are checked here, where a precise answer can be given: the derived code would
/// speak of Rust's types. On the wire none is above 2^53 − 1, which JSON's readers hold exactly.
macro_rules! whole_numbers {
    ($($method:ident $kind:ty, $visit:ident, $from:ident;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
            let low = i128::from(<$kind>::MIN).max(-i128::from(Seq::MAX.0));
            let high = i128::from(<$kind>::MAX).min(i128::from(Seq::MAX.0));
            match self.0.$from().and_then(|n| <$kind>::try_from(n).ok()) {
                Some(n) if (low..=high).contains(&i128::from(n)) => visitor.$visit(n),
                _ => Err(FieldError::new(format!("must be a whole number from {low} to {high}"))),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Node {
    type Error = FieldError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(b) => visitor.visit_bool(b),
            Value::Number(n) => match (n.as_u64(), n.as_i64(), n.as_f64()) {
                (Some(n), ..) => visitor.visit_u64(n),
                (_, Some(n), _) => visitor.visit_i64(n),
                (.., Some(n)) => visitor.visit_f64(n),
                _ => Err(FieldError::new("must be a number of at most 64 bits")),
            },
            Value::String(s) => visitor.visit_string(s),
            Value::Array(items) => visitor.visit_seq(Items { items: items.into_iter(), index: 0 }),
            Value::Object(fields) => {
                visitor.visit_map(Pairs { pairs: fields.into_iter(), next: None })
            }
        }
    }

    whole_numbers! {
        deserialize_u8 u8, visit_u8, as_u64;
        deserialize_u16 u16, visit_u16, as_u64;
        deserialize_u32 u32, visit_u32, as_u64;
        deserialize_u64 u64, visit_u64, as_u64;
        deserialize_i8 i8, visit_i8, as_i64;
        deserialize_i16 i16, visit_i16, as_i64;
        deserialize_i32 i32, visit_i32, as_i64;
        deserialize_i64 i64, visit_i64, as_i64;
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        match self.0 {
            Value::String(name) => {
                let name: StringDeserializer<FieldError> = name.into_deserializer();
                visitor.visit_enum(name)
            }
            _ => Err(FieldError::unknown_variant("", variants)),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

/// The items of a list.
struct Items {
    items: std::vec::IntoIter<Value>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Items {
    type Error = FieldError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, FieldError> {
        let Some(item) = self.items.next() else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        seed.deserialize(Node(item)).map(Some).map_err(|e| e.at(&format!("[{index}]")))
    }
}

/// The fields of a map.
struct Pairs {
    pairs: map::IntoIter,
    next: Option<(String, Value)>,
}

impl<'de> MapAccess<'de> for Pairs {
    type Error = FieldError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, FieldError> {
        let Some((key, value)) = self.pairs.next() else { return Ok(None) };
        let text: StringDeserializer<FieldError> = key.clone().into_deserializer();
        let found = seed.deserialize(text).map_err(|e| match e.path.is_empty() {
            true => e.at(&key),
            false => e,
        })?;
        self.next = Some((key, value));
        Ok(Some(found))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, FieldError> {
        let (key, value) = self.next.take().expect("serde asks for a value after its key");
        seed.deserialize(Node(value)).map_err(|e| e.at(&key))
    }
}
