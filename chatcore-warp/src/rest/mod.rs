//! The REST mirror of the protocol, under `/api/v1`.
//!
//! [`endpoints`] is the whole of it: routes and the OpenAPI document are made from the same table,
//! so that what is served is described and what is described is served.

mod accounts;
mod admin;
mod attachments;
mod blocks;
mod endpoint;
mod invites;
mod me;
mod members;
mod messages;
mod meta;
mod openapi;
mod oversight;
mod rooms;
mod search;
mod sessions;
mod stats;
#[cfg(test)]
mod tests;
mod users;

use bytes::Bytes;

use crate::app::App;
use crate::router::{Call, Router};
use endpoint::Endpoint;

/// Where it is mounted.
pub(crate) const PREFIX: &str = "/api/v1";

/// Every endpoint.
fn endpoints() -> Vec<Endpoint> {
    let nouns = [
        accounts::endpoints(),
        sessions::endpoints(),
        me::endpoints(),
        blocks::endpoints(),
        users::endpoints(),
        rooms::endpoints(),
        members::endpoints(),
        invites::endpoints(),
        messages::endpoints(),
        search::endpoints(),
        attachments::endpoints(),
        stats::endpoints(),
        oversight::endpoints(),
        admin::endpoints(),
        meta::endpoints(),
    ];
    nouns.into_iter().flatten().collect()
}

/// Adds every endpoint to a router.
pub(crate) fn add(app: &App, mut router: Router) -> Router {
    let endpoints = endpoints();
    debug_assert!(openapi::is_unambiguous(&endpoints));
    let document = openapi::document(&endpoints).to_string();
    // A second router of the same application describes the same endpoints.
    let _ = app.openapi.set(Bytes::from(document));
    for Endpoint { method, path, handle, .. } in endpoints {
        let app = app.clone();
        let handler = move |call: Call| handle(app.clone(), call);
        router = router.add(Some(method), PREFIX, path, handler);
    }
    router.reserve("api/v1/")
}
