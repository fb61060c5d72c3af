//! From JSON to the types of requests, with the field at fault named.

use std::cell::RefCell;

use chatcore::Invalid;
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IntoDeserializer as _, MapAccess,
    Unexpected, Visitor,
};
use serde_json::{Map, Value};

use crate::problem::shown_name;

type Fault = serde_json::Error;

/// Reads `value` as a `T`.
///
/// # Errors
/// Names the member of the outermost object that is at fault, and what was expected of it; never what
/// it held.
pub(crate) fn from_json<T: DeserializeOwned>(value: Value) -> Result<T, Invalid> {
    match value {
        Value::Object(members) => read(members, false),
        // Which serde would take for the members of a struct in their order.
        Value::Array(_) => Err(Invalid::new("body", "must be a JSON object")),
        other => T::deserialize(other).map_err(|_| Invalid::new("body", "must be a JSON object")),
    }
}

/// Reads members whose values are all text, as in a query, as a `T`: each is read as what the type
/// wants.
///
/// # Errors
/// As [`from_json`].
pub(crate) fn from_text_fields<T: DeserializeOwned>(
    members: Map<String, Value>,
) -> Result<T, Invalid> {
    read(members, true)
}

fn read<T: DeserializeOwned>(members: Map<String, Value>, text: bool) -> Result<T, Invalid> {
    let at = RefCell::new(None);
    T::deserialize(Members { members, at: &at, text }).map_err(|e| describe(&e, at.into_inner()))
}

/// An object whose reader notes which member it is at.
struct Members<'a> {
    members: Map<String, Value>,
    at: &'a RefCell<Option<String>>,
    text: bool,
}

struct Walk<'a> {
    rest: serde_json::map::IntoIter,
    value: Option<Value>,
    at: &'a RefCell<Option<String>>,
    text: bool,
}

impl<'de> Deserializer<'de> for Members<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let Self { members, at, text } = self;
        visitor.visit_map(Walk { rest: members.into_iter(), value: None, at, text })
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> MapAccess<'de> for Walk<'_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        let Some((name, value)) = self.rest.next() else {
            self.at.replace(None);
            return Ok(None);
        };
        self.value = Some(value);
        let key = seed.deserialize(StrDeserializer::<Fault>::new(&name));
        self.at.replace(Some(shown_name(&name)));
        key.map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        match self.value.take().unwrap_or_default() {
            Value::String(text) if self.text => seed.deserialize(Text(text)),
            value => seed.deserialize(value),
        }
    }
}

/// A value that is written as text, whatever it is.
struct Text(String);

macro_rules! parse_then_visit {
    ($($method:ident => $visit:ident: $type:ty),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            match self.0.parse::<$type>() {
                Ok(value) => visitor.$visit(value),
                Err(_) => Err(Fault::invalid_value(Unexpected::Str("text"), &visitor)),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Text {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_string(self.0)
    }

    parse_then_visit! {
        deserialize_bool => visit_bool: bool,
        deserialize_i8 => visit_i64: i64,
        deserialize_i16 => visit_i64: i64,
        deserialize_i32 => visit_i64: i64,
        deserialize_i64 => visit_i64: i64,
        deserialize_u8 => visit_u64: u64,
        deserialize_u16 => visit_u64: u64,
        deserialize_u32 => visit_u64: u64,
        deserialize_u64 => visit_u64: u64,
        deserialize_f32 => visit_f64: f64,
        deserialize_f64 => visit_f64: f64,
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_enum(self.0.into_deserializer())
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}

/// Turns serde's words into a field and a sentence, and leaves out what was refused.
fn describe(error: &Fault, at: Option<String>) -> Invalid {
    let text = error.to_string();
    let named = |rest: &str| {
        let name = rest.split('`').next().unwrap_or_default();
        let name = shown_name(name);
        match &at {
            Some(outer) if *outer != name => format!("{outer}.{name}"),
            _ => name,
        }
    };
    if let Some(rest) = text.strip_prefix("missing field `") {
        let field = named(rest);
        let problem = format!("{field} is missing");
        return Invalid::new(field, problem);
    }
    if let Some(rest) = text.strip_prefix("unknown field `") {
        let field = named(rest);
        let problem = format!("{field} is not a field of this request");
        return Invalid::new(field, problem);
    }
    let field = at.unwrap_or_else(|| "body".into());
    let own_words = ["invalid type: ", "invalid value: ", "invalid length ", "unknown variant `"];
    let problem = match text.rsplit_once(", expected ") {
        Some((_, expected)) if own_words.iter().any(|w| text.starts_with(w)) => {
            let expected = match expected {
                "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" | "usize" => {
                    "a whole number within bounds"
                }
                "f32" | "f64" => "a number",
                other => other,
            };
            format!("{field} must be {expected}")
        }
        _ => text,
    };
    Invalid::new(field, problem)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only the reading matters")]
    struct Login {
        login: String,
        password: String,
        room: Option<chatcore::id::RoomId>,
        kind: Option<Kind>,
        inner: Option<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        Public,
        Private,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only the reading matters")]
    struct Inner {
        seq: u64,
    }

    fn refused(value: Value) -> (String, String) {
        let invalid = from_json::<Login>(value).unwrap_err();
        (invalid.field.into_owned(), invalid.problem.into_owned())
    }

    #[test]
    fn a_list_is_no_object_however_well_it_fits() {
        for list in [json!([]), json!(["a", "b", null, null, null])] {
            assert_eq!(refused(list), ("body".into(), "must be a JSON object".into()));
        }
    }

    #[test]
    fn field_at_fault_is_named_and_its_value_is_not() {
        let cases = [
            (json!({"login": "a"}), "password", "password is missing"),
            (json!({"login": "a", "password": 31337}), "password", "password must be a string"),
            (json!({"login": {"$ne": 1}, "password": "x"}), "login", "login must be a string"),
            (
                json!({"login": "a", "password": "b", "is_admin": true}),
                "is_admin",
                "is_admin is not a field of this request",
            ),
            (
                json!({"login": "a", "password": "b", "room": "secret room"}),
                "room",
                "room must be 1 to 64 of A-Z a-z 0-9 - _",
            ),
            (
                json!({"login": "a", "password": "b", "kind": "secret"}),
                "kind",
                "kind must be `public` or `private`",
            ),
            (
                json!({"login": "a", "password": "b", "inner": {}}),
                "inner.seq",
                "inner.seq is missing",
            ),
            (
                json!({"login": "a", "password": "b", "inner": {"seq": -31337}}),
                "inner",
                "inner must be a whole number within bounds",
            ),
            (json!([1]), "body", "must be a JSON object"),
        ];
        for (value, field, problem) in cases {
            assert_eq!(refused(value.clone()), (field.into(), problem.into()), "{value}");
        }
    }
}
