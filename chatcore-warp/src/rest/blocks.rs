//! Whom the caller does not want to hear of.

use chatcore::id::UserId;
use chatcore::protocol::frame::{BlockList, Blocks};
use http::{Method, StatusCode};

use super::endpoint::{Endpoint, Json, Query, Signed};
use super::rooms::PAGE;
use crate::problem::Problem;

pub(super) fn endpoints() -> Vec<Endpoint> {
    const ONE: &str = "/me/blocks/{user}";
    let no_content = StatusCode::NO_CONTENT;
    vec![
        Endpoint::new(
            Method::GET,
            "/me/blocks",
            "Lists whom the caller blocks.",
            StatusCode::OK,
            list,
        ),
        Endpoint::new(
            Method::PUT,
            ONE,
            "Blocks someone: they cannot write to the caller in a direct room, nor invite them.",
            no_content,
            block,
        ),
        Endpoint::new(Method::DELETE, ONE, "Blocks someone no more.", no_content, unblock),
    ]
}

async fn list(signed: Signed, Query(which): Query<Blocks>) -> Result<Json<BlockList>, Problem> {
    let limit = which.limit.unwrap_or(PAGE);
    let blocks = signed.caller().blocks(which.after.as_ref(), limit).await?;
    Ok(Json(BlockList::page(blocks, limit)))
}

async fn block(signed: Signed, (): ()) -> Result<(), Problem> {
    Ok(signed.caller().block(&signed.call.param::<UserId>("user")?).await?)
}

async fn unblock(signed: Signed, (): ()) -> Result<(), Problem> {
    Ok(signed.caller().unblock(&signed.call.param::<UserId>("user")?).await?)
}
