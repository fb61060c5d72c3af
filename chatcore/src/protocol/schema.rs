//! The frames as a JSON Schema, generated from the types that read and write them.

use schemars::generate::SchemaSettings;
use schemars::{Schema, json_schema};

use super::frame::{ClientFrame, EventFrame, FileAnswer, FileRequest, ServerFrame};

/// One JSON Schema (2020-12) document: `$defs` holds `ClientFrame`, `ServerFrame`, and
/// `FileRequest` and `FileAnswer` for the streams of files; a frame of any kind is valid under the whole.
pub fn frames_schema() -> Schema {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let client = generator.subschema_for::<ClientFrame>();
    let server = generator.subschema_for::<ServerFrame>();
    let event = generator.subschema_for::<EventFrame<'static>>();
    let file = generator.subschema_for::<FileRequest>();
    let answer = generator.subschema_for::<FileAnswer>();
    let definitions = generator.take_definitions(true);
    json_schema!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "chatcore/1",
        "description": "Frames of the chatcore protocol, version 1, over every transport.",
        "anyOf": [client, server, event, file, answer],
        "$defs": definitions,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_op_of_the_protocol_is_described() {
        let text = frames_schema().as_value().to_string();
        let ops = "hello auth rooms create_room enter leave update_room subscribe unsubscribe send \
                   edit delete react unreact pin unpin history search members pins readers create_invite_link invite_links \
                   revoke_invite_link invitation accept_invite block unblock blocks notify online mark_read member \
                   signal ack ping upload download \
                   welcome result error event mark membership gap stream auth_expiring goaway ticket \
                   pong";
        for op in ops.split_whitespace() {
            assert!(text.contains(&format!(r#""const":"{op}""#)), "{op} is missing from {text}");
        }
    }

    #[test]
    fn references_lead_somewhere() {
        let schema = frames_schema();
        let text = schema.as_value().to_string();
        for rest in text.split(r##""$ref":""##).skip(1) {
            let pointer = rest.split('"').next().and_then(|r| r.strip_prefix('#'));
            let found = pointer.and_then(|p| schema.as_value().pointer(p));
            assert!(found.is_some(), "{pointer:?} leads nowhere");
        }
    }
}
