//! The OpenAPI 3.1 document, made from the table of endpoints.

use chatcore::id::{AttachmentId, InviteLinkId, MessageId, RoomId, SessionId, UserId};
use http::{Method, StatusCode};
use schemars::generate::SchemaSettings;
use schemars::{SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::PREFIX;
use super::endpoint::{Answers, Endpoint, NDJSON, Takes};
use crate::problem::Document;

/// Describes `endpoints`, under the path that they are mounted at.
pub(super) fn document(endpoints: &[Endpoint]) -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut generator = settings.into_generator();
    let problem = generator.subschema_for::<Document<'static>>();
    let mut paths: Map<String, Value> = Map::new();
    for endpoint in endpoints {
        let operation = operation(endpoint, &mut generator);
        let path = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        path[endpoint.method.as_str().to_ascii_lowercase()] = operation;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "chatcore",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Chat over HTTP. Live delivery is at `/ws`, whose frames \
                `/asyncapi.json` and `/frames.schema.json` describe.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": PREFIX }],
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "responses": {
                "Problem": {
                    "description": "What went wrong, as RFC 9457 has it.",
                    "content": { "application/problem+json": { "schema": problem } },
                },
            },
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "cookie": { "type": "apiKey", "in": "cookie", "name": "chatcore_session" },
            },
        },
    })
}

fn operation(endpoint: &Endpoint, generator: &mut SchemaGenerator) -> Value {
    let mut operation = json!({
        "operationId": operation_id(endpoint),
        "summary": endpoint.summary,
        "tags": [endpoint.path.split('/').nth(1).unwrap_or_default()],
    });
    let mut parameters: Vec<Value> =
        names(endpoint.path).map(|name| path_parameter(name, generator)).collect();
    match endpoint.takes {
        Takes::Nothing => {}
        Takes::Query(describe) => {
            parameters.extend(query_parameters(describe(generator).to_value()))
        }
        Takes::Json(describe) => {
            let schema = describe(generator);
            operation["requestBody"] = json!({ "required": true, "content": { "application/json": { "schema": schema } } });
        }
        Takes::File(field) => {
            let schema = json!({
                "type": "object",
                "properties": { field: { "type": "string", "format": "binary" } },
                "required": [field],
                "additionalProperties": false,
            });
            let content = json!({ "multipart/form-data": { "schema": schema } });
            operation["requestBody"] = json!({ "required": true, "content": content });
        }
    }
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if endpoint.secured {
        operation["security"] = json!([{ "bearer": [] }, { "cookie": [] }]);
    }
    let mut responses = json!({ "default": { "$ref": "#/components/responses/Problem" } });
    let done = (endpoint.status, endpoint.answers);
    for (status, answers) in std::iter::once(done).chain(endpoint.or_else) {
        responses[status.as_str()] = response(status, answers, generator);
    }
    operation["responses"] = responses;
    operation
}

fn response(status: StatusCode, answers: Answers, generator: &mut SchemaGenerator) -> Value {
    let mut response = json!({ "description": status.canonical_reason().unwrap_or("Done") });
    match answers {
        Answers::Nothing | Answers::Other("") => {}
        Answers::Json(describe) => {
            response["content"] = json!({ "application/json": { "schema": describe(generator) } });
        }
        // Of a media type that is many documents, only an extension can tell what each of them is.
        Answers::Lines(describe) => {
            response["content"] = json!({ NDJSON: { "x-line-schema": describe(generator) } });
        }
        Answers::Other(media) => response["content"] = json!({ media: {} }),
    }
    response
}

/// Such as `get_rooms_room_messages`.
fn operation_id(endpoint: &Endpoint) -> String {
    let words = endpoint.path.split(['/', '{', '}', '.']).filter(|word| !word.is_empty());
    let method = endpoint.method.as_str().to_ascii_lowercase();
    std::iter::once(method.as_str()).chain(words).collect::<Vec<_>>().join("_")
}

fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
}

fn path_parameter(name: &str, generator: &mut SchemaGenerator) -> Value {
    let schema = match name {
        "attachment" => generator.subschema_for::<AttachmentId>(),
        "link" => generator.subschema_for::<InviteLinkId>(),
        "message" => generator.subschema_for::<MessageId>(),
        "room" => generator.subschema_for::<RoomId>(),
        "session" => generator.subschema_for::<SessionId>(),
        "user" => generator.subschema_for::<UserId>(),
        _ => json_schema!({ "type": "string", "minLength": 1 }),
    };
    json!({ "name": name, "in": "path", "required": true, "schema": schema })
}

/// One parameter for each property of an object's schema.
fn query_parameters(mut schema: Value) -> Vec<Value> {
    let required = schema["required"].take();
    let is_required = |name: &str| required.as_array().is_some_and(|r| r.iter().any(|n| n == name));
    let Value::Object(properties) = schema["properties"].take() else { return Vec::new() };
    let parameter = |(name, mut schema): (String, Value)| {
        let description = schema.as_object_mut().and_then(|s| s.remove("description"));
        let required = is_required(&name);
        let mut parameter =
            json!({ "name": name, "in": "query", "required": required, "schema": schema });
        if let Some(description) = description {
            parameter["description"] = description;
        }
        parameter
    };
    properties.into_iter().map(parameter).collect()
}

/// Whether a table names no path and method twice.
pub(super) fn is_unambiguous(endpoints: &[Endpoint]) -> bool {
    let mut seen: Vec<(&Method, &str)> = endpoints.iter().map(|e| (&e.method, e.path)).collect();
    seen.sort_by_key(|(method, path)| (method.as_str(), *path));
    seen.windows(2).all(|pair| pair[0] != pair[1])
}
