//! Searching messages.

use chatcore::chat::SearchResult;
use chatcore::protocol::frame::Search;
use http::{Method, StatusCode};

use super::endpoint::{Endpoint, Json, Query, Signed};
use crate::problem::Problem;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![Endpoint::new(
        Method::GET,
        "/search",
        "Searches messages that the caller may read, the newest first.",
        StatusCode::OK,
        search,
    )]
}

async fn search(
    signed: Signed,
    Query(which): Query<Search>,
) -> Result<Json<SearchResult>, Problem> {
    Ok(Json(signed.caller().search(which.into()).await?))
}
