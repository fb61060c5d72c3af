//! Looking after the whole chat. To all but admins there is nothing here.

use chatcore::account::Account;
use chatcore::chat::{Overview, RoomSummary};
use chatcore::clock::Timestamp;
use chatcore::id::{RoomId, UserId};
use chatcore::oversight::Report;
use chatcore::store::Reported;
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::endpoint::{AsAdmin, Endpoint, Json, Query};
use super::oversight::{AuditPage, Which};
use super::rooms::PAGE;
use crate::problem::Problem;

pub(super) fn endpoints() -> Vec<Endpoint> {
    const SUSPENSION: &str = "/admin/users/{user}/suspension";
    let (ok, no_content) = (StatusCode::OK, StatusCode::NO_CONTENT);
    vec![
        Endpoint::new(Method::GET, "/admin/stats", "Counts what there is.", ok, stats),
        Endpoint::new(Method::GET, "/admin/users", "Lists accounts, by name.", ok, users),
        Endpoint::new(
            Method::PUT,
            SUSPENSION,
            "Switches an account off: its sessions end at once, and it cannot log in.",
            no_content,
            suspend,
        ),
        Endpoint::new(
            Method::DELETE,
            SUSPENSION,
            "Switches an account on again.",
            no_content,
            unsuspend,
        ),
        Endpoint::new(
            Method::DELETE,
            "/admin/users/{user}/sessions",
            "Ends all sessions of someone.",
            no_content,
            end_sessions,
        ),
        Endpoint::new(Method::GET, "/admin/rooms", "Lists all rooms.", ok, rooms),
        Endpoint::new(
            Method::DELETE,
            "/admin/rooms/{room}",
            "Ends a room: all are put out of it.",
            no_content,
            delete_room,
        ),
        Endpoint::new(Method::GET, "/admin/reports", "Lists reports, newest first.", ok, reports),
        Endpoint::new(
            Method::POST,
            "/admin/reports/{report}/resolve",
            "Notes that a report was dealt with.",
            ok,
            resolve,
        ),
        Endpoint::new(
            Method::GET,
            "/admin/audit",
            "Lists who did what to whom, newest first.",
            ok,
            audit,
        ),
    ]
}

/// Which accounts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WhichUsers {
    /// A part of a handle, an address or a display name, or a whole id; without one, all.
    #[serde(default)]
    name: String,
    /// Those with an id above this one: `next` of the page before.
    after: Option<UserId>,
    /// At most how many; without one, 50.
    #[schemars(range(min = 1))]
    limit: Option<u32>,
}

/// An account, as admins see it.
#[derive(Debug, Serialize, JsonSchema)]
struct UserRow {
    /// Who.
    id: UserId,
    /// The name they are mentioned by.
    #[serde(skip_serializing_if = "Option::is_none")]
    handle: Option<String>,
    /// Their address.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// What others see.
    display_name: String,
    /// When the account was made.
    created_at: Timestamp,
    /// Whether it is switched off.
    suspended: bool,
}

impl From<Account> for UserRow {
    fn from(account: Account) -> Self {
        Self {
            id: account.id,
            handle: account.handle.map(|handle| handle.as_str().to_owned()),
            email: account.email.map(|email| email.as_str().to_owned()),
            display_name: account.display_name.as_str().to_owned(),
            created_at: account.created_at,
            suspended: account.disabled,
        }
    }
}

/// A page of accounts.
#[derive(Debug, Serialize, JsonSchema)]
struct UserPage {
    /// In the order of their ids.
    users: Vec<UserRow>,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<UserId>,
}

/// Which rooms.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WhichRooms {
    /// Those with an id above this one: `next` of the page before.
    after: Option<RoomId>,
    /// At most how many; without one, 50.
    #[schemars(range(min = 1))]
    limit: Option<u32>,
}

