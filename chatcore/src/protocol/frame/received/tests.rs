use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::chat::{
    Created, Hit, Invitation, InviteLinkSummary, Left, MadeInviteLink, MemberSummary, Readers,
    RoomSummary, SearchResult, Sent,
};
use crate::error::Code;
use crate::hub::Membership;
use crate::id::{InviteLinkId, MessageId};
use crate::log::{Body, HistoryPage, Message};
use crate::protocol::frame::*;
use crate::protocol::limits::Announced;
use crate::protocol::{DecodeError, Encoding};
use crate::room::{InviteCode, Marks, NotifyLevel, NotifySetting, Role, RoomKind};
use crate::search::Excerpt;

const MAX: usize = 256 * 1024;

const ENCODINGS: &[Encoding] = &[
    Encoding::Json,
    #[cfg(feature = "msgpack")]
    Encoding::MessagePack,
];

fn room() -> RoomId {
    RoomId::parse("lobby").expect("valid")
}

fn user() -> UserId {
    UserId::parse("ann").expect("valid")
}

fn epoch() -> Epoch {
    Epoch::parse("e1").expect("valid")
}

fn message_id() -> MessageId {
    MessageId::from_bytes([7; 16])
}

fn subscribed() -> Subscribed {
    let mark = MarkState { user: user(), read_seq: Seq(3), delivered_seq: Seq(4) };
    Subscribed {
        recovered: true,
        epoch: epoch(),
        head_seq: Seq(9),
        floor_seq: Seq(0),
        marks: vec![mark],
        presence: vec![user()],
        online: 1,
    }
}

fn message() -> Message {
    Message {
        seq: Seq(4),
        n: 1,
        message_id: message_id(),
        user: user(),
        ts: Timestamp(5),
        text: "hi".into(),
        reply_to: Some(message_id()),
        attachments: Vec::new(),
        mentions: vec![user()],
        meta: Some(json!({"a": [1, 2.5, null]})),
        edited_at: Some(Timestamp(6)),
        deleted_at: None,
        reactions: vec![crate::log::Reaction { emoji: "+1".into(), count: 2, mine: true }],
        pinned: true,
    }
}

fn summary() -> RoomSummary {
    RoomSummary {
        room: room(),
        kind: RoomKind::Private,
        name: Some("Lobby".into()),
        topic: None,
        state: Some(Membership::Joined),
        role: Some(Role::Owner),
        members: 2,
        created_at: Timestamp(1),
        epoch: epoch(),
        head_seq: Seq(9),
        head_n: 4,
        floor_seq: Seq(0),
        floor_n: 1,
        read_seq: Seq(3),
        read_n: 1,
        delivered_seq: Seq(4),
        unread: 3,
        mentions: 2,
        slow_mode: 7,
        pins: 1,
        notify: NotifySetting { level: NotifyLevel::Mentions, snooze_until: Some(Timestamp(7)) },
        muted: true,
        badge: 2,
        retention: 8,
    }
}

fn members() -> MemberList {
    let marks = Marks { read_seq: Seq(3), read_n: 2, delivered_seq: Seq(4) };
    let member = MemberSummary { user: user(), role: Role::Owner, muted_until: None, marks };
    MemberList::page(vec![member], 1)
}

fn found() -> SearchResult {
    let query = crate::search::Query::parse("tea").expect("a sound query");
    let hit = Hit {
        room: room(),
        seq: Seq(4),
        n: 1,
        message_id: message_id(),
        user: user(),
        ts: Timestamp(5),
        edited_at: None,
        excerpt: Excerpt::of("a tea", &query),
    };
    SearchResult { hits: vec![hit], next: Some("7".into()), behind: false }
}

fn answers() -> Vec<Answer> {
    let sent =
        Sent { seq: Seq(4), n: 1, message_id: message_id(), ts: Timestamp(5), duplicate: false };
    vec![
        Answer::Sent(sent),
        Answer::Changed(Changed { head_seq: Seq(9) }),
        Answer::Found(found()),
        Answer::InviteLink(MadeInviteLink { link: invite_link(), code: InviteCode::new("c") }),
        Answer::InviteLinks(InviteLinkList { links: vec![invite_link()] }),
        Answer::Invitation(Invitation { name: Some("Lobby".into()) }),
        Answer::Invitation(Invitation { name: None }),
        Answer::Members(members()),
        Answer::Pins(PinList { pinned: vec![message()], next: Some(Seq(4)) }),
        Answer::Pins(PinList::default()),
        Answer::Readers(Readers { readers: vec![user()], next: Some(user()) }),
        Answer::Readers(Readers::default()),
        Answer::Room(Created { room: room(), epoch: epoch(), head_seq: Seq(9) }),
        Answer::Left(Left { deleted: true }),
        Answer::Rooms(RoomList {
            rooms: vec![summary()],
            blocked: vec![user()],
            next: Some(room()),
        }),
        Answer::Blocks(BlockList { blocks: vec![user()], next: Some(user()) }),
        Answer::Blocks(BlockList::default()),
        Answer::Rooms(RoomList::default()),
        Answer::History(HistoryPage {
            messages: vec![message()],
            found_oldest: true,
            found_newest: false,
        }),
        Answer::Subscribed(subscribed()),
        Answer::Renewed(TokenRenewed { token_expires_at: Some(Timestamp(7)) }),
        Answer::Renewed(TokenRenewed { token_expires_at: None }),
        Answer::Done {},
    ]
}

