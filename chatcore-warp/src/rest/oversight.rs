//! Reporting messages, and what moderators see of each other's acts.

use chatcore::id::{MessageId, RoomId};
use chatcore::oversight::AuditEntry;
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::endpoint::{Endpoint, Json, Query, Signed};
use super::rooms::PAGE;
use crate::problem::Problem;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(
            Method::POST,
            "/rooms/{room}/messages/{message}/reports",
            "Reports a message to the admins; again, it has no effect.",
            StatusCode::NO_CONTENT,
            report,
        ),
        Endpoint::new(
            Method::GET,
            "/rooms/{room}/audit",
            "Lists who did what to whom in a room, newest first, for its moderators and owners.",
            StatusCode::OK,
            audit,
        ),
    ]
}

/// What is wrong with a message.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewReport {
    /// In words.
    #[schemars(length(min = 1, max = 1000))]
    reason: String,
}

/// Which part of an audit.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Those with a number below this one: `next` of the page before.
    pub(super) before: Option<u64>,
    /// At most how many; without one, 50.
    #[schemars(range(min = 1))]
    pub(super) limit: Option<u32>,
}

/// A part of an audit.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct AuditPage {
    /// Newest first.
    entries: Vec<AuditEntry>,
    /// Where the next page begins: its `before`. Absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

impl AuditPage {
    pub(super) fn new(entries: Vec<AuditEntry>, limit: u32) -> Self {
        let full = entries.len() >= limit as usize;
        let next = entries.last().filter(|_| full).map(|entry| entry.id);
        Self { entries, next }
    }
}

async fn report(signed: Signed, Json(body): Json<NewReport>) -> Result<(), Problem> {
    let room = signed.call.param::<RoomId>("room")?;
    let message = signed.call.param::<MessageId>("message")?;
    signed.caller().report(&room, &message, &body.reason).await?;
    Ok(())
}

async fn audit(signed: Signed, Query(which): Query<Which>) -> Result<Json<AuditPage>, Problem> {
    let room = signed.call.param::<RoomId>("room")?;
    let limit = which.limit.unwrap_or(PAGE);
    let entries = signed.caller().audit(&room, which.before, limit).await?;
    Ok(Json(AuditPage::new(entries, limit)))
}
