//! Document 003: people by `accountname`, proved by the JWT that login returns.
//!
//! Answers are `{success: true, …}` or `{success: false, error: {<field>: <what is wrong>}}`. What the
//! document has no answer for comes in the same shape, under the status that the native API would use,
//! with what is wrong as `error.message`.
//!
//! The bounds on names and passwords are the document's own. They hold for who registers here. A login
//! is tried as it stands, as people who registered elsewhere may be called otherwise; only one that
//! finds nobody is held against them.

use std::collections::BTreeMap;

use chatcore::account::{
    Account, AccountError, DisplayName, Handle, Login, LoginName, NameKind, NewAccount,
    PasswordRules, Registered, SignedIn,
};
use chatcore::{Chat, Code, Error, Invalid};
use http::StatusCode;
use serde::Serialize;

use super::input::{self, Faults};
use super::{answer, who};
use crate::body::{BodyError, Fields};
use crate::problem::Problem;
use crate::reply::{self, Response};
use crate::router::Call;

#[derive(Serialize)]
struct Failure<'a> {
    success: bool,
    error: BTreeMap<&'a str, &'a str>,
}

#[derive(Serialize)]
struct Registration<'a> {
    success: bool,
    #[serde(rename = "newUser")]
    new_user: NewUser<'a>,
}

#[derive(Serialize)]
struct NewUser<'a> {
    #[serde(rename = "_id")]
    id: &'a str,
    username: &'a str,
    accountname: &'a str,
}

#[derive(Serialize)]
struct LoggedIn<'a> {
    success: bool,
    #[serde(rename = "userId")]
    user_id: &'a str,
    accountname: &'a str,
    username: &'a str,
    token: &'a str,
}

/// The answer to a body that cannot be read at all.
pub(super) fn unreadable(error: BodyError) -> Response {
    refused(&error.into())
}

fn refused(problem: &Problem) -> Response {
    let error = BTreeMap::from([("message", problem.detail())]);
    answer::refused(problem, &Failure { success: false, error })
}

fn bad_fields(status: StatusCode, faults: &Faults) -> Response {
    let error = faults.iter().map(|Invalid { field, problem }| (&**field, &**problem)).collect();
    reply::json(status, &Failure { success: false, error })
}

fn wrong(status: StatusCode, field: &'static str, problem: &'static str) -> Response {
    reply::json(status, &Failure { success: false, error: BTreeMap::from([(field, problem)]) })
}

/// What the document asks of a text.
#[derive(Clone, Copy)]
struct Rule {
    min: usize,
    max: usize,
}

const USERNAME: Rule = Rule { min: 1, max: 64 };
const ACCOUNTNAME: Rule = Rule { min: 4, max: 20 };
const PASSWORD: Rule = Rule { min: 8, max: 12 };

impl Rule {
    fn check(self, faults: &mut Faults, field: &'static str, text: &str) {
        let Self { min, max } = self;
        if !(min..=max).contains(&text.chars().count()) {
            let problem = format!("{field} must be {min} to {max} characters");
            faults.add(Invalid::new(field, problem));
        } else if !text.starts_with(|c: char| c.is_ascii_alphabetic()) {
            let problem = format!("{field} must start with a letter from a to z");
            faults.add(Invalid::new(field, problem));
        }
    }
}

