//! WebSockets over a real server, from the handshake to the goodbye.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chatcore::Chat;
use chatcore::account::{
    AccountSettings, NewAccount, NewSession, PasswordParams, PasswordSettings,
};
use chatcore::store::memory::MemoryStore;
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tower_service::Service as _;

use crate::serve::{ServeConfig, Stopped, serve};
use crate::testing::{request, send, start};
use crate::{Config, routes};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn chat() -> Chat {
    let params = PasswordParams::cheap();
    let passwords = PasswordSettings { params, ..PasswordSettings::default() };
    let settings = AccountSettings { passwords, ..AccountSettings::default() };
    let store = Arc::new(MemoryStore::new());
    Chat::builder(store).account_settings(settings).build().await.unwrap()
}

/// A new account's access token and session token.
async fn join(chat: &Chat, handle: &str) -> (String, String) {
    let accounts = chat.accounts();
    let new = NewAccount::handle(handle, "correct horse");
    let account = accounts.register(new).await.unwrap().account().unwrap();
    let signed = accounts.start_session(&account.id, NewSession::default()).await.unwrap();
    (signed.tokens.access, signed.tokens.session_token)
}

/// Asks for an upgrade with these headers beside the usual ones.
async fn connect(
    server: SocketAddr,
    path: &str,
    headers: &[(&'static str, &str)],
) -> Result<(Socket, http::HeaderMap), http::StatusCode> {
    let mut request = format!("ws://{server}{path}").into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    match connect_async(request).await {
        Ok((socket, response)) => Ok((socket, response.headers().clone())),
        Err(Error::Http(response)) => Err(response.status()),
        Err(other) => panic!("{other}"),
    }
}

const PROTOCOL: &str = "sec-websocket-protocol";

async fn say(socket: &mut Socket, frame: Value) {
    socket.send(Message::text(frame.to_string())).await.unwrap();
}

/// The next frame of this kind.
async fn hear(socket: &mut Socket, op: &str) -> Value {
    loop {
        let message = tokio::time::timeout(Duration::from_secs(5), socket.next()).await;
        match message.unwrap_or_else(|_| panic!("no {op}")).unwrap().unwrap() {
            Message::Text(text) => {
                let frame: Value = serde_json::from_str(&text).unwrap();
                if frame["op"] == op {
                    return frame;
                }
            }
            Message::Close(close) => panic!("closed while waiting for {op}: {close:?}"),
            _ => {}
        }
    }
}

async fn closed(socket: &mut Socket) -> u16 {
    loop {
        let message = tokio::time::timeout(Duration::from_secs(5), socket.next()).await;
        match message.unwrap().unwrap().unwrap() {
            Message::Close(Some(frame)) => return frame.code.into(),
            Message::Close(None) => panic!("closed without a reason"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn two_sockets_talk_in_a_room() {
    let chat = chat().await;
    let server = start(routes(chat.clone(), Config::default())).await;
    let json = [(PROTOCOL, "chatcore.v1.json")];
    let mut sockets = Vec::new();
    for (path, handle) in [("/ws", "ann"), ("/api/v1/ws", "bob")] {
        let (access, _) = join(&chat, handle).await;
        let (mut socket, headers) = connect(server, path, &json).await.unwrap();
        assert_eq!(headers[PROTOCOL], "chatcore.v1.json");
        say(
            &mut socket,
            json!({"op": "hello", "versions": [1], "token": access, "device": handle}),
        )
        .await;
        hear(&mut socket, "welcome").await;
        sockets.push(socket);
    }
    let [ann, bob] = &mut sockets[..] else { unreachable!("two were made") };
    say(ann, json!({"op": "create_room", "id": 1, "kind": "public", "name": "general"})).await;
    let room = hear(ann, "result").await["room"].clone();
    say(bob, json!({"op": "enter", "id": 1, "room": room})).await;
    hear(bob, "result").await;
    say(bob, json!({"op": "subscribe", "id": 2, "room": room})).await;
    hear(bob, "result").await;
    let text = "é".repeat(30_000);
    say(ann, json!({"op": "send", "id": 2, "room": room, "client_msg_id": "a", "text": text}))
        .await;
    let sent = hear(ann, "result").await;
    let event = hear(bob, "event").await;
    assert_eq!((&event["seq"], &event["text"]), (&sent["seq"], &json!(text)));
    let metrics = send(server, request("GET", "/metrics", &[], "")).await;
    // The message alone: only one of them has subscribed, after everything else.
    for line in ["chatcore_connections 2", "chatcore_websockets 2", "chatcore_deliveries_total 1"] {
        assert!(metrics.text().lines().any(|l| l == line), "{line} is not in\n{}", metrics.text());
    }
}

#[tokio::test]
async fn messagepack_is_spoken_where_it_was_agreed_on() {
    let chat = chat().await;
    let server = start(routes(chat.clone(), Config::default())).await;
    let (access, _) = join(&chat, "ann").await;
    let offers = [(PROTOCOL, "chat, chatcore.v1.msgpack, chatcore.v1.json")];
    let (mut socket, headers) = connect(server, "/ws", &offers).await.unwrap();
    assert_eq!(headers[PROTOCOL], "chatcore.v1.msgpack");
    // {"op": "hello", "versions": [1], "token": …, "device": "d"}
    let mut hello = vec![0x84];
    let string = |bytes: &mut Vec<u8>, text: &str| {
        bytes.extend([0xda, (text.len() >> 8) as u8, text.len() as u8]);
        bytes.extend(text.as_bytes());
    };
    string(&mut hello, "op");
    string(&mut hello, "hello");
    string(&mut hello, "versions");
    hello.extend([0x91, 1]);
    string(&mut hello, "token");
    string(&mut hello, &access);
    string(&mut hello, "device");
    string(&mut hello, "d");
    socket.send(Message::binary(hello)).await.unwrap();
    let Message::Binary(answer) = socket.next().await.unwrap().unwrap() else {
        panic!("no binary")
    };
    assert!(answer.windows(7).any(|w| w == b"welcome"));
    socket.send(Message::text("{}")).await.unwrap();
    assert_eq!(closed(&mut socket).await, 4001);
}

#[tokio::test]
async fn cookie_of_the_upgrade_serves_where_hello_has_no_token() {
    let chat = chat().await;
    let server = start(routes(chat.clone(), Config::default())).await;
    let (_, session) = join(&chat, "ann").await;
    let cookie = format!("chatcore_session={session}");
    let own = format!("http://{server}");
    let headers = [("cookie", cookie.as_str()), ("origin", own.as_str())];
    let (mut socket, _) = connect(server, "/ws", &headers).await.unwrap();
    say(&mut socket, json!({"op": "hello", "versions": [1], "device": "d"})).await;
    hear(&mut socket, "welcome").await;
}

#[tokio::test]
async fn foreign_page_cannot_connect_with_the_cookie() {
    let chat = chat().await;
    let config = Config::default().with_allowed_origins(["https://app.example"]).unwrap();
    let server = start(routes(chat.clone(), config)).await;
    let (access, session) = join(&chat, "ann").await;
    let cookie = format!("chatcore_session={session}");
    for evil in ["https://evil.example", "null", "https://app.example.evil"] {
        let headers = [("cookie", cookie.as_str()), ("origin", evil)];
        assert_eq!(connect(server, "/ws", &headers).await.unwrap_err(), 403, "{evil}");
        // Without the cookie it is a stranger like any other, who has to show a token.
        let (mut socket, _) = connect(server, "/ws", &[("origin", evil)]).await.unwrap();
        say(&mut socket, json!({"op": "hello", "versions": [1], "token": access, "device": "d"}))
            .await;
        hear(&mut socket, "welcome").await;
    }
    let allowed = [("cookie", cookie.as_str()), ("origin", "https://app.example")];
    assert!(connect(server, "/ws", &allowed).await.is_ok());
}

#[tokio::test]
async fn handshake_that_is_none_is_refused_with_a_sentence() {
    let server = start(routes(chat().await, Config::default())).await;
    let usual = [
        ("upgrade", "websocket"),
        ("connection", "keep-alive, Upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let with = |name: &'static str, value: &'static str| {
        let kept = usual.into_iter().filter(move |(n, _)| *n != name);
        kept.chain((!value.is_empty()).then_some((name, value))).collect::<Vec<_>>()
    };
    let cases = [
        (with("upgrade", ""), 426),
        (with("connection", "close"), 426),
        (with("sec-websocket-version", "8"), 426),
        (with("sec-websocket-key", ""), 400),
        (with("sec-websocket-key", "short"), 400),
        (with(PROTOCOL, "chat"), 400),
        (with(PROTOCOL, "chatcore.v2.json"), 400),
    ];
    for (headers, status) in cases {
        let answer = send(server, request("GET", "/ws", &headers, "")).await;
        assert_eq!(answer.status, status, "{headers:?}");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        if headers.iter().any(|(name, _)| *name == PROTOCOL) {
            assert!(detail.contains("chatcore.v1.json") && detail.contains("chatcore.v1.msgpack"));
        }
        if status == 426 {
            assert_eq!(answer.headers["upgrade"], "websocket");
            assert_eq!(answer.headers["sec-websocket-version"], "13");
        }
    }
    let answer = send(server, request("GET", "/ws?access_token=x", &usual, "")).await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn compression_is_not_negotiated() {
    let server = start(routes(chat().await, Config::default())).await;
    let offer = [("sec-websocket-extensions", "permessage-deflate; client_max_window_bits")];
    let (_, headers) = connect(server, "/ws", &offer).await.unwrap();
    assert!(!headers.contains_key("sec-websocket-extensions"));
}

#[tokio::test]
async fn frame_before_hello_and_hostile_bytes_end_with_4001() {
    let server = start(routes(chat().await, Config::default())).await;
    let deep = format!("{{\"op\":\"hello\",\"caps\":{}{}}}", "[".repeat(700), "]".repeat(700));
    let texts = [r#"{"op":"rooms","id":1}"#, "dd ffffffff", "", "[]", r#"{"op":["hello"]}"#, &deep];
    for text in texts {
        let (mut socket, _) = connect(server, "/ws", &[]).await.unwrap();
        socket.send(Message::text(text)).await.unwrap();
        assert_eq!(closed(&mut socket).await, 4001, "{text}");
    }
    let (mut socket, _) = connect(server, "/ws", &[]).await.unwrap();
    socket.send(Message::text("x".repeat(1 << 20))).await.ok();
    assert_eq!(closed(&mut socket).await, 4001);
}

#[tokio::test]
async fn logout_ends_the_socket_at_once() {
    let chat = chat().await;
    let server = start(routes(chat.clone(), Config::default())).await;
    let (access, _) = join(&chat, "ann").await;
    let (mut socket, _) = connect(server, "/ws", &[]).await.unwrap();
    say(&mut socket, json!({"op": "hello", "versions": [1], "token": access, "device": "d"})).await;
    hear(&mut socket, "welcome").await;
    let bearer = format!("Bearer {access}");
    let logout = request("DELETE", "/api/v1/sessions/current", &[("authorization", &bearer)], "");
    assert_eq!(send(server, logout).await.status, 204);
    assert_eq!(closed(&mut socket).await, 4003);
}

#[tokio::test]
async fn stopping_server_says_goaway_and_waits_for_its_sockets() {
    let chat = chat().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let filter = routes(chat.clone(), Config::default());
    let ended = tokio::spawn(serve(listener, filter, ServeConfig::default(), async {
        let _ = stopped.await;
    }));
    let (access, _) = join(&chat, "ann").await;
    let (mut socket, _) = connect(server, "/ws", &[]).await.unwrap();
    say(&mut socket, json!({"op": "hello", "versions": [1], "token": access, "device": "d"})).await;
    hear(&mut socket, "welcome").await;
    stop.send(()).unwrap();
    hear(&mut socket, "goaway").await;
    drop(socket);
    assert_eq!(ended.await.unwrap(), Stopped::Drained);
}

#[tokio::test]
async fn socket_works_under_a_server_of_the_hosts_own() {
    let chat = chat().await;
    let filter = routes(chat.clone(), Config::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let filter = filter.clone();
            // Behind a type that we do not know, as a TLS stream would be.
            let io = TokioIo::new(tokio::io::BufStream::new(tcp));
            tokio::spawn(async move {
                let service =
                    service_fn(move |request| warp::service(filter.clone()).call(request));
                let builder = auto::Builder::new(TokioExecutor::new());
                let _ = builder.serve_connection_with_upgrades(io, service).await;
            });
        }
    });
    let (access, _) = join(&chat, "ann").await;
    let (mut socket, _) = connect(server, "/ws", &[]).await.unwrap();
    say(&mut socket, json!({"op": "hello", "versions": [1], "token": access, "device": "d"})).await;
    hear(&mut socket, "welcome").await;
}
