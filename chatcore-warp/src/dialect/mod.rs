//! The HTTP contracts of five documents, each a dialect of its own, over one chat.
//!
//! | dialect | a person is named by | proves themself with | an answer looks like |
//! |---|---|---|---|
//! | [`nickname`] | `userName` | bearer token | `{success, message, …}` |
//! | [`email`] | `email` | session cookie | `{message, status}`, always 200 |
//! | [`accountname`] | `accountname` | the JWT that login returns | `{success, …}` or `{success, error: {…}}` |
//! | [`session`] | `username`, later `userid`: the e-mail address | session cookie | bare objects, error pages |
//!
//! [`all`] serves them together: where they share a path, the fields of the body tell which is meant,
//! and a body that fits none gets a problem document. Each can also be mounted alone, and then
//! answers every body in its own shape. All of them, and the native API, share accounts, rooms and
//! logs: who registered through one can log in through each that asks for a name that the account
//! has.
//!
//! A dialect reads, calls the engine, and writes the answer in its shape. The bounds that a document
//! sets on names and passwords are its own; everything else is decided by the engine.

mod accountname;
mod answer;
mod date;
mod email;
mod files;
mod input;
mod logout;
mod nickname;
mod recognise;
mod session;
mod who;

use std::future::Future;

use chatcore::{Chat, Code};
use http::{Method, StatusCode};
use warp::filters::BoxedFilter;

use crate::Config;
use crate::app::App;
use crate::page;
use crate::problem::Problem;
use crate::reply::Response;
use crate::router::{Call, Router};
use recognise::Dialect;

/// Document 000 alone: `/auth/register`, `/auth/login`, `/auth`, `/message`, and `/upload/<filename>`,
/// where its pictures and attachments are.
pub fn nickname(chat: Chat, config: &Config) -> BoxedFilter<(Response,)> {
    alone(chat, config, |mount| {
        mount
            .on(Method::POST, "/auth/register", |chat, mut call| async move {
                match call.fields().await {
                    Ok(fields) => nickname::register(&chat, &call, fields).await,
                    Err(error) => nickname::unreadable(error),
                }
            })
            .on(Method::POST, "/auth/login", |chat, mut call| async move {
                match call.fields().await {
                    Ok(fields) => nickname::login(&chat, &call, fields).await,
                    Err(error) => nickname::unreadable(error),
                }
            })
            .nickname()
            .files()
    })
}

/// Document 002 alone: `/auth/register`, `/auth/validate_captcha`, `/auth/confirm`, `/auth/login`,
/// `/auth/logout` and `/upload`.
pub fn email(chat: Chat, config: &Config) -> BoxedFilter<(Response,)> {
    alone(chat, config, |mount| {
        mount
            .on(Method::POST, "/auth/register", |chat, mut call| async move {
                match call.fields().await {
                    Ok(fields) => email::register(&chat, &call, fields).await,
                    Err(_) => email::mismatch(),
                }
            })
            .on(Method::POST, "/auth/login", |chat, mut call| async move {
                match call.fields().await {
                    Ok(fields) => email::login(&chat, &call, fields).await,
                    Err(_) => email::mismatch(),
                }
            })
            .on_any("/auth/logout", logout::logout)
            .email()
            .files()
    })
}

/// Document 003 alone: `/auth/register` and `/auth/login`.
pub fn accountname(chat: Chat, config: &Config) -> BoxedFilter<(Response,)> {
    alone(chat, config, |mount| {
        mount
            .on(Method::POST, "/auth/register", |chat, mut call| async move {
                match call.fields().await {
                    Ok(fields) => accountname::register(&chat, &call, fields).await,
                    Err(error) => accountname::unreadable(error),
                }
            })
            .on(Method::POST, "/auth/login", |chat, mut call| async move {
                match call.fields().await {
                    Ok(fields) => accountname::login(&chat, &call, fields).await,
                    Err(error) => accountname::unreadable(error),
                }
            })
    })
}

/// Document 004 alone: `/`, `/auth/login`, `/auth/logout`, `/v1/…`, and `/upload/<filename>`, where
/// its images are unless the blob store has addresses of its own.
///
/// `GET /` is the page, or 404 where `config` leaves it out.
pub fn session(chat: Chat, config: &Config) -> BoxedFilter<(Response,)> {
    alone(chat, config, |mount| {
        mount
            .on(Method::POST, "/auth/login", |chat, mut call| async move {
                match call.fields().await {
                    Ok(fields) => session::login(&chat, &call, fields).await,
                    Err(error) => session::unreadable(error),
                }
            })
            .on(Method::GET, "/auth/logout", logout::logout)
            .session()
            .files()
            .page(config.page)
    })
}

