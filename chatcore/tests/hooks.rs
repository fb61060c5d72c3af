//! What a host puts before and after what happens in rooms.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chatcore::hook::{
    AfterCommit, Asked, Asking, Before, BeforeOptions, Committed, HookFault, OnFailure, Refusal,
};
use chatcore::id::{RoomId, Seq, UserId};
use chatcore::log::{Body, Draft, Entry};
use chatcore::room::{NewRoom, Rejection};
use chatcore::store::Store;
use chatcore::store::memory::MemoryStore;
use chatcore::{Chat, Error};

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

fn draft(text: &str) -> Draft {
    Draft::text(text).once(text).unwrap()
}

/// Replaces a word, refuses another, waits at a third, and panics at a fourth.
#[derive(Debug)]
struct Words;

#[async_trait]
impl Before for Words {
    async fn before(&self, Asked { by, what, .. }: Asked) -> Result<Asking, Refusal> {
        let say = |text: &str| match text {
            "bad" => Err(Refusal::because("not here, please")),
            "panic" => panic!("as it was asked to"),
            text => Ok(text.replace("heck", "****")),
        };
        match what {
            Asking::Send(draft) => {
                if draft.text == "slow" {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                if draft.text == "never" {
                    std::future::pending::<()>().await;
                }
                if draft.text == "grow" {
                    return Ok(Asking::Send(Draft { text: "x".repeat(1 << 20), ..draft }));
                }
                Ok(Asking::Send(Draft { text: say(&draft.text)?, ..draft }))
            }
            Asking::Edit { message, text } => Ok(Asking::Edit { message, text: say(&text)? }),
            Asking::Enter if by == chatcore::room::Actor::User(user("mallory")) => {
                Err(Refusal::because("not you"))
            }
            Asking::CreateRoom(new) if new.name.as_deref() == Some("bad") => {
                Err(Refusal::because("no such name"))
            }
            other => Ok(other),
        }
    }
}

async fn judged(on_failure: OnFailure) -> (Chat, RoomId) {
    let options = BeforeOptions::new(on_failure).with_deadline(Duration::from_millis(400));
    let store = Arc::new(MemoryStore::new());
    let chat = Chat::builder(store).before(Arc::new(Words), options).build().await.unwrap();
    let room = chat.as_user(&user("ann")).create_room(NewRoom::public("a")).await.unwrap().room;
    (chat, room)
}

async fn texts(chat: &Chat, room: &RoomId) -> Vec<String> {
    let log = chat.as_system().log(room, Seq::START, 200).await.unwrap();
    log.into_iter().filter_map(text).collect()
}

fn text(entry: Entry) -> Option<String> {
    match entry.body {
        Body::Message { text, .. } => Some(text),
        _ => None,
    }
}

#[tokio::test]
async fn before_changes_and_refuses_with_a_reason() {
    let (chat, room) = judged(OnFailure::Closed).await;
    let ann = chat.as_user(&user("ann"));
    let sent = ann.send(&room, draft("what the heck")).await.unwrap();
    assert_eq!(texts(&chat, &room).await, ["what the ****"]);
    // A retry is told by what was sent, not by what became of it.
    let again = ann.send(&room, draft("what the heck")).await.unwrap();
    assert_eq!((again.seq, again.duplicate), (sent.seq, true));
    let refused = ann.send(&room, draft("bad")).await.unwrap_err();
    let why = "not here, please".to_owned();
    assert!(matches!(&refused, Error::Rejected(Rejection::Refused { why: w }) if *w == why));
    assert_eq!((refused.code().as_str(), refused.public_message()), ("forbidden", why));
    let once = chatcore::id::ClientMsgId::parse("e").unwrap();
    let edited = ann.edit(&room, &sent.message_id, once.clone(), "heck".into()).await;
    edited.unwrap();
    assert_eq!(texts(&chat, &room).await, ["****"]);
    let edit = ann.edit(&room, &sent.message_id, once, "bad".into()).await;
    assert!(matches!(edit, Err(Error::Rejected(Rejection::Refused { .. }))));
    let enter = chat.as_user(&user("mallory")).enter(&room).await;
    assert!(matches!(enter, Err(Error::Rejected(Rejection::Refused { .. }))));
    let made = ann.create_room(NewRoom::public("bad")).await;
    assert!(matches!(made, Err(Error::Rejected(Rejection::Refused { .. }))));
}

#[tokio::test]
async fn hook_that_fails_lets_pass_or_not_as_the_host_chose() {
    for word in ["never", "panic", "grow"] {
        let (chat, room) = judged(OnFailure::Open).await;
        chat.as_user(&user("ann")).send(&room, draft(word)).await.unwrap();
        assert_eq!(texts(&chat, &room).await, [word]);
        let (chat, room) = judged(OnFailure::Closed).await;
        let began = Instant::now();
        let failed = chat.as_user(&user("ann")).send(&room, draft(word)).await;
        assert!(matches!(failed, Err(Error::Unavailable)), "{failed:?}");
        assert!(began.elapsed() < Duration::from_secs(3));
        assert_eq!(texts(&chat, &room).await, [""; 0]);
    }
}

#[tokio::test]
async fn one_persons_messages_keep_their_order_and_others_do_not_wait() {
    let (chat, room) = judged(OnFailure::Closed).await;
    let (ann, bob) = (chat.as_user(&user("ann")), chat.as_user(&user("bob")));
    bob.enter(&room).await.unwrap();
    let slow = ann.submit_send(&room, draft("slow")).unwrap();
    let refused = ann.submit_send(&room, draft("bad")).unwrap();
    let quick = ann.submit_send(&room, draft("quick")).unwrap();
    let began = Instant::now();
    bob.send(&room, draft("other")).await.unwrap();
    assert!(began.elapsed() < Duration::from_millis(150), "{:?}", began.elapsed());
    slow.outcome().await.unwrap();
    assert!(refused.outcome().await.is_err());
    quick.outcome().await.unwrap();
    assert_eq!(texts(&chat, &room).await, ["other", "slow", "quick"]);
}

/// Writes down what it is told; fails, or stands still, when it is told to.
#[derive(Debug, Default)]
struct Audit {
    told: Mutex<Vec<Committed>>,
    failures: AtomicUsize,
    stuck: AtomicUsize,
}

#[async_trait]
impl AfterCommit for Audit {
    async fn committed(&self, batch: &Committed) -> Result<(), HookFault> {
        self.told.lock().unwrap().push(batch.clone());
        if self.stuck.load(Ordering::SeqCst) > 0 {
            std::future::pending::<()>().await;
        }
        let left = |n: usize| n.checked_sub(1);
        match self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left) {
            Ok(_) => Err("not now".into()),
            Err(_) => Ok(()),
        }
    }
}

