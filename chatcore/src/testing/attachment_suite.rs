//! What every [`AttachmentStore`] must do, alone and together with the [`LogStore`] beside it. Each
//! case takes a fresh, empty store.

use crate::attachment::{Attachment, ContentHash, Usage};
use crate::clock::Timestamp;
use crate::id::{AttachmentId, ClientMsgId, MessageId, RoomId, Seq, UserId};
use crate::limits::Limits;
use crate::log::{Body, Draft, Thumbnail};
use crate::room::{Action, Actor, Command, NewRoom, Outcome, Rejection, SendAction};
use crate::store::LogStore;
use crate::store::attachment::{AttachmentStore, Keep, NotTaken, Reservation, WaitingLimit};

/// Tests an [`AttachmentStore`]: writes each case of this suite as a test of its own.
///
/// `$open` is an async closure that opens an empty store, and gives beside it whatever must outlive
/// it:
///
/// ```ignore
/// attachment_store_suite!(async || (MyStore::open().await, ()));
/// ```
#[macro_export]
macro_rules! attachment_store_suite {
    (in one, $open:expr) => {
        $crate::attachment_store_suite!(@ store_cases_in_one, $open);
    };
    (@ $cases:ident, $open:expr) => {
        $crate::$cases!(
            attachment_suite,
            $open,
            [
                an_upload_is_found_once_it_is_complete,
                every_field_is_kept,
                an_upload_is_completed_once,
                a_limit_of_bytes_counts_what_is_under_way_and_what_waits,
                a_limit_of_files_holds_against_uploads_that_begin_together,
                one_owner_does_not_use_up_the_limit_of_another,
                what_is_used_does_not_count,
                only_its_owner_uses_a_waiting_file_and_only_once,
                a_new_avatar_releases_the_one_before,
                what_is_discarded_is_gone_for_good,
                only_what_waits_expires,
                released_files_are_listed_in_pages_and_forgotten,
                what_is_not_released_is_not_forgotten,
                a_message_takes_its_files,
                a_message_with_a_file_that_is_not_to_be_had_is_refused_whole,
                a_deleted_message_releases_its_files,
                a_deleted_room_releases_its_files,
                files_of_what_is_too_old_go_with_the_sweep,
                a_file_of_a_message_is_not_discarded,
            ]
        );
    };
    ($open:expr) => {
        $crate::attachment_store_suite!(@ store_cases, $open);
    };
}

/// An [`AttachmentStore`] beside the log that puts its files into messages.
pub trait Stores: AttachmentStore + LogStore {}
impl<T: AttachmentStore + LogStore> Stores for T {}

const MOST: WaitingLimit = WaitingLimit { bytes: 1000, files: 5 };

fn user(name: &str) -> UserId {
    UserId::parse(name).expect("a sound id")
}

fn file(name: &str) -> AttachmentId {
    AttachmentId::parse(name).expect("a sound id")
}

fn upload(id: &str, owner: &str, bytes: u64) -> Reservation {
    Reservation { id: file(id), owner: user(owner), bytes, created_at: Timestamp(5_000) }
}

fn whole(upload: &Reservation) -> Attachment {
    Attachment {
        id: upload.id.clone(),
        owner: upload.owner.clone(),
        name: "café 😀.png".to_owned(),
        content_type: "image/png".to_owned(),
        size: upload.bytes,
        width: Some(640),
        height: Some(480),
        thumbnail: Some(Thumbnail {
            content_type: "image/jpeg".to_owned(),
            size: 900,
            width: 64,
            height: 48,
        }),
        created_at: upload.created_at,
        hash: ContentHash([0xA5; 32]),
        usage: Usage::Waiting,
    }
}

async fn reserve(store: &impl Stores, upload: &Reservation) -> bool {
    store.reserve_attachment(upload, MOST).await.expect("the store works")
}

/// A file that waits.
async fn waiting(store: &impl Stores, id: &str, owner: &str) -> Attachment {
    let upload = upload(id, owner, 10);
    assert!(reserve(store, &upload).await, "{id} is within the limit");
    let attachment = whole(&upload);
    assert!(store.complete_attachment(&attachment).await.expect("the store works"));
    attachment
}

