//! The native client over each of its links, against one server: what an application sees is the same.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use chatcore::Code;
use chatcore::account::{NewAccount, NewSession};
use chatcore::id::{DeviceId, RoomId, Seq};
use chatcore::log::{Body, Cursor, Draft};
use chatcore::protocol::CloseCode;
use chatcore::room::NewRoom;
use chatcore_quic::client::{
    Client, Error, Fallback, Link, Notice, Offline, QuicLink, State, Subscription, Update, Upload,
    Waits, WsLink,
};
use chatcore_tests::{Local, PATIENCE};

use crate::stage::user;

/// Short ones.
const WAITS: Waits = Waits {
    head_start: Duration::from_millis(300),
    retry: Duration::from_millis(500),
    longest_retry: Duration::from_secs(1),
};

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(PATIENCE, future).await;
    done.unwrap_or_else(|_| panic!("{what} took too long"))
}

/// A server with ann and ben, over TLS or not.
async fn house(tls: bool) -> Local {
    let local = Local::with(|choices| choices.tls = tls).await;
    for name in ["ann", "ben"] {
        let account = NewAccount::handle(name, "correct horse");
        let account = NewAccount { id: Some(user(name)), ..account };
        local.chat.accounts().register(account).await.expect("registered");
    }
    local
}

/// Ann or ben, who comes back at once.
async fn client(local: &Local, name: &str, link: impl Link) -> Client {
    let device = NewSession::on(DeviceId::parse("native").expect("a sound id"));
    let signed_in = local.chat.accounts().start_session(&user(name), device).await;
    let token = signed_in.expect("signed in").tokens.session_token;
    let quick = (Duration::from_millis(1), Duration::from_millis(8));
    let builder = Client::builder().device("native").token(token).backoff(quick.0, quick.1);
    builder.connect(link).expect("sound settings")
}

async fn room_of_both(local: &Local) -> RoomId {
    let ann = local.chat.as_user(&user("ann"));
    let room = ann.create_room(NewRoom::public("room")).await.expect("made").room;
    local.chat.as_user(&user("ben")).enter(&room).await.expect("entered");
    room
}

/// The next entry.
async fn next(entries: &mut Subscription) -> (Seq, Body) {
    loop {
        let update = soon("an entry", entries.next()).await.expect("open").expect("not refused");
        if let Update::Event(event) = update {
            let entry = event.entry().expect("a known kind");
            return (entry.seq, entry.body.clone());
        }
    }
}

/// Everything that a client has but files, between one over this link and one over QUIC.
async fn conversation(local: &Local, link: impl Link) {
    let room = room_of_both(local).await;
    let ann = client(local, "ann", link).await;
    let ben = client(local, "ben", local.link()).await;
    let mut hers = ann.subscribe(&room, Some(Cursor::start())).await.expect("the first");
    let mut his = ben.subscribe(&room, Some(Cursor::start())).await.expect("the first");
    let mut told = ann.notices();

    let sent = ann.send(&room, Draft::text("h\u{e9}llo \u{1F375}").once("1").expect("an id")).await;
    let sent = sent.expect("sent");
    let again = ann.send(&room, Draft::text("h\u{e9}llo \u{1F375}").once("1").expect("an id"));
    assert!(again.await.expect("sent").duplicate, "it took effect once");
    ben.react(&room, &sent.message_id, "\u{1F44D}", true).await.expect("done");
    ann.edit(&room, &sent.message_id, "hello").await.expect("edited");
    let draft = Draft::text("and you?").reply_to(sent.message_id.clone());
    let last = ben.send(&room, draft).await.expect("sent").seq;
    loop {
        let (hers, his) = (next(&mut hers).await, next(&mut his).await);
        assert_eq!(hers, his, "both hear the same");
        if hers.0 == last {
            break;
        }
    }

    let page = ann.history(&room, Default::default()).await.expect("read");
    assert_eq!(page.messages.iter().map(|m| &*m.text).collect::<Vec<_>>(), ["hello", "and you?"]);
    ann.mark_read(&room, last).await.expect("marked");
    let rooms = ann.rooms().await.expect("listed");
    assert!(rooms.iter().any(|r| r.room == room && r.unread == 0), "{rooms:?}");
    let typing = async {
        loop {
            ben.signal(&room, "typing", true, 3_000).await;
            match tokio::time::timeout(Duration::from_millis(200), told.next()).await {
                Ok(Some(Notice::Signal(signal))) if signal.kind == "typing" => return signal.user,
                _ => {}
            }
        }
    };
    assert_eq!(soon("typing", typing).await, user("ben"));
    let refused = ann.history(&RoomId::parse("nowhere").expect("valid"), Default::default()).await;
    assert_eq!(refused.expect_err("there is none").code(), Some(Code::NotFound));
}