/// `POST /auth/register`.
pub(super) async fn register(chat: &Chat, call: &Call, fields: Fields) -> Response {
    let mut faults = Faults::default();
    faults.refuse_others(&fields, &["_id", "username", "accountname", "password", "password2"]);
    let id = faults.required(&fields, "_id");
    let username = faults.required(&fields, "username");
    let accountname = faults.required(&fields, "accountname");
    let password = faults.required(&fields, "password");
    let password2 = faults.required(&fields, "password2");
    if id.len() != 24 || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
        faults.add(Invalid::new("_id", "_id must be 24 hexadecimal digits"));
    }
    USERNAME.check(&mut faults, "username", username);
    ACCOUNTNAME.check(&mut faults, "accountname", accountname);
    PASSWORD.check(&mut faults, "password", password);
    if password2 != password {
        faults.add(Invalid::new("password2", "password2 must be equal to password"));
    }
    // The engine's own bounds here too, so that all that is wrong is told at once.
    for (field, found) in [
        ("username", DisplayName::parse(username).err()),
        ("accountname", Handle::parse(accountname).err()),
    ] {
        if let Some(Invalid { problem, .. }) = found {
            faults.add(Invalid::new(field, problem));
        }
    }
    if let Err(faults) = faults.none() {
        return bad_fields(StatusCode::BAD_REQUEST, &faults);
    }
    // The digits stand for a number: in either case they are the same id.
    let id = id.to_ascii_lowercase();
    let new = NewAccount {
        password_rules: PasswordRules::LENIENT,
        addr: call.peer().map(|peer| peer.ip),
        ..NewAccount::handle(accountname, password).display_name(username).external_id(id)
    };
    match chat.accounts().register(new).await.map(Registered::account) {
        Ok(Some(account)) => {
            let (id, username, accountname) = shown(&account);
            let new_user = NewUser { id, username, accountname };
            reply::json(StatusCode::OK, &Registration { success: true, new_user })
        }
        Ok(None) => refused(&Problem::internal()),
        Err(AccountError::Taken(kinds)) => taken(&kinds),
        Err(error) => match input::faults_of(error, document_name) {
            Ok(faults) => bad_fields(StatusCode::BAD_REQUEST, &faults),
            Err(other) => refused(&Error::from(other).into()),
        },
    }
}

fn taken(kinds: &[NameKind]) -> Response {
    let mut faults = Faults::default();
    for kind in kinds {
        let field = document_name(kind.as_str());
        faults.add(Invalid::new(field, format!("{field} is already in use")));
    }
    bad_fields(StatusCode::CONFLICT, &faults)
}

/// What the document calls a field of the engine.
fn document_name(field: &str) -> &'static str {
    match field {
        "handle" => "accountname",
        "display_name" => "username",
        "external_id" => "_id",
        _ => "password",
    }
}

/// An account's `_id`, `username` and `accountname`.
fn shown(account: &Account) -> (&str, &str, &str) {
    let id = account.external_id.as_ref().map_or(account.id.as_str(), |id| id.as_str());
    let accountname = account.handle.as_ref().map_or("", |handle| handle.as_str());
    (id, account.display_name.as_str(), accountname)
}

/// `POST /auth/login`.
pub(super) async fn login(chat: &Chat, call: &Call, fields: Fields) -> Response {
    let mut faults = Faults::default();
    let accountname = faults.required(&fields, "accountname");
    let password = faults.required(&fields, "password");
    if let Err(faults) = faults.none() {
        return bad_fields(StatusCode::BAD_REQUEST, &faults);
    }
    let name = LoginName::Handle(accountname.to_owned());
    let login = Login::new(name, password, who::new_session(call)).telling();
    match chat.accounts().login(login).await {
        Ok(SignedIn { account, tokens, .. }) => {
            let (user_id, username, accountname) = shown(&account);
            let token = tokens.session_token.as_str();
            let body = LoggedIn { success: true, user_id, accountname, username, token };
            reply::json(StatusCode::OK, &body)
        }
        Err(AccountError::UnknownAccount) => nobody(accountname, password),
        Err(error) if error.code() == Code::Unauthenticated || error.code() == Code::Forbidden => {
            wrong(StatusCode::BAD_REQUEST, "password", "password is not correct")
        }
        Err(error) => match input::faults_of(error, document_name) {
            Ok(faults) => bad_fields(StatusCode::BAD_REQUEST, &faults),
            Err(other) => refused(&Error::from(other).into()),
        },
    }
}

/// A login that found nobody: 400 if the document would not have had it tried.
fn nobody(accountname: &str, password: &str) -> Response {
    let mut faults = Faults::default();
    ACCOUNTNAME.check(&mut faults, "accountname", accountname);
    PASSWORD.check(&mut faults, "password", password);
    match faults.none() {
        Err(faults) => bad_fields(StatusCode::BAD_REQUEST, &faults),
        Ok(()) => wrong(StatusCode::NOT_FOUND, "accountname", "accountname does not exist"),
    }
}
