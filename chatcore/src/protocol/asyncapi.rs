//! The protocol as an AsyncAPI 3.0 document: what may travel which way, for tools that draw pages and
//! make clients from it.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::frame::{ClientFrame, EventFrame, ServerFrame};

const SCHEMAS: &str = "#/components/schemas";

/// Describes the conversation on the WebSocket at `address`, such as `/ws`.
pub fn asyncapi(address: &str) -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut generator = settings.into_generator();
    generator.subschema_for::<ClientFrame>();
    generator.subschema_for::<ServerFrame>();
    generator.subschema_for::<EventFrame<'static>>();
    let schemas = generator.take_definitions(true);
    let sent = messages(&schemas, "ClientFrame");
    let mut told = messages(&schemas, "ServerFrame");
    told.push(message("event", "An entry of a room's log.", &format!("{SCHEMAS}/EventFrame")));
    let operation = |action: &str, summary: &str, messages: &[(String, Value)]| {
        let at = |(key, _): &(String, Value)| json!({ "$ref": format!("#/channels/socket/messages/{key}") });
        json!({
            "action": action,
            "summary": summary,
            "channel": { "$ref": "#/channels/socket" },
            "messages": messages.iter().map(at).collect::<Vec<_>>(),
        })
    };
    let operations = json!({
        "hear": operation("receive", "What a client sends.", &sent),
        "tell": operation("send", "What the server sends.", &told),
    });
    let all: Vec<(String, Value)> = sent.into_iter().chain(told).collect();
    let at = |(key, _): &(String, Value)| {
        (key.clone(), json!({ "$ref": format!("#/components/messages/{key}") }))
    };
    let listed: Map<String, Value> = all.iter().map(at).collect();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "chatcore/1",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The live protocol, over WebSocket (subprotocol `chatcore.v1.json`, or the same \
                frames in MessagePack under `chatcore.v1.msgpack`) and over QUIC (ALPN `chatcore/1`).",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "defaultContentType": "application/json",
        "channels": {
            "socket": {
                "address": address,
                "description": "A frame of text or of bytes holds one frame of the protocol.",
                "messages": listed,
                "bindings": { "ws": { "method": "GET", "bindingVersion": "0.1.0" } },
            },
        },
        "operations": operations,
        "components": {
            "messages": all.into_iter().collect::<Map<_, _>>(),
            "schemas": schemas,
        },
    })
}

/// One message for each operation of a frame.
fn messages(schemas: &Map<String, Value>, frame: &str) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    if let Some(schema) = schemas.get(frame) {
        collect(schema, &format!("{SCHEMAS}/{frame}"), &mut found);
    }
    found
}

/// Goes down to where a schema names its operation.
fn collect(schema: &Value, at: &str, found: &mut Vec<(String, Value)>) {
    if let Some(op) = schema.pointer("/properties/op/const").and_then(Value::as_str) {
        let summary = schema["description"].as_str().unwrap_or_default();
        found.push(message(op, summary, at));
        return;
    }
    for key in ["anyOf", "oneOf"] {
        let kinds = schema[key].as_array().into_iter().flatten();
        for (place, kind) in kinds.enumerate() {
            collect(kind, &format!("{at}/{key}/{place}"), found);
        }
    }
}

/// Under its own key: the two ways know some operations by one name.
fn message(op: &str, summary: &str, payload: &str) -> (String, Value) {
    let way = if payload.contains("/ClientFrame/") { "client" } else { "server" };
    let message = json!({ "name": op, "summary": summary, "payload": { "$ref": payload } });
    (format!("{way}.{op}"), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_of_the_protocol_travels_one_way_or_the_other() {
        let document = asyncapi("/ws");
        let keys = |operation: &str| -> Vec<String> {
            let messages = document["operations"][operation]["messages"].as_array();
            let key =
                |message: &Value| message["$ref"].as_str()?.rsplit('.').next().map(str::to_owned);
            messages.into_iter().flatten().filter_map(key).collect()
        };
        let (hears, tells) = (keys("hear"), keys("tell"));
        for op in
            "hello auth rooms members create_room subscribe send edit history search mark_read signal \
             ack ping"
                .split(' ')
        {
            assert!(hears.iter().any(|heard| heard == op), "{op} is missing from {hears:?}");
        }
        for op in
            "welcome result error event mark membership gap signal goaway ticket pong".split(' ')
        {
            assert!(tells.iter().any(|told| told == op), "{op} is missing from {tells:?}");
        }
        let frames = document["components"]["messages"].as_object().map_or(0, Map::len);
        assert_eq!(frames, hears.len() + tells.len(), "each under a key of its own");
        assert!(document["components"]["messages"]["client.send"]["summary"].is_string());
    }

    #[test]
    fn references_lead_somewhere() {
        let document = asyncapi("/ws");
        let text = document.to_string();
        let references: Vec<&str> = text
            .split(r##""$ref":"#"##)
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        assert!(references.len() > 50);
        for pointer in references {
            assert!(document.pointer(pointer).is_some(), "{pointer} leads nowhere");
        }
    }
}
