//! Everything that is served, as one filter.

use chatcore::Chat;
use http::{HeaderValue, Method, StatusCode, header};
use warp::filters::BoxedFilter;

use crate::Config;
use crate::app::App;
use crate::reply::{self, Response};
use crate::router::{Call, Router};
use crate::{dialect, page, rest, ws};

/// All that this crate serves of `chat`: REST, WebSocket, the documents' dialects, the page, health
/// and metrics.
///
/// An application mounts it where it likes: `warp::path("chat").and(routes(chat, config))`. Paths
/// that it does not know are left to the filters beside it.
///
/// When the server of this crate that it runs under begins to stop, the chat is drained: every
/// connected client is asked to go elsewhere.
pub fn routes(chat: Chat, config: Config) -> BoxedFilter<(Response,)> {
    let app = App::new(chat, config);
    let mut router = dialect::add(&app, rest::add(&app, app.router()));
    if app.config.page {
        router = page::add(router);
    }
    if app.config.standalone {
        router = router.reserve("");
    }
    operations(&app, router).into_filter()
}

/// What operators ask, and the WebSocket at its short address.
fn operations(app: &App, router: Router) -> Router {
    let (ready, counts, live) = (app.clone(), app.clone(), app.clone());
    let text = "text/plain; charset=utf-8";
    router
        .on(Method::GET, "/ws", move |call: Call| {
            let app = live.clone();
            async move { ws::upgrade(&app, call) }
        })
        .on(
            Method::GET,
            "/healthz",
            move |_| async move { reply::bytes(StatusCode::OK, text, "ok\n") },
        )
        .on(Method::GET, "/readyz", move |_| {
            let app = ready.clone();
            async move {
                match app.chat.ready().await {
                    // Without the bus all still arrives, a little later: others would be no readier.
                    Ok(()) if app.chat.bus().is_some_and(|bus| !bus.up) => {
                        reply::bytes(StatusCode::OK, text, "ready; the bus is down\n")
                    }
                    Ok(()) => reply::bytes(StatusCode::OK, text, "ready\n"),
                    Err(error) => {
                        tracing::warn!(error = &error as &dyn std::error::Error, "not ready");
                        let status = StatusCode::SERVICE_UNAVAILABLE;
                        let mut response = reply::bytes(status, text, "not ready\n");
                        let seconds = HeaderValue::from_static("5");
                        response.headers_mut().insert(header::RETRY_AFTER, seconds);
                        response
                    }
                }
            }
        })
        .on(Method::GET, "/metrics", move |_| {
            let app = counts.clone();
            async move {
                let version = "text/plain; version=0.0.4; charset=utf-8";
                reply::bytes(StatusCode::OK, version, app.metrics.render(&app.chat))
            }
        })
}
