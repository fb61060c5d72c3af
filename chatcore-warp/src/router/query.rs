//! Queries as types.

use chatcore::Invalid;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::problem::shown_name;

/// Reads a query as a `T`.
///
/// Each value is read as what the type wants, not as what it looks like: `room=5` is the string "5"
/// for a field that holds strings, and the number for one that holds numbers.
pub(super) fn read<T: DeserializeOwned>(query: &str) -> Result<T, Invalid> {
    let mut members = Map::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if name.contains(char::REPLACEMENT_CHARACTER) || value.contains(char::REPLACEMENT_CHARACTER)
        {
            return Err(Invalid::new("query", "the query is not valid UTF-8"));
        }
        if members.contains_key(&*name) {
            let field = shown_name(&name);
            let problem = format!("{field} occurs more than once");
            return Err(Invalid::new(field, problem));
        }
        members.insert(name.into_owned(), Value::String(value.into_owned()));
    }
    crate::body::from_text_fields(members)
}

#[cfg(test)]
mod tests {
    use chatcore::id::{RoomId, Seq};
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Page {
        room: Option<RoomId>,
        after: Option<Seq>,
        limit: Option<u32>,
        newest: Option<bool>,
        kind: Option<Kind>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        Joined,
    }

    #[test]
    fn values_are_read_as_what_the_type_wants() {
        let page: Page = read("room=5&after=7&limit=50&newest=true&kind=joined").unwrap();
        let expected = Page {
            room: Some(RoomId::parse("5").unwrap()),
            after: Some(Seq(7)),
            limit: Some(50),
            newest: Some(true),
            kind: Some(Kind::Joined),
        };
        assert_eq!(page, expected);
        assert!(read::<Page>("").is_ok());
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (query, field) in [
            ("limit=-1", "limit"),
            ("limit=x", "limit"),
            ("limit=", "limit"),
            ("limit=99999999999", "limit"),
            ("after=1.5", "after"),
            ("token=t", "token"),
            ("kind=left", "kind"),
            ("limit=1&limit=2", "limit"),
            ("room=%ff", "query"),
        ] {
            assert_eq!(read::<Page>(query).unwrap_err().field, field, "{query}");
        }
    }
}