/// A page of rooms.
#[derive(Debug, Serialize, JsonSchema)]
struct AllRooms {
    /// In the order of their ids.
    rooms: Vec<RoomSummary>,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<RoomId>,
}

/// Which reports.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WhichReports {
    /// Those too that were dealt with.
    #[serde(default)]
    all: bool,
    /// Those with a number below this one: `next` of the page before.
    before: Option<u64>,
    /// At most how many; without one, 50.
    #[schemars(range(min = 1))]
    limit: Option<u32>,
}

/// A page of reports.
#[derive(Debug, Serialize, JsonSchema)]
struct ReportPage {
    /// Newest first.
    reports: Vec<Report>,
    /// Where the next page begins: its `before`. Absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

/// Why something is done.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Why {
    /// In words, for the audit.
    #[schemars(length(max = 1000))]
    reason: Option<String>,
}

async fn stats(this: AsAdmin, (): ()) -> Result<Json<Overview>, Problem> {
    Ok(Json(this.admin.overview().await?))
}

async fn users(this: AsAdmin, Query(which): Query<WhichUsers>) -> Result<Json<UserPage>, Problem> {
    let limit = which.limit.unwrap_or(PAGE);
    let found = this.admin.users(&which.name, which.after.as_ref(), limit).await?;
    let full = found.len() >= limit as usize;
    let next = found.last().filter(|_| full).map(|account| account.id.clone());
    Ok(Json(UserPage { users: found.into_iter().map(UserRow::from).collect(), next }))
}

async fn suspend(this: AsAdmin, Json(why): Json<Why>) -> Result<(), Problem> {
    let user = this.call.param::<UserId>("user")?;
    Ok(this.admin.suspend(&user, true, why.reason).await?)
}

async fn unsuspend(this: AsAdmin, Json(why): Json<Why>) -> Result<(), Problem> {
    let user = this.call.param::<UserId>("user")?;
    Ok(this.admin.suspend(&user, false, why.reason).await?)
}

async fn end_sessions(this: AsAdmin, (): ()) -> Result<(), Problem> {
    let user = this.call.param::<UserId>("user")?;
    this.admin.end_sessions(&user).await?;
    Ok(())
}

async fn rooms(this: AsAdmin, Query(which): Query<WhichRooms>) -> Result<Json<AllRooms>, Problem> {
    let limit = which.limit.unwrap_or(PAGE);
    let rooms = this.admin.rooms(which.after.as_ref(), limit).await?;
    let full = rooms.len() >= limit as usize;
    let next = rooms.last().filter(|_| full).map(|room| room.room.clone());
    Ok(Json(AllRooms { rooms, next }))
}

async fn delete_room(this: AsAdmin, Json(why): Json<Why>) -> Result<(), Problem> {
    let room = this.call.param::<RoomId>("room")?;
    Ok(this.admin.delete_room(&room, why.reason).await?)
}

async fn reports(
    this: AsAdmin,
    Query(which): Query<WhichReports>,
) -> Result<Json<ReportPage>, Problem> {
    let limit = which.limit.unwrap_or(PAGE);
    let those = if which.all { Reported::All } else { Reported::Open };
    let reports = this.admin.reports(those, which.before, limit).await?;
    let full = reports.len() >= limit as usize;
    let next = reports.last().filter(|_| full).map(|report| report.id);
    Ok(Json(ReportPage { reports, next }))
}

async fn resolve(this: AsAdmin, Json(why): Json<Why>) -> Result<Json<Report>, Problem> {
    // What is no number is no report.
    let id = this.call.segment("report").parse().unwrap_or(0);
    Ok(Json(this.admin.resolve_report(id, why.reason).await?))
}

async fn audit(this: AsAdmin, Query(which): Query<Which>) -> Result<Json<AuditPage>, Problem> {
    let limit = which.limit.unwrap_or(PAGE);
    let entries = this.admin.audit(which.before, limit).await?;
    Ok(Json(AuditPage::new(entries, limit)))
}
