//! The chat among one's own warp routes: below `/chat`, page and all, beside a shop that says in a room what
//! was ordered.
//!
//! ```sh
//! cargo run --example mount        # then http://127.0.0.1:8080/chat/
//! ```

use std::net::SocketAddr;
use std::sync::Arc;

use chatcore::log::Draft;
use chatcore::room::NewRoom;
use chatcore::store::memory::MemoryStore;
use chatcore::{Chat, id::RoomId};
use chatcore_warp::serve::{ServeConfig, serve};
use tokio::net::TcpListener;
use warp::{Filter, Reply};

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// The shop's own routes. It says what it does in a room, under the order's own number: an order that is
/// handed in twice is said once.
fn shop(
    chat: Chat,
    orders: RoomId,
) -> impl Filter<Extract = (impl Reply,), Error = warp::Rejection> + Clone {
    warp::path!("orders" / u32).and(warp::post()).then(move |number: u32| {
        let (chat, orders) = (chat.clone(), orders.clone());
        async move {
            let said = async {
                let draft = Draft::text(format!("Order {number} is in."));
                chat.as_system().send(&orders, draft.once(&format!("order-{number}"))?).await
            };
            match said.await {
                Ok(sent) => format!("said as number {}\n", sent.n).into_response(),
                Err(error) => {
                    eprintln!("an order was not said: {error}");
                    warp::http::StatusCode::SERVICE_UNAVAILABLE.into_response()
                }
            }
        }
    })
}

/// Serves until `stop` comes; the project's tests run it too.
async fn app(
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Fault> {
    let chat = Chat::builder(Arc::new(MemoryStore::new())).build().await?;
    let room = NewRoom::public("orders").kept();
    let orders = chat.as_system().create_room(room).await?.room;
    let all = warp::path("chat")
        .and(chatcore_warp::routes(chat.clone(), Default::default()))
        .or(shop(chat.clone(), orders));
    let stopped = serve(listener, all, ServeConfig::default(), stop).await;
    println!("{stopped:?}");
    chat.shutdown().await;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Fault> {
    let address: SocketAddr = "127.0.0.1:8080".parse()?;
    println!("http://{address}/chat/, and POST http://{address}/orders/1");
    app(TcpListener::bind(address).await?, async { drop(tokio::signal::ctrl_c().await) }).await
}

#[tokio::test]
async fn the_shop_and_the_chat_share_a_server() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(app(listener, async { drop(stopped.await) }));
    let ask = async |method: &str, path: &str| {
        let mut socket = tokio::net::TcpStream::connect(address).await.expect("it listens");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await.expect("an answer");
        String::from_utf8_lossy(&answer).into_owned()
    };
    for _ in 0..2 {
        assert!(ask("POST", "/orders/7").await.ends_with("said as number 1\n"), "said once");
    }
    assert!(ask("GET", "/chat/healthz").await.contains("200 OK"));
    assert!(ask("GET", "/chat/").await.contains("<!doctype html>"));
    assert!(ask("GET", "/nothing").await.contains("404"));
    stop.send(()).expect("it runs");
    server.await.expect("no panic").expect("it served");
}
