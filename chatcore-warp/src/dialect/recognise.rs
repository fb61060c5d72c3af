//! Which document a body was written against, told by the names of its fields.

use crate::body::Fields;

/// One of the documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Nickname,
    Email,
    Accountname,
    Session,
}

/// Fields that only one document has, in the order in which they are looked for.
type Marks = &'static [(Dialect, &'static [&'static str])];

const REGISTRATION: Marks = &[
    (Dialect::Nickname, &["userName", "nickName", "confirmPassword"]),
    (Dialect::Email, &["email", "mark", "passward", "name"]),
    (Dialect::Accountname, &["accountname", "password2", "_id"]),
];

const LOGIN: Marks = &[
    (Dialect::Nickname, &["userName"]),
    (Dialect::Email, &["email"]),
    (Dialect::Accountname, &["accountname"]),
    (Dialect::Session, &["username"]),
];

/// Whose `POST /auth/register` a body is.
pub(super) fn registration(fields: &Fields) -> Option<Dialect> {
    find(REGISTRATION, fields)
}

/// Whose `POST /auth/login` a body is.
pub(super) fn login(fields: &Fields) -> Option<Dialect> {
    find(LOGIN, fields)
}

fn find(marks: Marks, fields: &Fields) -> Option<Dialect> {
    let has_any = |names: &[&str]| names.iter().any(|name| fields.has(name));
    marks.iter().find(|(_, names)| has_any(names)).map(|(dialect, _)| *dialect)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, header};
    use serde_json::{Value, json};

    use super::*;
    use crate::body::{self, Body, BodyLimits};

    async fn fields(body: Value) -> Fields {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        body::read(&headers, Body::from_bytes(body.to_string()), &BodyLimits::default())
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn each_document_is_known_by_its_own_fields() {
        let cases = [
            (json!({"nickName": "A", "userName": "a", "password": "p"}), Some(Dialect::Nickname)),
            (json!({"confirmPassword": "p"}), Some(Dialect::Nickname)),
            (json!({"name": "A", "passward": "p"}), Some(Dialect::Email)),
            (json!({"mark": null}), Some(Dialect::Email)),
            (json!({"username": "A", "accountname": "a"}), Some(Dialect::Accountname)),
            (json!({"username": "A", "_id": 1}), Some(Dialect::Accountname)),
            (json!({"username": "a", "password": "p"}), None),
            (json!({"password": "p"}), None),
            (json!({}), None),
        ];
        for (body, expected) in cases {
            assert_eq!(registration(&fields(body.clone()).await), expected, "{body}");
        }
    }

    #[tokio::test]
    async fn of_several_documents_the_first_is_meant() {
        let all =
            fields(json!({"username": "d", "accountname": "c", "email": "b", "userName": "a"}));
        assert_eq!(login(&all.await), Some(Dialect::Nickname));
        let three = fields(json!({"username": "d", "accountname": "c", "email": "b"}));
        assert_eq!(login(&three.await), Some(Dialect::Email));
        let two = fields(json!({"username": "d", "accountname": "c"}));
        assert_eq!(login(&two.await), Some(Dialect::Accountname));
        assert_eq!(login(&fields(json!({"username": "d"})).await), Some(Dialect::Session));
        assert_eq!(login(&fields(json!({"password": "p"})).await), None);
    }
}