/// What a server does to a client that makes too many words of it, and what is said of the end.
async fn ending(local: &Local, link: impl Link) {
    let room = room_of_both(local).await;
    let ann = client(local, "ann", link).await;
    let mut hers = ann.subscribe(&room, None).await.expect("the first");
    soon("the beginning", hers.next()).await.expect("open").expect("not refused");
    // What is too long for a frame is refused here, and the link stands.
    let long = ann.send(&room, Draft::text("x".repeat(1 << 20))).await;
    assert!(matches!(long, Err(Error::Refused(_))), "{long:?}");
    ann.rooms().await.expect("it stands");
    local.chat.accounts().revoke_all(&user("ann"), None).await.expect("revoked");
    let revoked = State::Offline(Offline::Closed(CloseCode::Revoked));
    let mut state = ann.state();
    let ended = state.wait_for(|state| *state == revoked);
    soon("the end", ended).await.expect("it lives");
}

macro_rules! over_every_link {
    ($($name:ident: $tls:literal, $link:expr;)+) => {$(
        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn two_people_hear_the_same() {
                let local = super::house($tls).await;
                super::conversation(&local, $link(&local)).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn one_who_is_logged_out_is_told_so() {
                let local = super::house($tls).await;
                super::ending(&local, $link(&local)).await;
            }
        }
    )+};
}

over_every_link! {
    quic: false, chatcore_tests::Local::link;
    websocket: false, chatcore_tests::Local::websocket_link;
    websocket_over_tls: true, chatcore_tests::Local::websocket_link;
    fallback: true, super::without_udp;
}

/// QUIC to where nobody answers, as in a network that lets no UDP through, and WebSocket.
fn without_udp(local: &Local) -> Fallback<QuicLink, WsLink> {
    let silent = Box::leak(Box::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port")));
    let silent = silent.local_addr().expect("bound").to_string();
    let quic = QuicLink::new(&silent, local.trust()).expect("a socket");
    Fallback::with_waits(quic, local.websocket_link(), WAITS)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_certificate_is_refused_over_websocket_too() {
    let (local, other) = (house(true).await, house(true).await);
    let url = format!("wss://{}/ws", local.address());
    let link = WsLink::new(&url, other.trust()).expect("a sound URL");
    let problem = soon("the answer", link.open()).await.expect_err("it is not the pinned one");
    assert!(problem.to_string().contains("not one that is trusted"), "{problem}");
    // Nor is a server that does not speak the protocol taken for one that does.
    let elsewhere = WsLink::new(&format!("wss://{}/healthz", local.address()), local.trust());
    let problem = soon("the answer", elsewhere.expect("a sound URL").open()).await;
    assert!(problem.is_err(), "there is no WebSocket");
}

/// UDP is dead at first, then it is not, then it is dead again. Nothing is lost or doubled, and files
/// go when they can.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_moves_between_websocket_and_quic_as_udp_comes_and_goes() {
    const MESSAGES: usize = 900;
    let local = house(true).await;
    let room = room_of_both(&local).await;
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let quic = socket.local_addr().expect("bound").to_string();
    let quic = QuicLink::new(&quic, local.trust()).expect("a socket");
    let link = Fallback::with_waits(quic, local.websocket_link(), WAITS);
    let ann = client(&local, "ann", link.clone()).await;
    let mut hers = ann.subscribe(&room, Some(Cursor::start())).await.expect("the first");
    let upload = || ann.upload(Upload::bytes("a.txt", "a"));
    assert_eq!(soon("the upload", upload()).await, Err(Error::NoFiles));
    assert!(link.on_spare());

    let (sender, at) = (ann.clone(), room.clone());
    let talking = tokio::spawn(async move {
        for n in 0..MESSAGES {
            sender.send(&at, Draft::text(format!("{n:04}"))).await.expect("sent in the end");
            // Now and then it is quiet for long enough to change the way.
            let pause = if n % 150 == 149 { 1_500 } else { 5 };
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    });
    let hearing = tokio::spawn(async move {
        let (mut texts, mut last) = (Vec::new(), Seq(0));
        while texts.len() < MESSAGES {
            let (seq, body) = next(&mut hers).await;
            assert_eq!(seq, last.next(), "the next one, once");
            last = seq;
            if let Body::Message { text, .. } = body {
                texts.push(text);
            }
        }
        let all: Vec<_> = (0..MESSAGES).map(|n| format!("{n:04}")).collect();
        assert_eq!(texts, all);
    });
    let way = async |spare: bool| {
        while link.on_spare() != spare {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let config = chatcore_quic::Config::new(local.certificate());
    let (chat, forever) = (local.chat.clone(), std::future::pending());
    let served = tokio::spawn(chatcore_quic::serve(socket, chat, config, forever));
    soon("QUIC", way(false)).await;
    soon("the upload", upload()).await.expect("there are streams for it now");
    // The server is gone, and says so as far as it can; nobody answers at its port.
    served.abort();
    soon("WebSocket", way(true)).await;
    soon("the talk", talking).await.expect("no panic");
    soon("what was said", hearing).await.expect("no panic");
}
