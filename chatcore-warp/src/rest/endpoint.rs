//! One row of the table from which both the routes and the OpenAPI document are made.
//!
//! A handler's own types say what an endpoint takes and answers: what is parsed is what is
//! documented.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use chatcore::Code;
use chatcore::account::Identity;
use chatcore::id::UserId;
use http::{HeaderMap, Method, StatusCode};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::auth;
use crate::body::{Fields, File};
use crate::problem::Problem;
use crate::reply::{self, Response};
use crate::router::Call;

type Describe = fn(&mut SchemaGenerator) -> Schema;
type Handle =
    Arc<dyn Fn(App, Call) -> Pin<Box<dyn Future<Output = Response> + Send>> + Send + Sync>;

/// A route and all that is to be said about it.
pub(super) struct Endpoint {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) summary: &'static str,
    pub(super) secured: bool,
    pub(super) takes: Takes,
    pub(super) status: StatusCode,
    pub(super) answers: Answers,
    pub(super) or_else: Option<(StatusCode, Answers)>,
    pub(super) handle: Handle,
}

/// What a request carries beside its path.
#[derive(Clone, Copy, Debug)]
pub(super) enum Takes {
    Nothing,
    Json(Describe),
    Query(Describe),
    /// A multipart form with this one file.
    File(&'static str),
}

/// What a successful answer holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answers {
    Nothing,
    Json(Describe),
    /// Something else than JSON, of this media type.
    Other(&'static str),
    /// JSON of this type on each line.
    Lines(Describe),
}

/// A request by anyone.
pub(super) struct Guest {
    pub(super) app: App,
    pub(super) call: Call,
}

/// A request by someone who has proved who they are.
pub(super) struct Signed {
    pub(super) app: App,
    pub(super) call: Call,
    pub(super) identity: Identity,
}

impl Signed {
    /// Who.
    pub(super) fn user(&self) -> &UserId {
        &self.identity.user
    }

    /// The engine, acting for them.
    pub(super) fn caller(&self) -> chatcore::Caller {
        self.app.chat.as_user(&self.identity.user)
    }
}

/// A request by an admin. To everyone else it is as if there were nothing here.
pub(super) struct AsAdmin {
    pub(super) call: Call,
    pub(super) admin: chatcore::chat::Admin,
}

/// Who may call an endpoint.
pub(super) trait Context: Sized + Send {
    const SECURED: bool;

    fn open(app: App, call: Call) -> impl Future<Output = Result<Self, Problem>> + Send;
    fn call(&mut self) -> &mut Call;
}

impl Context for Guest {
    const SECURED: bool = false;

    async fn open(app: App, call: Call) -> Result<Self, Problem> {
        auth::refuse_in_url(&call)?;
        Ok(Self { app, call })
    }

    fn call(&mut self) -> &mut Call {
        &mut self.call
    }
}

impl Context for Signed {
    const SECURED: bool = true;

    async fn open(app: App, call: Call) -> Result<Self, Problem> {
        let identity = auth::identify(&app.chat, &call).await?;
        Ok(Self { app, call, identity })
    }

    fn call(&mut self) -> &mut Call {
        &mut self.call
    }
}

impl Context for AsAdmin {
    const SECURED: bool = true;

    async fn open(app: App, call: Call) -> Result<Self, Problem> {
        let identity = auth::identify(&app.chat, &call).await?;
        match app.chat.admin(&identity.user).await? {
            Some(admin) => Ok(Self { call, admin }),
            None => Err(Problem::new(Code::NotFound, "there is nothing here")),
        }
    }

    fn call(&mut self) -> &mut Call {
        &mut self.call
    }
}

/// What an endpoint reads of a request.
pub(super) trait Input: Sized + Send {
    const TAKES: Takes;

    fn read(call: &mut Call) -> impl Future<Output = Result<Self, Problem>> + Send;
}

/// A JSON body.
pub(super) struct Json<T>(pub(super) T);
/// A query.
pub(super) struct Query<T>(pub(super) T);
/// A multipart form of one file, in the field `file`.
pub(super) struct Upload(pub(super) File);

impl Input for () {
    const TAKES: Takes = Takes::Nothing;

    async fn read(_: &mut Call) -> Result<Self, Problem> {
        Ok(())
    }
}

impl<T: DeserializeOwned + JsonSchema + Send> Input for Json<T> {
    const TAKES: Takes = Takes::Json(|generator| generator.subschema_for::<T>());

    async fn read(call: &mut Call) -> Result<Self, Problem> {
        call.json().await.map(Self)
    }
}

impl<T: DeserializeOwned + JsonSchema + Send> Input for Query<T> {
    const TAKES: Takes = Takes::Query(|generator| T::json_schema(generator));