async fn found(store: &impl Stores, id: &str) -> Option<Attachment> {
    store.attachment(&file(id)).await.expect("the store works")
}

async fn discard(store: &impl Stores, id: &str, owner: &str) -> bool {
    store.discard_attachment(&file(id), &user(owner)).await.expect("the store works")
}

async fn keep(store: &impl Stores, id: &str, owner: &str, keep: Keep) -> Result<Usage, NotTaken> {
    let kept = store.keep_attachment(&file(id), &user(owner), keep).await;
    kept.expect("the store works").map(|attachment| attachment.usage)
}

async fn released(store: &impl Stores) -> Vec<AttachmentId> {
    store.released_attachments(None, 100).await.expect("the store works")
}

async fn expire(store: &impl Stores, before: i64, limit: u32) -> u32 {
    store.expire_attachments(Timestamp(before), limit).await.expect("the store works")
}

/// While it is under way, nobody finds it.
pub async fn an_upload_is_found_once_it_is_complete(store: impl Stores) {
    let upload = upload("a", "ann", 10);
    assert!(reserve(&store, &upload).await);
    assert_eq!(found(&store, "a").await, None);
    assert_eq!(keep(&store, "a", "ann", Keep::Shared).await, Err(NotTaken::NotFound));
    assert!(store.complete_attachment(&whole(&upload)).await.expect("the store works"));
    assert!(found(&store, "a").await.is_some());
}

/// As it was given, with and without dimensions.
pub async fn every_field_is_kept(store: impl Stores) {
    for id in ["a", "b"] {
        let upload = upload(id, "ann", 10);
        reserve(&store, &upload).await;
        let mut attachment = whole(&upload);
        // Known only at the end; more, less or the same.
        attachment.size = 8;
        if id == "b" {
            (attachment.width, attachment.height) = (None, None);
        }
        assert!(store.complete_attachment(&attachment).await.expect("the store works"));
        assert_eq!(found(&store, id).await, Some(attachment));
    }
}

/// Nor is one completed that was never begun, or that was given up.
pub async fn an_upload_is_completed_once(store: impl Stores) {
    let attachment = waiting(&store, "a", "ann").await;
    let unknown = whole(&upload("b", "ann", 10));
    reserve(&store, &upload("c", "ann", 10)).await;
    discard(&store, "c", "ann").await;
    let given_up = whole(&upload("c", "ann", 10));
    for again in [attachment, unknown, given_up] {
        assert!(!store.complete_attachment(&again).await.expect("the store works"), "{}", again.id);
    }
    assert_eq!(found(&store, "c").await, None);
}

/// Reserved sizes first, true ones then; up to the limit, and not a byte more.
pub async fn a_limit_of_bytes_counts_what_is_under_way_and_what_waits(store: impl Stores) {
    let first = upload("a", "ann", 900);
    assert!(reserve(&store, &first).await);
    assert!(!reserve(&store, &upload("b", "ann", 101)).await);
    assert!(
        store
            .complete_attachment(&Attachment { size: 500, ..whole(&first) })
            .await
            .expect("the store works")
    );
    assert!(!reserve(&store, &upload("b", "ann", 501)).await);
    assert!(reserve(&store, &upload("b", "ann", 500)).await);
    assert!(!reserve(&store, &upload("c", "ann", 1)).await);
    assert!(!reserve(&store, &upload("d", "bob", u64::MAX)).await, "no overflow");
    discard(&store, "a", "ann").await;
    assert!(reserve(&store, &upload("c", "ann", 500)).await, "what is discarded does not count");
}

/// Each sees the others, or is seen by them.
pub async fn a_limit_of_files_holds_against_uploads_that_begin_together(store: impl Stores) {
    let uploads: Vec<_> = (0..20).map(|n| upload(&format!("u{n}"), "ann", 1)).collect();
    let begun = futures_util::future::join_all(uploads.iter().map(|u| reserve(&store, u))).await;
    assert_eq!(begun.into_iter().filter(|made| *made).count(), 5);
}

