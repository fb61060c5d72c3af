//! Who one is: over REST, as for every native client.

use chatcore::chat::RoomSummary;
use chatcore::id::UserId;
use chatcore::protocol::frame::Token;
use hyper::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::Fault;
use crate::http::{Answer, Http};

/// What this program calls the device that it runs on.
pub(crate) const DEVICE: &str = "terminal";

/// The server's accounts.
#[derive(Clone)]
pub(crate) struct Accounts {
    http: Http,
}

/// Someone who is logged in.
#[derive(Clone, Debug)]
pub(crate) struct SignedIn {
    pub(crate) user: UserId,
    pub(crate) name: String,
    /// As long-lived as the session.
    pub(crate) token: Token,
}

impl Accounts {
    pub(crate) fn new(http: Http) -> Self {
        Self { http }
    }

    /// Logs in, or makes an account.
    pub(crate) async fn log_in(
        &self,
        name: &str,
        password: &str,
        register: bool,
    ) -> Result<SignedIn, Fault> {
        let (path, body) = if register {
            let body = json!({ "handle": name, "password": password, "device": DEVICE });
            ("/api/v1/accounts", body)
        } else {
            let body = json!({ "login": name, "password": password, "device": DEVICE });
            ("/api/v1/sessions", body)
        };
        let answer = self.http.call(Method::POST, path, None, Some(body)).await?;
        let body = done(answer)?;
        Ok(SignedIn {
            user: field(&body["user"]["id"])?,
            name: field(&body["user"]["display_name"])?,
            token: field(&body["session_token"])?,
        })
    }

    /// Ends the session.
    pub(crate) async fn log_out(&self, token: &Token) -> Result<(), Fault> {
        let path = "/api/v1/sessions/current";
        done(self.http.call(Method::DELETE, path, Some(token), None).await?).map(|_| ())
    }

    /// What someone is called.
    pub(crate) async fn name(&self, token: &Token, user: &UserId) -> Result<String, Fault> {
        let path = format!("/api/v1/users/{}", escaped(user.as_str()));
        let body = done(self.http.call(Method::GET, &path, Some(token), None).await?)?;
        field(&body["display_name"])
    }

    /// Rooms that the user may know of, a page of them.
    pub(crate) async fn visible(&self, token: &Token) -> Result<Vec<RoomSummary>, Fault> {
        let path = "/api/v1/rooms?filter=visible&limit=100";
        let body = done(self.http.call(Method::GET, path, Some(token), None).await?)?;
        field(&body["rooms"])
    }
}

/// The body of an answer that says yes.
fn done(answer: Answer) -> Result<Value, Fault> {
    if (200..300).contains(&answer.status) {
        return Ok(answer.body);
    }
    let problem = &answer.body;
    let said = problem["detail"].as_str().or(problem["title"].as_str());
    let said = said.map_or_else(|| format!("it answers {}", answer.status), str::to_owned);
    Err(said.into())
}

fn field<T: DeserializeOwned>(value: &Value) -> Result<T, Fault> {
    T::deserialize(value).map_err(|_| "the server's answer cannot be read".into())
}

/// An id as a part of a path.
fn escaped(id: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let escape =
        |byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    id.bytes().map(escape).collect()
}
