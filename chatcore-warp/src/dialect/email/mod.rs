//! Document 002: people by `email`, proved by a session cookie.
//!
//! Answers are `{message, status}`, and all of them are HTTP 200: the document names no codes. It has
//! no words either for a server that is asked too much or cannot do what it is asked: a call then
//! answers with its own failure, and `Retry-After` says when to come back; registering, which has
//! none that would fit, says what is the matter.
//!
//! The document states no bounds for passwords, so that its clients' people may have short ones.

mod upload;

use chatcore::account::{
    AccountError, CodeAttempt, ConfirmBy, Disclosure, Login, LoginName, NewAccount, PasswordRules,
};
use chatcore::{Chat, Error};
use http::{Method, StatusCode, header};
use serde::Serialize;

use super::input::{self, Faults};
use super::{answer, who};
use crate::body::Fields;
use crate::page::confirm;
use crate::problem::Problem;
use crate::reply::{self, Response};
use crate::router::Call;

pub(super) use upload::{download, method_mismatch, upload, wrong_method};

#[derive(Serialize)]
struct Says<'a> {
    message: &'a str,
    status: &'static str,
}

fn ok(message: &str) -> Response {
    reply::json(StatusCode::OK, &Says { message, status: "OK" })
}

fn error(message: &str) -> Response {
    reply::json(StatusCode::OK, &Says { message, status: "ERROR" })
}

/// The failure of a call, for a cause that the document does not know.
fn failed(message: &str, cause: Error) -> Response {
    answer::instead(error(message), cause)
}

/// The answer to a body that lacks fields, or that cannot be read at all.
pub(super) fn mismatch() -> Response {
    error("Arguments mismatch.")
}

const IN_USE: &str = "This email has been used.";
const BUSY: &str = "The server cannot do this now. Try again later.";

/// `POST /auth/register`: mails a code or a link; the account is there once it comes back.
pub(super) async fn register(chat: &Chat, call: &Call, fields: Fields) -> Response {
    let mut faults = Faults::default();
    faults.refuse_others(&fields, &["name", "passward", "password", "email", "mark"]);
    let name = faults.required(&fields, "name").to_owned();
    let email = faults.required(&fields, "email").to_owned();
    // As the document spells it, or as it meant to; not one thing under each name.
    let spelling = if fields.has("passward") { "passward" } else { "password" };
    let password = input::password(&mut faults, &fields, spelling);
    let one_password = !fields.has("password") || fields.get("password") == fields.get(spelling);
    let Ok(mark) = fields.string("mark") else { return mismatch() };
    if faults.none().is_err() || !one_password {
        return mismatch();
    }
    let (confirm_by, sent) = match mark {
        "captcha" => (ConfirmBy::Code, "Send captcha success."),
        _ => (ConfirmBy::Link, "Send confirm email success."),
    };
    let account = NewAccount {
        password_rules: PasswordRules::LENIENT,
        confirm_by,
        disclosure: Disclosure::Tell,
        addr: call.peer().map(|peer| peer.ip),
        ..NewAccount::email(email, password).display_name(name)
    };
    match chat.accounts().register(account).await {
        Ok(_) => ok(sent),
        Err(AccountError::Taken(_)) => error(IN_USE),
        Err(AccountError::Invalid(_)) => mismatch(),
        Err(AccountError::RateLimited { retry_after }) => {
            answer::hold_off(error("Too many requests. Try again later."), Some(retry_after))
        }
        Err(cause) => failed(BUSY, cause.into()),
    }
}

/// `POST /auth/validate_captcha`.
///
/// The pair of a success is the one that the document prints, `ERROR` and all: a client that was
/// written against it compares the message.
pub(super) async fn validate_captcha(chat: Chat, mut call: Call) -> Response {
    let Ok(fields) = call.fields().await else { return mismatch() };
    let mut faults = Faults::default();
    let email = faults.required(&fields, "email");
    let code = faults.required(&fields, "captcha");
    let attempt = CodeAttempt {
        disclosure: Disclosure::Tell,
        addr: call.peer().map(|peer| peer.ip),
        ..CodeAttempt::new(email, code)
    };
    if faults.none().is_err() {
        return mismatch();
    }
    let wrong = "The captcha is not correct.";
    match chat.accounts().confirm_code(attempt).await {
        Ok(_) => error("This user has been confirmed."),
        Err(AccountError::AlreadyConfirmed | AccountError::Taken(_)) => error(IN_USE),
        Err(AccountError::WrongCode | AccountError::Invalid(_)) => error(wrong),
        Err(cause @ AccountError::RateLimited { .. }) => failed(wrong, cause.into()),
        Err(cause) => failed(BUSY, cause.into()),
    }
}

/// `GET /auth/confirm?token=…`: where the mailed link leads.
pub(super) async fn confirm(chat: Chat, call: Call) -> Response {
    let token = call.query_value("token").unwrap_or_default();
    // Programs that look at mail before its reader does must not use the link up.
    if *call.method() == Method::HEAD {
        return reply::html(StatusCode::OK, "");
    }
    match chat.accounts().confirm_link(&token, call.peer().map(|peer| peer.ip)).await {
        Ok(_) => confirm::confirmed(&call.mounted("/")),
        Err(AccountError::WrongCode | AccountError::AlreadyConfirmed | AccountError::Taken(_)) => {
            confirm::refused()
        }
        Err(cause) => {
            let problem = Problem::from(Error::from(cause));
            let page = crate::page::error::page(problem.status(), problem.detail());
            answer::hold_off(page, problem.retry_after())
        }
    }
}

/// `POST /auth/login`: opens a session, which the cookie carries.
pub(super) async fn login(chat: &Chat, call: &Call, fields: Fields) -> Response {
    let mut faults = Faults::default();
    let email = faults.required(&fields, "email").to_owned();
    let password = input::password(&mut faults, &fields, "password");
    if faults.none().is_err() {
        return mismatch();
    }
    let login = Login::new(LoginName::Email(email), password, who::new_session(call));
    let signed_in = match chat.accounts().login(login.telling()).await {
        Ok(signed_in) => signed_in,
        Err(AccountError::UnknownAccount) => return error("User doesn't exist"),
        Err(cause) => return failed("Verification failed.", cause.into()),
    };
    match who::session_cookie(chat, call, &signed_in) {
        Ok(cookie) => {
            let mut response = ok("Verification success.");
            response.headers_mut().insert(header::SET_COOKIE, cookie);
            response
        }
        Err(_) => error("Verification failed."),
    }
}