/// Everyone has their own.
pub async fn one_owner_does_not_use_up_the_limit_of_another(store: impl Stores) {
    assert!(reserve(&store, &upload("a", "ann", 1000)).await);
    assert!(reserve(&store, &upload("b", "bob", 1000)).await);
}

/// A picture, a shared file and a file of a message are not waiting.
pub async fn what_is_used_does_not_count(store: impl Stores) {
    let room = room_of(&store, "ann").await;
    for id in ["a", "b", "c"] {
        waiting(&store, id, "ann").await;
    }
    assert!(!reserve(&store, &upload("d", "ann", 1000)).await);
    keep(&store, "a", "ann", Keep::Avatar).await.expect("it waits");
    keep(&store, "b", "ann", Keep::Shared).await.expect("it waits");
    send(&store, &room, "ann", "1", &["c"]).await.expect("it waits");
    assert!(reserve(&store, &upload("d", "ann", 1000)).await);
}

/// The reason is told.
pub async fn only_its_owner_uses_a_waiting_file_and_only_once(store: impl Stores) {
    waiting(&store, "a", "ann").await;
    assert_eq!(keep(&store, "a", "bob", Keep::Shared).await, Err(NotTaken::NotOwner));
    assert_eq!(keep(&store, "x", "bob", Keep::Shared).await, Err(NotTaken::NotFound));
    assert_eq!(keep(&store, "a", "ann", Keep::Shared).await, Ok(Usage::Shared));
    assert_eq!(keep(&store, "a", "ann", Keep::Avatar).await, Err(NotTaken::InUse));
    assert_eq!(found(&store, "a").await.map(|file| file.usage), Some(Usage::Shared));
}

/// And leaves those of others alone.
pub async fn a_new_avatar_releases_the_one_before(store: impl Stores) {
    for (id, owner) in [("a", "ann"), ("b", "bob"), ("c", "ann")] {
        waiting(&store, id, owner).await;
        assert_eq!(keep(&store, id, owner, Keep::Avatar).await, Ok(Usage::Avatar));
    }
    assert_eq!(found(&store, "a").await, None);
    assert!(found(&store, "b").await.is_some() && found(&store, "c").await.is_some());
    assert_eq!(released(&store).await, [file("a")]);
}

/// Whatever it was: under way, waiting, a picture or shared. Only its owner may.
pub async fn what_is_discarded_is_gone_for_good(store: impl Stores) {
    assert!(reserve(&store, &upload("a", "ann", 10)).await);
    for id in ["b", "c", "d"] {
        waiting(&store, id, "ann").await;
    }
    keep(&store, "c", "ann", Keep::Avatar).await.expect("it waits");
    keep(&store, "d", "ann", Keep::Shared).await.expect("it waits");
    for id in ["a", "b", "c", "d"] {
        assert!(!discard(&store, id, "bob").await, "{id} is not bob's");
        assert!(discard(&store, id, "ann").await, "{id}");
        assert!(!discard(&store, id, "ann").await, "{id} a second time");
        assert_eq!(found(&store, id).await, None);
        assert_eq!(keep(&store, id, "ann", Keep::Shared).await, Err(NotTaken::NotFound));
    }
    assert!(!discard(&store, "x", "ann").await);
    assert_eq!(released(&store).await, ["a", "b", "c", "d"].map(file));
    waiting(&store, "e", "ann").await;
    keep(&store, "e", "ann", Keep::Avatar).await.expect("it waits");
    assert_eq!(released(&store).await.len(), 4, "the discarded picture is not released again");
}

