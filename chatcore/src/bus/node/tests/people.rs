//! What concerns people: their sessions, their devices, who is there.

use super::*;
use crate::hub::{Closing, Membership, Notice, Subscription};
use crate::room::{Marks, NotifyLevel, NotifySetting};

async fn register(chat: &Chat, handle: &str) -> SignedIn {
    let account = NewAccount::handle(handle, "correct horse battery");
    let account = chat.accounts().register(account).await.expect("registered").account();
    let account = account.expect("no address to confirm");
    chat.accounts().start_session(&account.id, NewSession::default()).await.expect("signed in")
}

#[tokio::test(start_paused = true)]
async fn a_session_that_ends_on_one_node_ends_on_the_others() {
    for down in [false, true] {
        let nodes = Nodes::start(2, MemoryBus::default()).await;
        let ann = register(&nodes.chats[0], "ann").await;
        let other = nodes.chats[0].accounts().start_session(&ann.account.id, NewSession::default());
        let other = other.await.expect("signed in");
        let connect = |session: &SignedIn| {
            let hub = nodes.chats[1].hub();
            hub.connect(session.account.id.clone(), Some(session.session.id.clone()))
        };
        let (ends, stays) = (connect(&ann), connect(&other));
        let identity = nodes.chats[1].authenticate(&ann.tokens.access).await.expect("it lives");
        assert_eq!(identity.session.as_ref(), Some(&ann.session.id));
        settle().await;
        nodes.bus.set_down(down);
        let accounts = nodes.chats[0].accounts();
        accounts.revoke(&ann.account.id, &ann.session.id).await.expect("revoked");
        let most = if down { POLL } else { AT_ONCE };
        within(most, || ends.closing() == Some(Closing::Revoked)).await;
        if !down {
            let again = nodes.chats[1].authenticate(&ann.tokens.access).await;
            assert!(again.is_err(), "what was remembered of it is forgotten");
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(stays.closing(), None);
    }
}

/// The session was found alive a moment before it ended: it may be believed for a second, and no longer
/// than that and a poll together.
#[tokio::test(start_paused = true)]
async fn who_comes_in_by_a_session_that_has_just_ended_elsewhere_is_out_within_two_seconds() {
    let nodes = Nodes::start(2, MemoryBus::default()).await;
    let ann = register(&nodes.chats[0], "ann").await;
    for offset in [0, 200, 400, 600] {
        let session = nodes.chats[0].accounts();
        let session = session.start_session(&ann.account.id, NewSession::default()).await;
        let session = session.expect("signed in");
        nodes.bus.set_down(true);
        tokio::time::sleep(Duration::from_millis(offset)).await;
        let token = &session.tokens.access;
        nodes.chats[1].authenticate(token).await.expect("it lives, and that is remembered");
        let revoked = Instant::now();
        let accounts = nodes.chats[0].accounts();
        accounts.revoke(&ann.account.id, &session.session.id).await.expect("revoked");
        tokio::time::sleep(Duration::from_millis(990)).await;
        let believed = nodes.chats[1].authenticate(token).await.expect("still believed");
        let late = nodes.chats[1].hub().connect(believed.user, believed.session);
        within(Duration::from_secs(2), || late.closing() == Some(Closing::Revoked)).await;
        assert!(revoked.elapsed() < Duration::from_secs(2), "{:?}", revoked.elapsed());
        assert!(nodes.chats[1].authenticate(token).await.is_err());
    }
}

/// A host's own sessions are not in the store, and nobody is put out for that.
#[tokio::test(start_paused = true)]
async fn sessions_of_the_host_are_left_to_the_host() {
    #[derive(Debug)]
    struct Hosts;
    #[async_trait::async_trait]
    impl crate::account::Authenticator for Hosts {
        async fn authenticate(
            &self,
            _: &str,
        ) -> Result<crate::account::Identity, crate::account::AccountError> {
            Err(crate::account::AccountError::Unauthenticated)
        }
    }
    let nodes = Nodes::start(0, MemoryBus::default()).await;
    let mut chats = Vec::new();
    for _ in 0..2 {
        let chat = Chat::builder(Arc::clone(&nodes.store) as Arc<dyn Store>)
            .bus(Arc::clone(&nodes.bus) as Arc<dyn Bus>)
            .authenticator(Arc::new(Hosts));
        chats.push(chat.build().await.expect("it starts"));
    }
    let session = crate::id::SessionId::parse("php-4711").expect("a sound id");
    let listener = chats[1].hub().connect(user("ann"), Some(session.clone()));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(listener.closing(), None);
    chats[0].end_session(&user("ann"), &session);
    within(AT_ONCE, || listener.closing() == Some(Closing::Revoked)).await;
}

/// What a connection was told beside entries, so far.
fn told(listener: &Listener) -> Vec<Notice> {
    listener.take().notices.into()
}

#[tokio::test(start_paused = true)]
async fn ones_own_devices_hear_of_ones_ways_and_marks_on_every_node() {
    let nodes = Nodes::start(2, MemoryBus::default()).await;
    let room = nodes.room(&["ann"]).await;
    let phone = nodes.chats[1].hub().connect(user("ben"), None);
    settle().await;
    let ben = nodes.chats[0].as_user(&user("ben"));
    ben.enter(&room).await.expect("entered");
    settle().await;
    let membership = |state| Notice::Membership { room: room.clone(), state };
    assert_eq!(told(&phone), [membership(Membership::Joined)]);
    let sent = nodes.send(0, "ann", &room, "hello").await;
    ben.mark_read(&room, sent).await.expect("marked");
    settle().await;
    let marks = Marks { read_seq: sent, read_n: 1, delivered_seq: sent };
    let mark = Notice::Mark { room: room.clone(), user: user("ben"), marks };
    assert_eq!(told(&phone), [mark]);
    let kick = MemberAction::Kick { reason: None };
    nodes.chats[0].as_user(&user("ann")).member(&room, &user("ben"), kick).await.expect("kicked");
    settle().await;
    assert_eq!(told(&phone), [membership(Membership::Kicked)]);
}

#[tokio::test(start_paused = true)]
async fn ones_own_devices_hear_what_one_wants_to_be_told_of_on_every_node() {
    let nodes = Nodes::start(2, MemoryBus::default()).await;
    let room = nodes.room(&["ann", "ben"]).await;
    let phone = nodes.chats[1].hub().connect(user("ben"), None);
    let other = nodes.chats[1].hub().connect(user("ann"), None);
    settle().await;
    let ben = nodes.chats[0].as_user(&user("ben"));
    for level in [NotifyLevel::Mentions, NotifyLevel::None, NotifyLevel::All] {
        let notify = NotifySetting { level, snooze_until: None };
        ben.notify(&room, notify).await.expect("set");
        settle().await;
        assert_eq!(told(&phone), [Notice::Notify { room: room.clone(), notify }]);
        ben.notify(&room, notify).await.expect("as it is");
        settle().await;
        assert_eq!(told(&phone), [], "that is no news");
    }
    assert_eq!(told(&other), [], "it is nobody else's matter");
}

#[tokio::test(start_paused = true)]
async fn whom_one_blocks_is_known_to_ones_devices_on_every_node_and_told_nothing_more() {
    let nodes = Nodes::start(2, MemoryBus::default()).await;
    let anns = register(&nodes.chats[0], "ann").await.account.id;
    let ben = register(&nodes.chats[0], "ben").await.account.id;
    let ann = nodes.chats[0].as_user(&anns);
    let room = ann.create_room(NewRoom::direct(ben.clone())).await.expect("made").room;
    let phone = nodes.chats[1].hub().connect(anns, None);
    let (bens, _there) = comes(&nodes.chats[1], ben.as_str(), &room).await;
    settle().await;
    drop((told(&phone), told(&bens)));
    for on in [true, false] {
        let done = if on { ann.block(&ben).await } else { ann.unblock(&ben).await };
        done.expect("she may");
        settle().await;
        assert_eq!(told(&phone), [Notice::Block { user: ben.clone(), on }]);
        ann.signal(&room, "typing", true, 5_000).await.expect("signalled");
        settle().await;
        let heard = told(&bens).iter().any(|notice| matches!(notice, Notice::Signal(_)));
        assert_eq!(heard, !on, "blocked: {on}");
    }
}

/// A client that listens to a room, as a member of it.
async fn comes(chat: &Chat, who: &str, room: &RoomId) -> (Arc<Listener>, Subscription) {
    let listener = chat.hub().connect(user(who), None);
    let subscription = chat.hub().subscribe(&listener, room);
    let resume = chat.as_user(&user(who)).resume(room, None).await.expect("they may read");
    subscription.let_in(resume.joined(), resume.head_seq);
    (listener, subscription)
}

#[tokio::test(start_paused = true)]
async fn signals_and_marks_reach_those_who_listen_on_other_nodes() {
    let nodes = Nodes::start(2, MemoryBus::default()).await;
    let room = nodes.room(&["ann", "ben"]).await;
    let (anns, _here) = comes(&nodes.chats[0], "ann", &room).await;
    let (bens, _there) = comes(&nodes.chats[1], "ben", &room).await;
    settle().await;
    let sent = nodes.send(1, "ben", &room, "hello").await;
    settle().await;
    drop((told(&anns), told(&bens)));
    let ann = nodes.chats[0].as_user(&user("ann"));
    ann.signal(&room, "typing", true, 5_000).await.expect("signalled");
    ann.mark_read(&room, sent).await.expect("marked");
    settle().await;
    let heard = told(&bens);
    assert!(
        matches!(&heard[..], [Notice::Signal(signal), Notice::Mark { user: of, marks, .. }]
            if signal.kind == "typing" && signal.on && signal.user == user("ann")
                && *of == user("ann") && marks.read_seq == sent),
        "{heard:?}"
    );
    assert!(matches!(&told(&anns)[..], [Notice::Mark { .. }]), "once, and no signal of one's own");
}

fn presence(notices: &[Notice]) -> Vec<(String, bool)> {
    let of = |notice: &Notice| match notice {
        Notice::Signal(signal) if signal.kind == "presence" => {
            Some((signal.user.to_string(), signal.on))
        }
        _ => None,
    };
    notices.iter().filter_map(of).collect()
}

#[tokio::test(start_paused = true)]
async fn who_is_there_is_known_on_every_node() {
    let nodes = Nodes::start(2, MemoryBus::default()).await;
    let room = nodes.room(&["ann", "ben", "cat"]).await;
    let (anns, here) = comes(&nodes.chats[0], "ann", &room).await;
    settle().await;
    let (bens, there) = comes(&nodes.chats[1], "ben", &room).await;
    settle().await;
    assert_eq!(presence(&told(&anns)), [("ben".to_owned(), true)]);
    assert_eq!(presence(&told(&bens)), [("ann".to_owned(), true)], "she was there before");
    assert_eq!(here.present(), [user("ann"), user("ben")]);
    assert_eq!(there.present(), [user("ann"), user("ben")]);
    // On a second device, on the other node: that is no news, and neither is its going.
    let second = comes(&nodes.chats[0], "ben", &room).await;
    settle().await;
    drop(second);
    settle().await;
    assert_eq!(presence(&told(&anns)), []);
    drop(there);
    settle().await;
    assert_eq!(presence(&told(&anns)), [("ben".to_owned(), false)]);
    assert_eq!(here.present(), [user("ann")]);
}

/// Whom a crowd is told of does not depend on where they are: each node says how many are there on it.
#[tokio::test(start_paused = true)]
async fn a_crowd_is_counted_over_all_nodes() {
    let nodes = Nodes::start(2, MemoryBus::default()).await;
    let names: Vec<String> = (0..150).map(|n| format!("user{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let room = nodes.room(&names).await;
    let mut crowd = Vec::new();
    for (n, name) in names.iter().enumerate() {
        crowd.push(comes(&nodes.chats[usize::from(n >= 75)], name, &room).await);
    }
    tokio::time::sleep(Duration::from_secs(12)).await;
    let last = |listener: &Listener| {
        told(listener).into_iter().rev().find_map(|notice| match notice {
            Notice::Online { count, .. } => Some(count),
            _ => None,
        })
    };
    for (listener, subscription) in [&crowd[0], &crowd[149]] {
        assert_eq!(last(listener), Some(150));
        assert_eq!((subscription.online(), subscription.present().len()), (150, 0));
    }
    crowd.drain(100..140);
    tokio::time::sleep(Duration::from_secs(12)).await;
    for (listener, subscription) in [&crowd[0], &crowd[109]] {
        assert_eq!((last(listener), subscription.online()), (Some(110), 110));
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_was_on_a_node_that_is_gone_is_gone_with_it() {
    let mut nodes = Nodes::start(2, MemoryBus::default()).await;
    let room = nodes.room(&["ann", "ben"]).await;
    let (anns, here) = comes(&nodes.chats[0], "ann", &room).await;
    let ben = comes(&nodes.chats[1], "ben", &room).await;
    settle().await;
    assert_eq!(here.present(), [user("ann"), user("ben")]);
    // Killed: it says nothing any more.
    let gone = nodes.chats.remove(1);
    let (listener, subscription) = ben;
    std::mem::forget(subscription);
    drop((listener, gone));
    tokio::time::sleep(Duration::from_secs(25)).await;
    assert_eq!(presence(&told(&anns)), [("ben".to_owned(), false)]);
    assert_eq!(here.present(), [user("ann")]);
}
