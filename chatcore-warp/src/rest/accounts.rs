//! Registering, proving an address, and finding the way back after a lost password.

use chatcore::account::{CodeAttempt, NewAccount, NewSession, Password, PasswordReset, Registered};
use chatcore::id::DeviceId;
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::endpoint::{Answers, Endpoint, Guest, Json, Output, WithHeaders};
use super::sessions::{SignedInBody, new_session, signed_in};
use crate::problem::Problem;
use crate::reply::{self, Response};

pub(super) fn endpoints() -> Vec<Endpoint> {
    let (created, accepted) = (StatusCode::CREATED, StatusCode::ACCEPTED);
    vec![
        Endpoint::new(
            Method::POST,
            "/accounts",
            "Registers someone. With a handle they are signed in at once; an e-mail address alone \
             has to be confirmed first, which is answered with 202.",
            created,
            register,
        ),
        Endpoint::new(
            Method::POST,
            "/accounts/confirm",
            "Proves an e-mail address by the code that was mailed to it, and signs in.",
            created,
            confirm,
        ),
        Endpoint::new(
            Method::POST,
            "/password-resets",
            "Mails a code that allows a new password; answered alike for every address.",
            accepted,
            request_reset,
        ),
        Endpoint::new(
            Method::POST,
            "/password-resets/confirm",
            "Sets a new password by a mailed code, and ends all sessions.",
            StatusCode::NO_CONTENT,
            reset,
        ),
    ]
}

/// Someone new. A handle, an e-mail address, or both.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Register {
    /// The name to log in by and to be mentioned by.
    #[schemars(length(min = 1, max = 64))]
    handle: Option<String>,
    /// An address; it counts once it is confirmed.
    #[schemars(email)]
    email: Option<String>,
    /// At least 8 characters; not one of those that everybody uses.
    #[schemars(length(min = 8, max = 128))]
    password: Password,
    /// What others see; without one the handle or the beginning of the address.
    #[schemars(length(min = 1, max = 64))]
    display_name: Option<String>,
    /// What the client calls the device it runs on.
    device: Option<DeviceId>,
    /// Put the session into a cookie and leave the tokens out of the answer, for web pages.
    #[serde(default)]
    cookie: bool,
}

/// A code that was mailed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Confirm {
    /// The address that it was mailed to.
    #[schemars(email)]
    email: String,
    /// The code.
    code: String,
    /// What the client calls the device it runs on.
    device: Option<DeviceId>,
    /// Put the session into a cookie and leave the tokens out of the answer, for web pages.
    #[serde(default)]
    cookie: bool,
}

/// Where to mail a code.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RequestReset {
    /// The address of the account.
    #[schemars(email)]
    email: String,
}

/// A new password, and the code that allows it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Reset {
    /// The address that the code was mailed to.
    #[schemars(email)]
    email: String,
    /// The code.
    code: String,
    /// The new password.
    #[schemars(length(min = 8, max = 128))]
    password: Password,
}

/// Signed in, or asked to confirm first.
enum Registration {
    SignedIn(Box<WithHeaders<SignedInBody>>),
    Pending(Pending),
}

/// Something was mailed that has to come back.
#[derive(Debug, Serialize, JsonSchema)]
struct Pending {
    /// What has to be confirmed.
    confirm: Way,
}

/// What was mailed to.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Way {
    Email,
}

impl Output for Registration {
    const ANSWERS: Answers = Json::<SignedInBody>::ANSWERS;
    const OR_ELSE: Option<(StatusCode, Answers)> =
        Some((StatusCode::ACCEPTED, Json::<Pending>::ANSWERS));

    fn respond(self, status: StatusCode) -> Response {
        match self {
            Self::SignedIn(body) => body.respond(status),
            Self::Pending(body) => reply::json(StatusCode::ACCEPTED, &body),
        }
    }
}

async fn register(guest: Guest, Json(body): Json<Register>) -> Result<Registration, Problem> {
    let Register { handle, email, password, display_name, device, cookie } = body;
    let accounts = guest.app.chat.accounts();
    let addr = guest.call.peer().map(|peer| peer.ip);
    let new =
        NewAccount { handle, email, display_name, addr, ..NewAccount::with_password(password) };
    match accounts.register(new).await.map_err(chatcore::Error::from)? {
        Registered::Ready { account, .. } => {
            let session = new_session(&guest.call, device);
            let started = accounts.start_session(&account.id, session).await;
            let started = started.map_err(chatcore::Error::from)?;
            Ok(Registration::SignedIn(Box::new(signed_in(&guest, started, cookie)?)))
        }
        Registered::Pending { .. } => Ok(Registration::Pending(Pending { confirm: Way::Email })),
    }
}

async fn confirm(
    guest: Guest,
    Json(body): Json<Confirm>,
) -> Result<WithHeaders<SignedInBody>, Problem> {
    let Confirm { email, code, device, cookie } = body;
    let accounts = guest.app.chat.accounts();
    let addr = guest.call.peer().map(|peer| peer.ip);
    let attempt = CodeAttempt { addr, ..CodeAttempt::new(email, code) };
    let account = accounts.confirm_code(attempt).await.map_err(chatcore::Error::from)?;
    let session: NewSession = new_session(&guest.call, device);
    let started = accounts.start_session(&account.id, session).await;
    signed_in(&guest, started.map_err(chatcore::Error::from)?, cookie)
}

async fn request_reset(guest: Guest, Json(body): Json<RequestReset>) -> Result<(), Problem> {
    let addr = guest.call.peer().map(|peer| peer.ip);
    let asked = guest.app.chat.accounts().request_password_reset(&body.email, addr).await;
    Ok(asked.map_err(chatcore::Error::from)?)
}

async fn reset(guest: Guest, Json(body): Json<Reset>) -> Result<(), Problem> {
    let Reset { email, code, password } = body;
    let addr = guest.call.peer().map(|peer| peer.ip);
    let reset = PasswordReset { email, code, password, addr };
    guest.app.chat.accounts().reset_password(reset).await.map_err(chatcore::Error::from)?;
    Ok(())
}