/// What is used stays, however old; the limit bounds a call.
pub async fn only_what_waits_expires(store: impl Stores) {
    let room = room_of(&store, "ann").await;
    for id in ["a", "b", "c", "d"] {
        waiting(&store, id, "ann").await;
    }
    assert!(reserve(&store, &upload("e", "ann", 10)).await);
    keep(&store, "a", "ann", Keep::Avatar).await.expect("it waits");
    keep(&store, "b", "ann", Keep::Shared).await.expect("it waits");
    send(&store, &room, "ann", "1", &["c"]).await.expect("it waits");
    assert_eq!(expire(&store, 5_000, 10).await, 0, "the moment itself is not before it");
    assert_eq!(expire(&store, 5_001, 1).await, 1);
    assert_eq!(expire(&store, 5_001, 10).await, 1);
    assert_eq!(expire(&store, 5_001, 10).await, 0);
    assert_eq!(released(&store).await, ["d", "e"].map(file));
    assert!(!store.complete_attachment(&whole(&upload("e", "ann", 10))).await.expect("it works"));
    for id in ["a", "b", "c"] {
        assert!(found(&store, id).await.is_some(), "{id}");
    }
}

/// Every one of them, once.
pub async fn released_files_are_listed_in_pages_and_forgotten(store: impl Stores) {
    for id in ["d", "b", "a", "c"] {
        waiting(&store, id, "ann").await;
        discard(&store, id, "ann").await;
    }
    let first = store.released_attachments(None, 3).await.expect("the store works");
    assert_eq!(first, ["a", "b", "c"].map(file));
    let rest = store.released_attachments(first.last(), 3).await.expect("the store works");
    assert_eq!(rest, [file("d")]);
    store.forget_attachments(&first).await.expect("the store works");
    store.forget_attachments(&first).await.expect("a second time changes nothing");
    assert_eq!(released(&store).await, [file("d")]);
}

/// Not by a node whose list is out of date, nor by mistake.
pub async fn what_is_not_released_is_not_forgotten(store: impl Stores) {
    waiting(&store, "a", "ann").await;
    store.forget_attachments(&[file("a"), file("unknown")]).await.expect("the store works");
    store.forget_attachments(&[]).await.expect("the store works");
    assert!(found(&store, "a").await.is_some());
}

fn command(room: &RoomId, actor: &str, action: Action) -> Command {
    let actor = Actor::User(user(actor));
    Command { room: room.clone(), actor, at: Timestamp(6_000), action, inbox: None }
}

async fn commit(store: &impl Stores, command: Command) -> Result<Outcome, Rejection> {
    let committed = store.commit(&[command], &Limits::default()).await.expect("the store works");
    committed.outcomes.into_iter().next().expect("an outcome for each command")
}

async fn room_of(store: &impl Stores, owner: &str) -> RoomId {
    let room = RoomId::parse("room").expect("a sound id");
    let create = command(&room, owner, Action::Create(NewRoom::public("general")));
    commit(store, create).await.expect("the room is made");
    room
}

async fn send(
    store: &impl Stores,
    room: &RoomId,
    sender: &str,
    client_msg_id: &str,
    files: &[&str],
) -> Result<(MessageId, Seq), Rejection> {
    let client_msg_id = ClientMsgId::parse(client_msg_id).expect("a sound id");
    let message_id = MessageId::derive(room, &user(sender), &client_msg_id);
    let draft = Draft::text("see").attach(files.iter().map(|id| file(id)));
    let mentions = Vec::new();
    let (message, original) = (message_id.clone(), None);
    let send = SendAction { draft, client_msg_id, message_id: message, mentions, original };
    match commit(store, command(room, sender, Action::Send(send))).await? {
        Outcome::Sent { seq, .. } => Ok((message_id, seq)),
        other => panic!("a send came to {other:?}"),
    }
}

/// The message shows them, they know where they are, and a retry changes nothing.
pub async fn a_message_takes_its_files(store: impl Stores) {
    let room = room_of(&store, "ann").await;
    let files = [waiting(&store, "b", "ann").await, waiting(&store, "a", "ann").await];
    let (_, seq) = send(&store, &room, "ann", "1", &["b", "a"]).await.expect("they wait");
    for id in ["a", "b"] {
        let usage = found(&store, id).await.expect("it is used").usage;
        assert_eq!(usage, Usage::Message { room: room.clone(), seq });
    }
    let entries = store.entries(&room, Seq(seq.0 - 1), 1).await.expect("the store works");
    let Some(Body::Message { attachments, .. }) = entries.first().map(|entry| &entry.body) else {
        panic!("the message is in the log: {entries:?}");
    };
    assert_eq!(*attachments, files.map(|file| file.to_ref()), "in the order of the draft");
    let again = send(&store, &room, "ann", "1", &["b", "a"]).await.expect("it is the same message");
    assert_eq!(again.1, seq);
    assert_eq!(expire(&store, i64::MAX, 10).await, 0);
}

