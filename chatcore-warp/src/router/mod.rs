//! From requests to handlers: one table of routes, and what is done around each of them.
//!
//! A [`Router`] becomes one warp filter. A path that it does not know is left to the filters beside
//! it; on one that it knows, it answers everything: preflights, 405 with `Allow`, 403 for pages of
//! other origins that would change something, 500 for a handler that panics. A handler runs as a task
//! of its own, so that a client that hangs up cannot stop it between two steps.

mod call;
mod dispatch;
mod ids;
mod query;
mod template;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::Method;
use warp::Filter as _;
use warp::filters::BoxedFilter;

pub use call::Call;

use crate::body::BodyLimits;
use crate::metrics::Metrics;
use crate::origin::AllowedOrigins;
use crate::reply::Response;
use ids::RequestIds;
use template::Template;

type Handler = Arc<dyn Fn(Call) -> Pin<Box<dyn Future<Output = Response> + Send>> + Send + Sync>;

/// One route: what it matches, and who answers.
#[derive(Clone)]
struct Route {
    method: Option<Method>,
    template: Template,
    handler: Handler,
}

/// A table of routes.
///
/// Where several templates match a path, the one that is literal where the other has a name wins, if
/// it has the method.
pub struct Router {
    routes: Vec<Route>,
    reserved: Vec<&'static str>,
    origins: AllowedOrigins,
    limits: BodyLimits,
    metrics: Arc<Metrics>,
    ids: RequestIds,
}

impl Router {
    /// A table without routes.
    pub fn new(origins: AllowedOrigins, limits: BodyLimits, metrics: Arc<Metrics>) -> Self {
        let ids = RequestIds::default();
        Self { routes: Vec::new(), reserved: Vec::new(), origins, limits, metrics, ids }
    }

    /// Answers `method` on `path`, such as `/rooms/{room}`, with `handler`. GET serves HEAD as well.
    #[must_use]
    pub fn on<H, F>(self, method: Method, path: &'static str, handler: H) -> Self
    where
        H: Fn(Call) -> F + Send + Sync + 'static,
        F: Future<Output = Response> + Send + 'static,
    {
        self.add(Some(method), "", path, handler)
    }

    /// Answers every method that no other route of this path answers.
    #[must_use]
    pub fn on_any<H, F>(self, path: &'static str, handler: H) -> Self
    where
        H: Fn(Call) -> F + Send + Sync + 'static,
        F: Future<Output = Response> + Send + 'static,
    {
        self.add(None, "", path, handler)
    }

    /// As [`on`](Self::on), under a prefix.
    pub(crate) fn add<H, F>(
        mut self,
        method: Option<Method>,
        prefix: &str,
        path: &'static str,
        handler: H,
    ) -> Self
    where
        H: Fn(Call) -> F + Send + Sync + 'static,
        F: Future<Output = Response> + Send + 'static,
    {
        let template = Template::new(prefix, path);
        let handler: Handler = Arc::new(move |call| Box::pin(handler(call)));
        self.routes.push(Route { method, template, handler });
        self
    }

    /// Claims every path under `prefix`, such as `api/v1/`: what no route knows there is answered
    /// with 404 instead of being left to the filters beside this one.
    #[must_use]
    pub fn reserve(mut self, prefix: &'static str) -> Self {
        self.reserved.push(prefix);
        self
    }

    /// The table as one filter. It rejects paths that it does not know with "not found".
    pub fn into_filter(mut self) -> BoxedFilter<(Response,)> {
        self.routes.sort_by_key(|route| (route.template.rank(), route.method.is_none()));
        dispatch::filter(Arc::new(self)).boxed()
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.routes).finish()
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = self.method.as_ref().map_or("*", Method::as_str);
        write!(f, "{method} {}", self.template.as_str())
    }
}