    async fn read(call: &mut Call) -> Result<Self, Problem> {
        call.query().map(Self)
    }
}

impl Input for Upload {
    const TAKES: Takes = Takes::File("file");

    async fn read(call: &mut Call) -> Result<Self, Problem> {
        let mut fields: Fields = call.fields().await?;
        let file = fields.take_file("file");
        let stray = fields.names().next().map(str::to_owned);
        match (file, stray) {
            (Some(file), None) if fields.files().is_empty() => Ok(Self(file)),
            (_, Some(stray)) => {
                let detail = "there is no such field here; send the file in the field `file`";
                Err(Problem::new(Code::BadRequest, detail).at(stray))
            }
            _ => {
                let detail = "send exactly one file, in the field `file`";
                Err(Problem::new(Code::BadRequest, detail).at("file"))
            }
        }
    }
}

/// What an endpoint answers when all went well.
pub(super) trait Output: Send {
    const ANSWERS: Answers;
    /// Another way in which all may have gone well.
    const OR_ELSE: Option<(StatusCode, Answers)> = None;

    fn respond(self, status: StatusCode) -> Response;
}

/// JSON with headers of its own.
pub(super) struct WithHeaders<T>(pub(super) T, pub(super) HeaderMap);
/// No body.
pub(super) struct Nothing(pub(super) HeaderMap);
/// An answer that is made already; `T` tells its media type.
pub(super) struct Made<T>(pub(super) Response, pub(super) std::marker::PhantomData<T>);

/// A stream of `T`, one on each line, that is made already.
pub(super) struct Lines<T>(pub(super) Response, pub(super) std::marker::PhantomData<T>);

/// The media type of [`Lines`].
pub(super) const NDJSON: &str = "application/x-ndjson";

/// The media type of a [`Made`] answer.
pub(super) trait Media: Send {
    const TYPE: &'static str;
}

impl<T> Made<T> {
    pub(super) fn new(response: Response) -> Self {
        Self(response, std::marker::PhantomData)
    }
}

impl<T: Serialize + JsonSchema + Send> Output for Json<T> {
    const ANSWERS: Answers = Answers::Json(|generator| generator.subschema_for::<T>());

    fn respond(self, status: StatusCode) -> Response {
        reply::json(status, &self.0)
    }
}

impl<T: Serialize + JsonSchema + Send> Output for WithHeaders<T> {
    const ANSWERS: Answers = Json::<T>::ANSWERS;

    fn respond(self, status: StatusCode) -> Response {
        let mut response = reply::json(status, &self.0);
        response.headers_mut().extend(self.1);
        response
    }
}

impl Output for Nothing {
    const ANSWERS: Answers = Answers::Nothing;

    fn respond(self, status: StatusCode) -> Response {
        let mut response = reply::empty(status);
        response.headers_mut().extend(self.0);
        response
    }
}

impl Output for () {
    const ANSWERS: Answers = Answers::Nothing;

    fn respond(self, status: StatusCode) -> Response {
        reply::empty(status)
    }
}

impl<T: Media> Output for Made<T> {
    const ANSWERS: Answers = Answers::Other(T::TYPE);

    fn respond(self, _: StatusCode) -> Response {
        self.0
    }
}

impl<T: JsonSchema + Send> Output for Lines<T> {
    const ANSWERS: Answers = Answers::Lines(|generator| generator.subschema_for::<T>());

    fn respond(self, _: StatusCode) -> Response {
        let mut response = self.0;
        let media = http::HeaderValue::from_static(NDJSON);
        response.headers_mut().insert(http::header::CONTENT_TYPE, media);
        response
    }
}

impl Endpoint {
    /// An endpoint whose handler says by its types who may call it, what it takes and answers.
    pub(super) fn new<C, I, O, H, F>(
        method: Method,
        path: &'static str,
        summary: &'static str,
        status: StatusCode,
        handler: H,
    ) -> Self
    where
        C: Context + 'static,
        I: Input + 'static,
        O: Output + 'static,
        H: Fn(C, I) -> F + Copy + Send + Sync + 'static,
        F: Future<Output = Result<O, Problem>> + Send + 'static,
    {
        let handle = move |app: App, call: Call| {
            let answered = async move {
                let mut context = C::open(app, call).await?;
                let input = I::read(context.call()).await?;
                handler(context, input).await
            };
            let response = async move {
                match answered.await {
                    Ok(output) => output.respond(status),
                    Err(problem) => problem.into_response(),
                }
            };
            Box::pin(response) as Pin<Box<dyn Future<Output = Response> + Send>>
        };
        let (secured, takes, answers, or_else) = (C::SECURED, I::TAKES, O::ANSWERS, O::OR_ELSE);
        let handle = Arc::new(handle);
        Self { method, path, summary, secured, takes, status, answers, or_else, handle }
    }
}