/// Another's, one in use, one twice, one under way: and the good one beside it still waits.
pub async fn a_message_with_a_file_that_is_not_to_be_had_is_refused_whole(store: impl Stores) {
    let room = room_of(&store, "ann").await;
    for (id, owner) in [("good", "ann"), ("bobs", "bob"), ("used", "ann")] {
        waiting(&store, id, owner).await;
    }
    reserve(&store, &upload("half", "ann", 10)).await;
    send(&store, &room, "ann", "first", &["used"]).await.expect("it waits");
    for bad in ["bobs", "used", "good", "half", "unknown"] {
        let refused = send(&store, &room, "ann", bad, &["good", bad]).await;
        assert_eq!(refused, Err(Rejection::NoSuchUpload), "{bad}");
        assert_eq!(found(&store, "good").await.map(|file| file.usage), Some(Usage::Waiting));
    }
    send(&store, &room, "ann", "last", &["good"]).await.expect("it still waits");
}

/// Those of other messages stay.
pub async fn a_deleted_message_releases_its_files(store: impl Stores) {
    let room = room_of(&store, "ann").await;
    for id in ["a", "b", "c"] {
        waiting(&store, id, "ann").await;
    }
    let (message, _) = send(&store, &room, "ann", "1", &["a", "b"]).await.expect("they wait");
    send(&store, &room, "ann", "2", &["c"]).await.expect("it waits");
    let client_msg_id = ClientMsgId::parse("3").expect("a sound id");
    let delete = Action::Delete { message, client_msg_id };
    commit(&store, command(&room, "ann", delete)).await.expect("one's own message");
    assert_eq!(found(&store, "a").await, None);
    assert_eq!(released(&store).await, ["a", "b"].map(file));
    assert!(found(&store, "c").await.is_some());
}

/// The last one out takes the files along.
pub async fn a_deleted_room_releases_its_files(store: impl Stores) {
    let room = room_of(&store, "ann").await;
    waiting(&store, "a", "ann").await;
    waiting(&store, "b", "ann").await;
    send(&store, &room, "ann", "1", &["a"]).await.expect("it waits");
    commit(&store, command(&room, "ann", Action::Leave)).await.expect("she is in it");
    assert_eq!(found(&store, "a").await, None);
    assert_eq!(released(&store).await, [file("a")]);
    assert!(found(&store, "b").await.is_some(), "what waits is not the room's");
}

/// Deleting the message is the way to do that.
pub async fn a_file_of_a_message_is_not_discarded(store: impl Stores) {
    let room = room_of(&store, "ann").await;
    waiting(&store, "a", "ann").await;
    send(&store, &room, "ann", "1", &["a"]).await.expect("it waits");
    assert!(!discard(&store, "a", "ann").await);
    assert!(found(&store, "a").await.is_some());
}

/// Those of what is kept stay, and those of other rooms.
pub async fn files_of_what_is_too_old_go_with_the_sweep(store: impl Stores) {
    let room = room_of(&store, "ann").await;
    for id in ["a", "b"] {
        waiting(&store, id, "ann").await;
    }
    let (_, old) = send(&store, &room, "ann", "1", &["a"]).await.expect("it waits");
    send(&store, &room, "ann", "2", &["b"]).await.expect("it waits");
    let expire = Action::Expire { upto: old, edited: Vec::new() };
    let host = Command { actor: Actor::System, ..command(&room, "ann", expire) };
    commit(&store, host).await.expect("the host may");
    while store.sweep(1).await.expect("the store works") > 0 {}
    assert_eq!(found(&store, "a").await, None);
    assert_eq!(released(&store).await, [file("a")]);
    assert!(found(&store, "b").await.is_some());
}
