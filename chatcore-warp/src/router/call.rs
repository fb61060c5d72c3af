//! One request, as handlers see it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use http::uri::Authority;
use http::{HeaderMap, Method, header};
use hyper::upgrade::OnUpgrade;
use serde::de::DeserializeOwned;

use super::template::Params;
use crate::body::{self, Body, BodyError, BodyLimits, Fields};
use crate::origin::Site;
use crate::problem::Problem;
use crate::serve::{Connection, Peer};

/// A request that matched a route.
pub struct Call {
    pub(super) method: Method,
    pub(super) mount: String,
    pub(super) params: Params,
    pub(super) query: Option<String>,
    pub(super) headers: HeaderMap,
    pub(super) host: Option<Authority>,
    pub(super) peer: Option<Peer>,
    pub(super) site: Site,
    pub(super) connection: Option<Connection>,
    pub(super) upgrade: Option<OnUpgrade>,
    pub(super) limits: BodyLimits,
    pub(super) body: Option<Body>,
    pub(super) id: Arc<str>,
}

impl Call {
    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// A header as text: the first of that name, if it is visible ASCII.
    pub fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The id of this request: in its answer's `x-request-id`, and in the log.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The host and port that the client called.
    pub fn host(&self) -> Option<&Authority> {
        self.host.as_ref()
    }

    /// The other end, if the server tells: the one of this crate does.
    pub fn peer(&self) -> Option<Peer> {
        self.peer
    }

    /// Whether the client's way here is encrypted, as far as is known.
    pub fn secure(&self) -> bool {
        self.peer.is_some_and(|peer| peer.secure)
    }

    /// The connection that it came over, under the server of this crate.
    pub fn connection(&self) -> Option<&Connection> {
        self.connection.as_ref()
    }

    /// The way to take the connection over, once, if the request asks for an upgrade.
    pub fn take_upgrade(&mut self) -> Option<OnUpgrade> {
        self.upgrade.take()
    }

    /// Whether a page of another origin that is not allowed made this request.
    pub fn is_foreign(&self) -> bool {
        self.site == Site::Foreign
    }

    /// A path of ours, such as `/api/v1/me`, as clients have to ask for it: below the path that the
    /// application mounted us under.
    pub fn mounted(&self, path: &str) -> String {
        format!("{}{path}", self.mount)
    }

    /// A segment of the path as text, decoded; empty if the template has no such name.
    pub fn segment(&self, name: &str) -> &str {
        self.params.iter().find_map(|(n, value)| (*n == name).then_some(value)).map_or("", |v| v)
    }

    /// A segment of the path, parsed.
    ///
    /// # Errors
    /// Those of the type's own parser.
    pub fn param<T: FromStr<Err: Into<chatcore::Error>>>(&self, name: &str) -> Result<T, Problem> {
        self.segment(name).parse().map_err(|error: T::Err| error.into().into())
    }

    /// The query as it was sent, without its question mark.
    pub fn raw_query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// The value of one name of the query, decoded.
    pub fn query_value(&self, name: &str) -> Option<String> {
        let pairs = form_urlencoded::parse(self.query.as_deref().unwrap_or_default().as_bytes());
        pairs.into_iter().find_map(|(n, value)| (n == name).then(|| value.into_owned()))
    }

    /// The query, as a type: numbers and booleans are read from text.
    ///
    /// # Errors
    /// Names the part that is unknown, comes twice or cannot be read.
    pub fn query<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        super::query::read(self.query.as_deref().unwrap_or_default()).map_err(Problem::from)
    }

    /// The body, as fields and files. It can be read once.
    ///
    /// # Errors
    /// Those of [`body::read`].
    pub async fn fields(&mut self) -> Result<Fields, BodyError> {
        let body = self.take_body()?;
        let limits = self.limits.clone().of(self.peer.map(|peer| peer.ip));
        body::read(&self.headers, body, &limits).await
    }

    /// The body, as the JSON of a type. It can be read once.
    ///
    /// # Errors
    /// Those of [`body::read_json`], and a field that the type does not know or cannot read.
    pub async fn json<T: DeserializeOwned>(&mut self) -> Result<T, Problem> {
        let body = self.take_body()?;
        let limits = self.limits.clone().of(self.peer.map(|peer| peer.ip));
        let value = body::read_json(&self.headers, body, &limits).await?;
        Ok(body::from_json(value)?)
    }

    fn take_body(&mut self) -> Result<Body, BodyError> {
        self.body.take().ok_or(BodyError::Incomplete)
    }
}

impl fmt::Debug for Call {
    /// Shows nothing that could be a secret: no header, no query, no value of the path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, id, peer, .. } = self;
        f.debug_struct("Call")
            .field("method", method)
            .field("id", id)
            .field("peer", peer)
            .finish_non_exhaustive()
    }
}
