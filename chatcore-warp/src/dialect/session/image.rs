//! `POST /v1/image`: an image that can be linked to.

use chatcore::id::UserId;
use chatcore::{Chat, Code, Error};
use http::StatusCode;
use serde::Serialize;

use super::caller;
use crate::dialect::input::Faults;
use crate::dialect::{answer, files};
use crate::page::error;
use crate::problem::Problem;
use crate::reply::{self, Response};
use crate::router::Call;

#[derive(Serialize)]
struct Stored {
    url: String,
}

/// `POST /v1/image`: stores an image for everyone who is signed in and has its address. Failures are
/// 500 with an error page, the client's own too, as the document says.
pub(in crate::dialect) async fn image(chat: Chat, mut call: Call) -> Response {
    let identity = match caller(&chat, &call).await {
        Ok(identity) => identity,
        Err(response) => return response,
    };
    match store(&chat, &mut call, &identity.user).await {
        Ok(url) => reply::json(StatusCode::OK, &Stored { url }),
        Err(problem) => {
            let page = error::page(StatusCode::INTERNAL_SERVER_ERROR, problem.detail());
            answer::hold_off(page, problem.retry_after())
        }
    }
}

async fn store(chat: &Chat, call: &mut Call, user: &UserId) -> Result<String, Problem> {
    let mut fields = call.fields().await?;
    let mut faults = Faults::default();
    let key = faults.required(&fields, "key").to_owned();
    faults.none().map_err(|faults| Problem::new(Code::BadRequest, faults.to_string()))?;
    let mut found = files::take(&mut fields, Some("file")).into_iter();
    let (Some(mut file), None) = (found.next(), found.next()) else {
        return Err(Problem::new(Code::BadRequest, "the form needs one file").at("file"));
    };
    file.name.get_or_insert(key);
    let attachments = chat.attachments();
    let image = crate::files::store(attachments, user, file, true).await?;
    let image = match attachments.share(&image.id, user).await {
        Ok(image) => image,
        Err(error) => {
            files::discard(attachments, &[image]).await;
            return Err(Error::from(error).into());
        }
    };
    let own = || files::path(&call.mounted(""), &image.id, &image.content_type);
    Ok(attachments.url(&image).unwrap_or_else(own))
}
