//! JSON with nothing left to doubt: bounded in depth, each name once.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::BodyError;

/// How deep arrays and objects may be nested.
pub(super) const MAX_DEPTH: usize = 32;
/// How many values one text may hold: each takes many times its length once it is parsed.
const MAX_VALUES: usize = 4096;

/// Parses one JSON text (RFC 8259).
///
/// # Errors
/// [`BodyError::TooDeep`] past 32 levels, [`BodyError::Duplicate`] if an object names a member
/// twice, [`BodyError::Malformed`] if it is not JSON or holds more than 4,096 values.
pub fn strict(bytes: &[u8]) -> Result<Value, BodyError> {
    let (fault, left) = (Cell::new(None), Cell::new(MAX_VALUES));
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let parsed = Strict { depth: 0, left: &left, fault: &fault }.deserialize(&mut json);
    let parsed = parsed.and_then(|value| json.end().map(|()| value));
    parsed.map_err(|_| fault.take().unwrap_or(BodyError::Malformed("the body is not valid JSON")))
}

/// Builds a value, and leaves in `fault` why it stopped, if that was its own decision.
#[derive(Clone, Copy)]
struct Strict<'a> {
    depth: usize,
    left: &'a Cell<usize>,
    fault: &'a Cell<Option<BodyError>>,
}

impl Strict<'_> {
    fn refuse<E: serde::de::Error>(&self, fault: BodyError) -> E {
        self.fault.set(Some(fault));
        E::custom("refused")
    }

    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(self.refuse(BodyError::TooDeep { limit: MAX_DEPTH }));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let Some(left) = self.left.get().checked_sub(1) else {
            return Err(self.refuse(BodyError::Malformed("the body holds too many values")));
        };
        self.left.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<Value, E> {
        Number::from_f64(v).map(Value::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if members.contains_key(&name) {
                return Err(self.refuse(BodyError::Duplicate { field: name }));
            }
            let value = map.next_value_seed(inner)?;
            members.insert(name, value);
        }
        Ok(members.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_bounded_before_the_stack_is() {
        let nested = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert!(strict(nested(32).as_bytes()).is_ok());
        assert!(matches!(strict(nested(33).as_bytes()), Err(BodyError::TooDeep { limit: 32 })));
        assert!(matches!(strict(nested(100_000).as_bytes()), Err(BodyError::TooDeep { .. })));
    }

    #[test]
    fn values_are_bounded_in_number() {
        let list = |n: usize| format!("[{}0]", "0,".repeat(n - 2));
        assert!(strict(list(4096).as_bytes()).is_ok());
        assert!(matches!(strict(list(4097).as_bytes()), Err(BodyError::Malformed(_))));
    }

    #[test]
    fn name_that_comes_twice_is_refused_at_any_depth() {
        for text in [r#"{"a":1,"a":1}"#, r#"[{"b":{"a":1,"\u0061":2}}]"#] {
            let refused = strict(text.as_bytes());
            assert!(
                matches!(refused, Err(BodyError::Duplicate { field }) if field == "a"),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_not_json_is_refused() {
        let bad: [&[u8]; 9] = [
            b"",
            b"{",
            b"{}{}",
            b"nul",
            b"\"\xff\"",
            br#""\ud800""#,
            b"1e999",
            b"{\"a\":}",
            b"\"\n\"",
        ];
        for text in bad {
            assert!(matches!(strict(text), Err(BodyError::Malformed(_))), "{text:?}");
        }
    }

    #[test]
    fn values_keep_their_types() {
        let text =
            r#"{"s":"x","i":-1,"u":18446744073709551615,"f":1.5,"b":true,"n":null,"a":[{}]}"#;
        assert_eq!(strict(text.as_bytes()).unwrap(), serde_json::from_str::<Value>(text).unwrap());
    }
}
