//! The router over a real socket.

use http::StatusCode;
use tokio::sync::Notify;

use super::*;
use crate::reply;
use crate::testing::{Answer, request, send, start};

fn router() -> Router {
    let origins = AllowedOrigins::parse(["https://app.example"]).unwrap();
    let text = |text: String| reply::bytes(StatusCode::OK, "text/plain", text);
    Router::new(origins, BodyLimits::default(), Arc::default())
        .on(Method::GET, "/rooms/{room}", move |call: Call| async move {
            text(format!("room {}", call.segment("room")))
        })
        .on(Method::DELETE, "/rooms/{room}", move |_| async move { text("gone".into()) })
        .on(Method::GET, "/rooms/lobby", move |_| async move { text("the lobby".into()) })
        .on(Method::POST, "/rooms/lobby", move |_| async move { text("posted".into()) })
        .on(Method::GET, "/panics", |_| async { panic!("on purpose") })
        .on(Method::GET, "/self", move |call: Call| async move {
            assert!(call.connection().is_some());
            let peer = call.peer().map(|peer| peer.ip.to_string()).unwrap_or_default();
            text(format!("{} {peer}", call.mounted("/self")))
        })
        .on_any("/any", move |call: Call| async move { text(call.method().to_string()) })
        .reserve("api/")
}

async fn ask(method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let beside = warp::path("beside").map(|| reply::empty(StatusCode::ACCEPTED));
    let server = start(router().into_filter().or(beside).unify().boxed()).await;
    send(server, request(method, path, headers, "")).await
}

#[tokio::test]
async fn literal_wins_over_a_name_where_it_has_the_method() {
    assert_eq!(ask("GET", "/rooms/lobby", &[]).await.text(), "the lobby");
    assert_eq!(ask("GET", "/rooms/a%20b", &[]).await.text(), "room a b");
    assert_eq!(ask("DELETE", "/rooms/lobby", &[]).await.text(), "gone");
    assert_eq!(ask("GET", "/rooms/%ff", &[]).await.status, 400);
}

#[tokio::test]
async fn method_that_a_path_does_not_have_is_405_with_those_it_has() {
    let answer = ask("PUT", "/rooms/lobby", &[]).await;
    assert_eq!(answer.status, 405);
    assert_eq!(answer.headers["allow"], "DELETE, GET, HEAD, OPTIONS, POST");
    assert_eq!(answer.json()["status"], 405);
    assert_eq!(ask("BREW", "/any", &[]).await.text(), "BREW");
}

#[tokio::test]
async fn unknown_path_is_left_to_others_unless_it_is_claimed() {
    assert_eq!(ask("GET", "/beside", &[]).await.status, 202);
    assert_eq!(ask("GET", "/nowhere", &[]).await.status, 404);
    let claimed = ask("GET", "/api/nowhere", &[]).await;
    assert_eq!(claimed.json()["code"], "not_found");
}

#[tokio::test]
async fn every_answer_carries_safe_headers_and_an_id() {
    for (method, path) in [
        ("GET", "/rooms/x"),
        ("PUT", "/rooms/x"),
        ("GET", "/api/x"),
        ("GET", "/panics"),
        ("OPTIONS", "/rooms/x"),
    ] {
        let answer = ask(method, path, &[]).await;
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(answer.headers["cache-control"], "no-store", "{path}");
        assert_eq!(answer.headers["referrer-policy"], "no-referrer", "{path}");
        assert_eq!(answer.headers["cross-origin-resource-policy"], "same-origin", "{path}");
        let csp = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(csp.contains("frame-ancestors 'none'"), "{path}: {csp}");
        assert_eq!(answer.headers["x-request-id"].len(), 16, "{path}");
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{path}");
    }
}

#[tokio::test]
async fn panic_is_a_problem_without_a_trace() {
    let answer = ask("GET", "/panics", &[]).await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.json()["code"], "internal");
    assert!(!answer.text().contains("on purpose"));
}