impl Audit {
    fn texts(&self) -> Vec<String> {
        let told = self.told.lock().unwrap();
        told.iter().flat_map(|batch| batch.entries.iter().cloned().filter_map(text)).collect()
    }

    async fn has(&self, number: usize) -> Vec<String> {
        for _ in 0..1_000 {
            let texts = self.texts();
            if texts.len() >= number {
                return texts;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("told only of {:?}", self.texts());
    }
}

async fn told(store: Arc<dyn Store>, hook: &Arc<Audit>) -> Chat {
    let chat = Chat::builder(store).after_commit("audit", Arc::clone(hook) as _).build();
    let chat = chat.await.unwrap();
    // The name is known to the store from a moment after the start on.
    tokio::time::sleep(Duration::from_millis(200)).await;
    chat
}

#[tokio::test]
async fn after_commit_is_told_in_order_and_again_after_failures_with_the_same_id() {
    let hook = Arc::new(Audit::default());
    hook.failures.store(2, Ordering::SeqCst);
    let chat = told(Arc::new(MemoryStore::new()), &hook).await;
    let ann = chat.as_user(&user("ann"));
    let room = ann.create_room(NewRoom::public("a")).await.unwrap().room;
    let began = Instant::now();
    for index in 0..300 {
        ann.send(&room, draft(&format!("m{index}"))).await.unwrap();
    }
    assert!(began.elapsed() < Duration::from_secs(3), "a failing hook holds up nobody");
    let mut seen = Vec::<Committed>::new();
    let mut repeated = 0;
    hook.has(300).await;
    for _ in 0..500 {
        if hook.texts().last().is_some_and(|last| last == "m299") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for batch in hook.told.lock().unwrap().iter() {
        match seen.iter().find(|before| before.id == batch.id) {
            Some(before) => {
                assert_eq!(before.entries, batch.entries);
                repeated += 1;
            }
            None => seen.push(batch.clone()),
        }
    }
    assert_eq!(repeated, 2, "what failed comes again");
    let seqs: Vec<_> = seen.iter().flat_map(|b| b.entries.iter().map(|e| e.seq.0)).collect();
    assert!(seqs.iter().copied().eq(1..=302), "{seqs:?}");
}

#[tokio::test]
async fn two_hooks_of_one_name_are_refused() {
    let hook: Arc<Audit> = Arc::default();
    let builder = Chat::builder(Arc::new(MemoryStore::new()))
        .after_commit("audit", Arc::clone(&hook) as _)
        .after_commit("audit", hook);
    assert!(matches!(builder.build().await, Err(Error::Invalid(_))));
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn what_was_being_told_when_the_process_ended_is_told_again_as_it_was() {
    use chatcore::store::sqlite::SqliteStore;

    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("chat.db").display());
    let store = Arc::new(SqliteStore::open(&url).await.unwrap());
    let hook = Arc::new(Audit::default());
    let chat = told(Arc::clone(&store) as _, &hook).await;
    let ann = chat.as_user(&user("ann"));
    let room = ann.create_room(NewRoom::public("a")).await.unwrap().room;
    ann.send(&room, draft("one")).await.unwrap();
    hook.has(1).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    // From here on it stands still in the middle of its work, until the process ends.
    hook.stuck.store(1, Ordering::SeqCst);
    ann.send(&room, draft("two")).await.unwrap();
    hook.has(2).await;
    ann.send(&room, draft("three")).await.unwrap();
    chat.shutdown().await;
    drop((chat, ann));
    store.close().await.unwrap();
    let first = hook.told.lock().unwrap().last().cloned().unwrap();

    let store = Arc::new(SqliteStore::open(&url).await.unwrap());
    let hook = Arc::new(Audit::default());
    let _chat = told(store, &hook).await;
    assert_eq!(hook.has(2).await, ["two", "three"]);
    let again = hook.told.lock().unwrap()[0].clone();
    assert_eq!((again.id, again.entries), (first.id, first.entries));
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_nodes_one_tells_and_another_takes_over() {
    use chatcore::store::postgres::PostgresStore;

    // Where PostgreSQL is missing, that has been said.
    let Some(server) = chatcore_servers::Postgres::shared() else { return };
    let url = format!("{}&schema=hooks", server.url());
    let (mut chats, mut hooks) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let hook = Arc::new(Audit::default());
        let store = Arc::new(PostgresStore::open(&url).await.unwrap());
        chats.push(told(store, &hook).await);
        hooks.push(hook);
    }
    let ann = chats[1].as_user(&user("ann"));
    let room = ann.create_room(NewRoom::public("a")).await.unwrap().room;
    for index in 0..40 {
        chats[index % 2]
            .as_user(&user("ann"))
            .send(&room, draft(&format!("m{index}")))
            .await
            .unwrap();
    }
    let all: Vec<_> = (0..40).map(|index| format!("m{index}")).collect();
    assert_eq!(hooks[0].has(40).await, all);
    assert_eq!(hooks[1].texts(), [""; 0], "one node tells");
    chats[0].shutdown().await;
    ann.send(&room, draft("later")).await.unwrap();
    assert_eq!(hooks[1].has(1).await, ["later"]);
}