fn frames() -> Vec<ServerFrame> {
    let failure = Failure {
        retry_after_ms: Some(500),
        ..Failure::bad_request("text", "a message needs text or an attachment")
    };
    let mut frames: Vec<_> = answers()
        .into_iter()
        .map(|answer| ServerFrame::Result { id: RequestId(7), answer })
        .collect();
    frames.extend([
        ServerFrame::Welcome(Box::new(Welcome {
            version: 1,
            session: None,
            user: user(),
            heartbeat_ms: 25_000,
            limits: Announced::default(),
            caps: vec!["ticket".into()],
            token_expires_at: Some(Timestamp(9)),
            ticket: Some(Token::new("once")),
            rooms: BTreeMap::from([
                (room(), Resumed::Subscribed(subscribed())),
                (RoomId::parse("gone").expect("valid"), Resumed::Refused(failure.clone())),
            ]),
        })),
        ServerFrame::Error { id: Some(RequestId(7)), failure: failure.clone() },
        ServerFrame::Error { id: None, failure },
        ServerFrame::Signal(SignalFrame {
            room: room(),
            kind: "typing".into(),
            user: user(),
            on: true,
            ttl_ms: 5_000,
        }),
        ServerFrame::Mark(MarkFrame {
            room: room(),
            mark: MarkState { user: user(), read_seq: Seq(3), delivered_seq: Seq(4) },
        }),
        ServerFrame::Membership(MembershipFrame { room: room(), state: Membership::Kicked }),
        ServerFrame::AuthExpiring(AuthExpiring { expires_at: Timestamp(9) }),
        ServerFrame::Goaway(Goaway { retry_after_ms: 500, ticket: Some(Token::new("once")) }),
        ServerFrame::Ticket(TicketFrame { ticket: Token::new("once") }),
        ServerFrame::Pong(Pong { ts: Timestamp(9) }),
        ServerFrame::Block(BlockFrame { user: user(), on: true }),
        ServerFrame::Online(OnlineFrame { room: room(), count: 9_981 }),
        ServerFrame::Notify(NotifyFrame {
            room: room(),
            level: NotifyLevel::None,
            snooze_until: Some(Timestamp(9)),
        }),
    ]);
    frames.extend([GapReason::Slow, GapReason::Retention, GapReason::Epoch].map(|reason| {
        ServerFrame::Gap(Gap { room: room(), epoch: epoch(), head_seq: Seq(9), reason })
    }));
    frames
}

fn link() -> InviteLinkId {
    InviteLinkId::parse("link-1").expect("valid")
}

fn invite_link() -> InviteLinkSummary {
    InviteLinkSummary {
        link: link(),
        created_by: user(),
        created_at: Timestamp(1),
        expires_at: Timestamp(9),
        uses: Some(3),
        used: 1,
    }
}

fn bodies() -> Vec<Body> {
    let (message_id, target) = (message_id(), user());
    let (emoji, reason, until) = ("+1".to_owned(), Some("spam".to_owned()), Some(Timestamp(8)));
    vec![
        Body::Message {
            message_id: message_id.clone(),
            text: "hi".into(),
            reply_to: None,
            attachments: Vec::new(),
            mentions: vec![user()],
            meta: Some(json!({"n": 1e30})),
            edited_at: None,
            deleted_at: Some(Timestamp(6)),
        },
        Body::Edit { message_id: message_id.clone(), text: "ho".into() },
        Body::Delete { message_id: message_id.clone() },
        Body::React { message_id: message_id.clone(), emoji: emoji.clone() },
        Body::Unreact { message_id: message_id.clone(), emoji },
        Body::Pin { message_id: message_id.clone() },
        Body::Unpin { message_id },
        Body::Enter { link: None },
        Body::Enter { link: Some(link()) },
        Body::Link { link: link(), expires_at: Timestamp(9), uses: Some(3) },
        Body::Unlink { link: link() },
        Body::Leave {},
        Body::Invite { target: target.clone() },
        Body::Kick { target: target.clone(), reason: reason.clone() },
        Body::Ban { target: target.clone(), until, reason: reason.clone() },
        Body::Unban { target: target.clone() },
        Body::Mute { target: target.clone(), until, reason },
        Body::Unmute { target: target.clone() },
        Body::Role { target, role: Role::Moderator },
        Body::Room {
            name: None,
            topic: Some("all".into()),
            visibility: RoomKind::Public,
            slow_mode: 5,
            retention: 6,
        },
    ]
}

