//! `GET /v1/stats`: how much there is, and what happened last.

use chatcore::chat::StatsQuery;
use chatcore::id::UserId;
use chatcore::{Chat, Code, Error, Invalid};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::caller;
use super::entries::Scribe;
use crate::dialect::answer;
use crate::page::error;
use crate::problem::Problem;
use crate::reply::{self, Response};
use crate::router::Call;

/// Logs that one answer holds unless the client asks for fewer, and the most that it may ask for.
const LOGS: u32 = 1_000;
/// Logs read at once.
const PAGE: u32 = 50;
/// An answer that has grown to this many bytes ends, however few logs it holds; the `Link` header
/// says where it goes on.
const BYTES: usize = 4 << 20;
/// Pages read for one answer. Pages come short where the caller may not read most rooms.
const PAGES: usize = 60;

/// What may be asked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    /// How many logs, 1 to 1,000.
    limit: Option<u32>,
    /// Only older ones than this place, which the `Link` header of an answer named.
    before: Option<u64>,
}

#[derive(Serialize)]
struct Answer {
    room: u64,
    user: u64,
    logs: Vec<Box<RawValue>>,
}

/// `GET /v1/stats`: the newest logs come first. A list ends with all that was committed together, and
/// can so be a little longer than was asked for. Where there are older ones, a `Link` header with
/// `rel="next"` (RFC 8288) names the address that goes on.
pub(in crate::dialect) async fn stats(chat: Chat, call: Call) -> Response {
    let identity = match caller(&chat, &call).await {
        Ok(identity) => identity,
        Err(response) => return response,
    };
    match collect(&chat, &call, &identity.user).await {
        Ok(response) => response,
        Err(problem) => {
            // To the document every failure of the server is a 500.
            let status = if problem.code() == Code::BadRequest {
                StatusCode::BAD_REQUEST
            } else {
                StatusCode::INTERNAL_SERVER_ERROR
            };
            answer::hold_off(error::page(status, problem.detail()), problem.retry_after())
        }
    }
}

async fn collect(chat: &Chat, call: &Call, user: &UserId) -> Result<Response, Problem> {
    let Query { limit, before } = call.query()?;
    let limit = limit.unwrap_or(LOGS);
    if !(1..=LOGS).contains(&limit) {
        let problem = format!("limit must be from 1 to {LOGS}");
        return Err(Invalid::new("limit", problem).into());
    }
    let caller = chat.as_user(user);
    let accounts = chat.accounts().count().await.map_err(Error::from)?;
    let mut scribe = Scribe::new(chat, call);
    let mut answer = Answer { room: 0, user: accounts, logs: Vec::new() };
    let (mut next, mut bytes) = (before, 0);
    for page in 0..PAGES {
        let left = limit - answer.logs.len() as u32;
        let query = StatsQuery { before: next, limit: Some(left.min(PAGE)) };
        let stats = caller.stats(query).await?;
        if page == 0 {
            answer.room = stats.rooms;
        }
        scribe.meet(&stats.entries).await?;
        for shown in stats.entries.iter().filter_map(|entry| scribe.event(entry)) {
            let text = serde_json::value::to_raw_value(&shown).map_err(|_| Error::Internal)?;
            bytes += text.get().len();
            answer.logs.push(text);
        }
        next = stats.next;
        if next.is_none() || answer.logs.len() >= limit as usize || bytes >= BYTES {
            break;
        }
    }
    let mut response = reply::json(StatusCode::OK, &answer);
    if let Some(place) = next {
        let path = call.mounted("/v1/stats");
        let link = format!("<{path}?limit={limit}&before={place}>; rel=\"next\"");
        if let Ok(link) = HeaderValue::try_from(link) {
            response.headers_mut().insert(header::LINK, link);
        }
    }
    Ok(response)
}