#[tokio::test]
async fn page_of_another_origin_may_look_but_not_touch() {
    let evil = [("origin", "https://evil.example"), ("cookie", "chatcore_session=x")];
    assert_eq!(ask("POST", "/rooms/lobby", &evil).await.status, 403);
    assert_eq!(ask("POST", "/rooms/lobby", &[("origin", "null")]).await.status, 403);
    assert_eq!(ask("POST", "/rooms/lobby", &[("sec-fetch-site", "cross-site")]).await.status, 403);
    assert_eq!(ask("POST", "/any", &evil).await.status, 403);
    assert_eq!(ask("GET", "/rooms/lobby", &evil).await.status, 200);
    assert_eq!(ask("POST", "/rooms/lobby", &[]).await.status, 200);
    let app = [("origin", "https://app.example")];
    let answer = ask("POST", "/rooms/lobby", &app).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["access-control-allow-origin"], "https://app.example");
}

#[tokio::test]
async fn page_of_our_own_origin_may_touch() {
    let server = start(router().into_filter()).await;
    let origin = format!("http://{server}");
    let own = [("origin", origin.as_str()), ("sec-fetch-site", "same-origin")];
    assert_eq!(send(server, request("POST", "/rooms/lobby", &own, "")).await.status, 200);
}

#[tokio::test]
async fn preflight_is_granted_to_allowed_origins_only() {
    let asks = |origin| [("origin", origin), ("access-control-request-method", "POST")];
    let granted = ask("OPTIONS", "/rooms/lobby", &asks("https://app.example")).await;
    assert_eq!(granted.status, 204);
    assert_eq!(granted.headers["access-control-allow-origin"], "https://app.example");
    let methods = granted.headers["access-control-allow-methods"].to_str().unwrap();
    assert!(methods.contains("POST"), "{methods}");
    let refused = ask("OPTIONS", "/rooms/lobby", &asks("https://evil.example")).await;
    assert!(refused.headers.keys().all(|name| !name.as_str().starts_with("access-control")));
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let answer = ask("HEAD", "/rooms/lobby", &[]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-length"], "9");
    assert!(answer.body.is_empty());
}

#[tokio::test]
async fn mounted_deeper_it_still_knows_where_it_is() {
    let filter = warp::path("my").and(warp::path("chat")).and(router().into_filter()).boxed();
    let server = start(filter).await;
    let answer = send(server, request("GET", "/my/chat/self", &[], "")).await;
    assert_eq!(answer.text(), "/my/chat/self 127.0.0.1");
    assert_eq!(send(server, request("GET", "/self", &[], "")).await.status, 404);
}

#[tokio::test]
async fn handler_that_never_ends_does_not_hold_up_the_end_of_the_server() {
    use crate::serve::{ServeConfig, Stopped, serve};
    use std::time::Duration;
    use tokio::io::AsyncWriteExt as _;
    let begun = Arc::new(Notify::new());
    let told = begun.clone();
    let handler = move |call: Call| {
        let told = told.clone();
        async move {
            told.notify_one();
            std::future::pending::<()>().await;
            reply::json(StatusCode::OK, &call.id())
        }
    };
    let router = Router::new(AllowedOrigins::default(), BodyLimits::default(), Arc::default());
    let filter = router.on(Method::GET, "/never", handler).into_filter();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = ServeConfig::default().with_drain_timeout(Duration::from_millis(50));
    let server = serve(listener, filter, config, async move { begun.notified().await });
    let server = tokio::spawn(server);
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    socket.write_all(b"GET /never HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(5), server).await.unwrap().unwrap();
    assert_eq!(ended, Stopped::Cut);
}

#[tokio::test]
async fn client_that_hangs_up_does_not_stop_the_handler() {
    use tokio::io::AsyncWriteExt as _;
    let (begun, go_on, done) =
        (Arc::new(Notify::new()), Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (b, g, d) = (begun.clone(), go_on.clone(), done.clone());
    let handler = move |_| {
        let (begun, go_on, done) = (b.clone(), g.clone(), d.clone());
        async move {
            begun.notify_one();
            go_on.notified().await;
            done.notify_one();
            reply::empty(StatusCode::OK)
        }
    };
    let router = Router::new(AllowedOrigins::default(), BodyLimits::default(), Arc::default());
    let server = start(router.on(Method::POST, "/write", handler).into_filter()).await;
    let mut socket = tokio::net::TcpStream::connect(server).await.unwrap();
    socket.write_all(b"POST /write HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    begun.notified().await;
    drop(socket);
    // Long enough for the server to see the hang-up and drop the request.
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    go_on.notify_one();
    tokio::time::timeout(std::time::Duration::from_secs(5), done.notified()).await.unwrap();
}
