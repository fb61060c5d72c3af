//! Numbers.

use chatcore::chat::{Stats, StatsQuery};
use chatcore::log::Entry;
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::endpoint::{Endpoint, Json, Query, Signed};
use crate::problem::Problem;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![Endpoint::new(
        Method::GET,
        "/stats",
        "Counts all that was ever made, and lists what happened last where the caller may read.",
        StatusCode::OK,
        stats,
    )]
}

/// Which part of what happened.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Before this place: `next` of the page before.
    before: Option<u64>,
    /// At most about how many; without one, 1,000.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
}

/// What there is, and what happened last.
#[derive(Debug, Serialize, JsonSchema)]
struct StatsBody {
    /// Rooms ever made.
    rooms: u64,
    /// Accounts ever made.
    users: u64,
    /// Messages ever sent.
    messages: u64,
    /// Messages, enterings and leavings, newest first.
    entries: Vec<Entry>,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

async fn stats(signed: Signed, Query(which): Query<Which>) -> Result<Json<StatsBody>, Problem> {
    let query = StatsQuery { before: which.before, limit: which.limit };
    let stats = signed.caller().stats(query).await?;
    let users = signed.app.chat.accounts().count().await.map_err(chatcore::Error::from)?;
    let Stats { rooms, messages, entries, next, .. } = stats;
    Ok(Json(StatsBody { rooms, users, messages, entries, next }))
}