fn entry(body: Body) -> Entry {
    let n = matches!(body, Body::Message { .. }).then_some(1);
    let client_msg_id = n.map(|_| crate::id::ClientMsgId::parse("c1").expect("valid"));
    let (room, epoch, user) = (room(), epoch(), user());
    Entry { room, epoch, seq: Seq(4), user, ts: Timestamp(5), n, client_msg_id, body }
}

fn received(value: &Value) -> Result<Received, DecodeError> {
    let read = |encoding: &Encoding| {
        let mut bytes = Vec::new();
        encoding.encode(value, &mut bytes);
        encoding.decode_server(&bytes, MAX)
    };
    let results: Vec<_> = ENCODINGS.iter().map(read).collect();
    assert!(results.iter().all(|r| *r == results[0]), "encodings differ: {results:?}");
    results.into_iter().next().expect("JSON is always there")
}

#[test]
fn every_frame_is_read_as_it_was_written_in_every_encoding() {
    for frame in frames() {
        for encoding in ENCODINGS {
            let mut bytes = Vec::new();
            encoding.encode(&frame, &mut bytes);
            let read = encoding.decode_server(&bytes, MAX);
            assert_eq!(read, Ok(Received::Frame(Box::new(frame.clone()))), "{encoding:?}");
        }
        // And by serde alone, for those who decode by themselves.
        let text = serde_json::to_string(&frame).expect("plain data");
        assert_eq!(serde_json::from_str::<ServerFrame>(&text).expect("a frame"), frame);
        #[cfg(feature = "msgpack")]
        {
            let bytes = rmp_serde::to_vec_named(&frame).expect("plain data");
            assert_eq!(rmp_serde::from_slice::<ServerFrame>(&bytes).expect("a frame"), frame);
        }
    }
}

#[test]
fn every_kind_of_entry_is_read_as_it_was_written() {
    for body in bodies() {
        let entry = entry(body);
        for encoding in ENCODINGS {
            let mut bytes = Vec::new();
            encoding.encode(&EventFrame::new(&entry), &mut bytes);
            let event = Event::Entry(entry.clone());
            assert_eq!(encoding.decode_server(&bytes, MAX), Ok(Received::Event(Box::new(event))));
        }
    }
}

#[test]
fn a_later_kind_of_entry_keeps_its_place_and_its_fields() {
    let read = received(&json!({
        "op": "event", "room": "lobby", "epoch": "e1", "seq": 4, "user": "ann", "ts": 5,
        "kind": "poll", "question": "tea?", "n": 3
    }));
    let Ok(Received::Event(event)) = read else { panic!("{read:?}") };
    assert_eq!(
        (event.room().as_str(), event.epoch().as_str(), event.seq()),
        ("lobby", "e1", Seq(4))
    );
    let Event::Unknown(entry) = *event else { panic!("{event:?}") };
    assert_eq!((entry.kind.as_str(), &entry.fields["question"]), ("poll", &json!("tea?")));
}

#[test]
fn a_known_kind_that_has_become_more_is_no_error() {
    let role = json!({
        "op": "event", "room": "lobby", "epoch": "e1", "seq": 4, "user": "ann", "ts": 5,
        "kind": "role", "target": "bob", "role": "bishop"
    });
    assert!(matches!(received(&role), Ok(Received::Event(e)) if e.entry().is_none()));
}

#[test]
fn what_a_later_server_adds_is_passed_over() {
    let pong = received(&json!({"op": "pong", "ts": 5, "drift": {"deep": [1]}}));
    let expected = ServerFrame::Pong(Pong { ts: Timestamp(5) });
    assert_eq!(pong, Ok(Received::Frame(Box::new(expected))));
    assert_eq!(
        received(&json!({"op": "waltz", "x": 1})),
        Ok(Received::Unknown { op: "waltz".into() })
    );
    let gap =
        json!({"op": "gap", "room": "lobby", "epoch": "e1", "head_seq": 9, "reason": "tired"});
    assert!(received(&gap).is_ok());
    let error = received(&json!({"op": "error", "id": 1, "code": "teapot", "message": "short"}));
    let failure = Failure::new(Code::Internal, "short");
    let expected = ServerFrame::Error { id: Some(RequestId(1)), failure };
    assert_eq!(error, Ok(Received::Frame(Box::new(expected))));
}

#[test]
fn a_result_that_cannot_be_read_names_its_request() {
    let result = received(&json!({"op": "result", "id": 7, "message_id": "short", "seq": 1}));
    assert!(
        matches!(result, Err(DecodeError::Refused { id: Some(RequestId(7)), .. })),
        "{result:?}"
    );
    assert!(received(&json!({"op": 5})).is_err());
    assert!(received(&json!([])).is_err());
}