/// All documents together. The page at `/` is not among it.
pub fn all(chat: Chat, config: &Config) -> BoxedFilter<(Response,)> {
    let app = App::new(chat, config.clone());
    add(&app, app.router()).into_filter()
}

/// Adds all documents to a table of routes, without the page at `/`.
pub(crate) fn add(app: &App, router: Router) -> Router {
    Mount { router, chat: app.chat.clone() }
        .on(Method::POST, "/auth/register", register)
        .on(Method::POST, "/auth/login", login)
        .on_any("/auth/logout", logout::logout)
        .nickname()
        .email()
        .session()
        .files()
        .router
}

fn alone(
    chat: Chat,
    config: &Config,
    routes: impl FnOnce(Mount) -> Mount,
) -> BoxedFilter<(Response,)> {
    let app = App::new(chat, config.clone());
    routes(Mount { router: app.router(), chat: app.chat.clone() }).router.into_filter()
}

/// `POST /auth/register`, for whichever document the body was written against.
async fn register(chat: Chat, mut call: Call) -> Response {
    let fields = match call.fields().await {
        Ok(fields) => fields,
        Err(error) => return Problem::from(error).into_response(),
    };
    match recognise::registration(&fields) {
        Some(Dialect::Nickname) => nickname::register(&chat, &call, fields).await,
        Some(Dialect::Email) => email::register(&chat, &call, fields).await,
        Some(Dialect::Accountname) => accountname::register(&chat, &call, fields).await,
        Some(Dialect::Session) | None => fits_none(),
    }
}

/// `POST /auth/login`, for whichever document the body was written against.
async fn login(chat: Chat, mut call: Call) -> Response {
    let fields = match call.fields().await {
        Ok(fields) => fields,
        Err(error) => return Problem::from(error).into_response(),
    };
    match recognise::login(&fields) {
        Some(Dialect::Nickname) => nickname::login(&chat, &call, fields).await,
        Some(Dialect::Email) => email::login(&chat, &call, fields).await,
        Some(Dialect::Accountname) => accountname::login(&chat, &call, fields).await,
        Some(Dialect::Session) => session::login(&chat, &call, fields).await,
        None => fits_none(),
    }
}

fn fits_none() -> Response {
    let detail = "the body has none of the fields by which a person could be named here";
    Problem::new(Code::BadRequest, detail).into_response()
}

/// A table of routes whose handlers are given the chat.
struct Mount {
    router: Router,
    chat: Chat,
}

impl Mount {
    fn on<F>(self, method: Method, path: &'static str, handler: fn(Chat, Call) -> F) -> Self
    where
        F: Future<Output = Response> + Send + 'static,
    {
        let Self { router, chat } = self;
        let given = chat.clone();
        let router = router.on(method, path, move |call| handler(given.clone(), call));
        Self { router, chat }
    }

    fn on_any<F>(self, path: &'static str, handler: fn(Chat, Call) -> F) -> Self
    where
        F: Future<Output = Response> + Send + 'static,
    {
        let Self { router, chat } = self;
        let given = chat.clone();
        let router = router.on_any(path, move |call| handler(given.clone(), call));
        Self { router, chat }
    }

    /// What only one dialect has: 000.
    fn nickname(self) -> Self {
        self.on(Method::GET, "/auth", nickname::authenticate).on(
            Method::POST,
            "/message",
            nickname::message,
        )
    }

    /// What only one dialect has: 002.
    fn email(self) -> Self {
        self.on(Method::POST, "/auth/validate_captcha", email::validate_captcha)
            .on(Method::GET, "/auth/confirm", email::confirm)
            .on(Method::POST, "/upload", email::upload)
            .on_any("/upload", email::wrong_method)
    }

    /// What only one dialect has: 004. Its `GET /` is the page.
    fn session(self) -> Self {
        self.on(Method::GET, "/v1/room/{userid}", session::rooms)
            .on(Method::POST, "/v1/room", session::room)
            .on(Method::GET, "/v1/logs/{roomid}", session::logs)
            .on(Method::GET, "/v1/stats", session::stats)
            .on(Method::POST, "/v1/image", session::image)
    }

    /// `GET /upload/<filename>`, which every dialect that hands out addresses of files needs.
    fn files(self) -> Self {
        self.on(Method::GET, "/upload/{filename}", email::download)
            .on_any("/upload/{filename}", email::method_mismatch)
    }

    /// `GET /` of an application that ships the page, or ships none.
    fn page(self, shipped: bool) -> Self {
        let Self { router, chat } = self;
        let router = if shipped {
            page::add(router)
        } else {
            router.on(Method::GET, "/", |_| async {
                page::error::page(StatusCode::NOT_FOUND, "There is no page here.")
            })
        };
        Self { router, chat }
    }
}
