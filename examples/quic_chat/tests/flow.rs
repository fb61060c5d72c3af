//! What is asked for, and what becomes of it.

use chatcore::clock::Timestamp;
use chatcore::id::Seq;
use chatcore::protocol::frame::{MarkFrame, MarkState, Send, Subscribed};
use chatcore_quic::client::Notice;
use crossterm::event::{KeyCode, KeyModifiers};

use super::*;
use crate::model::conversation::Place;

#[test]
fn rooms_are_followed_from_where_their_list_was_made() {
    let mut world = World::new();
    assert_eq!(world.tasks, [Task::Rooms]);
    world.tasks.clear();
    world.hear(News::Rooms(vec![summary("general", 7, 7), summary("tea", 9, 4)]));
    let follow = |name, head| Task::Follow { room: room(name), since: from(head) };
    let page = Task::Page { room: room("tea"), before: None };
    assert_eq!(
        world.tasks,
        [follow("general", 7), follow("tea", 9), page],
        "tea has something new"
    );
    world.tasks.clear();
    world.hear(News::Rooms(vec![summary("tea", 9, 4)]));
    assert_eq!(world.tasks, [Task::Unfollow(room("general"))]);
}

#[test]
fn what_is_looked_at_is_read_and_what_is_not_is_counted() {
    let mut world = World::with(vec![message(1, "2", "hello")]);
    world.said("general", "2", "you there?");
    let read = |name, seq| Task::Read { room: room(name), seq: Seq(seq) };
    assert_eq!(world.tasks, [read("general", 2)]);
    world.tasks.clear();
    world.said("tea", "2", "one");
    world.said("tea", "2", "two");
    world.said("tea", "1", "my own");
    assert_eq!((world.model.unread(), world.tasks.len()), (2, 0));
    world.shows("tea         2 │");

    world.press_with(KeyModifiers::ALT, KeyCode::Char('n'));
    assert_eq!(world.tasks, [Task::Page { room: room("tea"), before: None }]);
    let messages = vec![message(3, "2", "one"), message(4, "2", "two"), message(5, "1", "my own")];
    world.hear(News::Page { room: room("tea"), before: None, page: Ok(page(messages, true)) });
    world.shows(" new ");
    assert_eq!((world.tasks.last(), world.model.unread()), (Some(&read("tea", 5)), 0));
}

#[test]
fn what_was_read_on_another_device_is_unread_no_more() {
    let mut world = World::with(vec![message(1, "2", "hello")]);
    world.said("tea", "2", "one");
    assert_eq!(world.model.unread(), 1);
    let mark = MarkState { user: user("1"), read_seq: Seq(2), delivered_seq: Seq(2) };
    world.hear(News::Told(Notice::Mark(MarkFrame { room: room("tea"), mark })));
    assert_eq!(world.model.unread(), 0);
}

#[test]
fn a_list_that_is_older_than_what_was_read_does_not_bring_it_back() {
    let mut world = World::with(vec![message(1, "2", "hello")]);
    world.said("general", "2", "you there?");
    world.hear(News::Rooms(vec![summary("general", 2, 1), summary("tea", 0, 0)]));
    assert_eq!(world.model.unread(), 0);
}

#[test]
fn a_message_waits_is_sent_and_stands_once() {
    let mut world = World::with(vec![message(1, "2", "hello")]);
    world.enter("good morning");
    let (unsent, text) = world.tasks.iter().find_map(written).expect("it is sent");
    assert_eq!(text, "good morning");
    let Write::Send(Send { client_msg_id, .. }) = unsent.write.clone() else { panic!() };
    world.shows("good morning … waiting");
    world.shows("1 waiting");
    let (room, id) = (room("general"), client_msg_id.clone());
    world.hear(News::Sent { room, id, result: Ok(sent(2)) });
    world.shows("good morning ✓");
    world.hides("waiting");
    world.said("general", "1", "good morning");
    assert_eq!(world.screen().matches("good morning").count(), 1, "{}", world.screen());
}

#[test]
fn what_is_refused_can_be_sent_anew_or_let_go() {
    let mut world = World::with(vec![message(1, "2", "hello")]);
    world.enter("good morning");
    let refuse = |world: &mut World| {
        let mut ids = world.tasks.iter().filter_map(written).filter_map(|(unsent, _)| {
            let Write::Send(send) = &unsent.write else { return None };
            Some(send.client_msg_id.clone())
        });
        let id = ids.next_back().expect("it was sent");
        let result = Err("you are muted".to_owned());
        world.hear(News::Sent { room: room("general"), id: id.clone(), result });
        id
    };
    let first = refuse(&mut world);
    world.shows("✗ refused");
    world.shows("you are muted");
    world.press(KeyCode::Up);
    world.press(KeyCode::Char('r'));
    world.shows("waiting");
    assert_ne!(refuse(&mut world), first, "under its old name it would be the old refusal");
    world.press(KeyCode::Up);
    world.press(KeyCode::Char('d'));
    world.hides("good morning");
}

#[test]
fn what_waits_from_last_time_is_shown_in_its_room() {
    let mut world = World::new();
    let send = Send {
        client_msg_id: "old".parse().unwrap(),
        text: "from yesterday".into(),
        reply_to: None,
        attachments: Vec::new(),
        mentions: Vec::new(),
        meta: None,
    };
    let unsent = Unsent { room: room("general"), write: Write::Send(send) };
    world.hear(News::Unsent(vec![unsent]));
    world.shows("1 waiting");
    world.hear(News::Rooms(vec![summary("general", 0, 0)]));
    world.shows("from yesterday … waiting");
    let id = "old".parse().unwrap();
    world.hear(News::Sent { room: room("general"), id, result: Ok(sent(1)) });
    world.hides("waiting");
}

#[test]
fn older_messages_are_asked_for_once_and_nothing_moves() {
    let mut world = World::new();
    world.hear(News::Rooms(vec![summary("general", 100, 100)]));
    world.seq = 100;
    let newest = (51..=100).map(|n| message(n, "2", &format!("line {n}"))).collect();
    let newest = Ok(page(newest, false));
    world.hear(News::Page { room: room("general"), before: None, page: newest });
    world.tasks.clear();
    for _ in 0..12 {
        world.press(KeyCode::PageUp);
    }
    let asked = Task::Page { room: room("general"), before: Some(Seq(51)) };
    assert_eq!(world.tasks, [asked]);
    world.shows("line 51");
    let before = world.screen();
    let older = (1..=50).map(|n| message(n, "2", &format!("line {n}"))).collect();
    let older = Ok(page(older, true));
    world.hear(News::Page { room: room("general"), before: Some(Seq(51)), page: older });
    let moved: Vec<_> = before.lines().skip(4).take(8).collect();
    assert!(moved.iter().all(|line| world.screen().contains(line)), "{}", world.screen());

    world.said("general", "2", "line 101");
    world.hides("line 101");
    world.shows("1 new message · End: to the newest");
    assert_eq!(world.tasks.len(), 1, "it is not read");
    world.press(KeyCode::End);
    world.shows("line 101");
    assert_eq!(world.tasks.last(), Some(&Task::Read { room: room("general"), seq: Seq(101) }));
    for _ in 0..40 {
        world.press(KeyCode::PageUp);
    }
    world.shows("line 1\n");
}

#[test]
fn a_long_way_back_lets_go_of_the_newest_and_the_end_reads_them_anew() {
    let mut world = World::with((3_001..=3_050).map(|n| message(n, "2", "new")).collect());
    world.model.rooms[0].conversation.complete = false;
    for first in (1..=60).rev().map(|n| n * 50 - 49) {
        for _ in 0..12 {
            world.press(KeyCode::PageUp);
        }
        let older = (first..first + 50).map(|n| message(n, "2", "old")).collect();
        let older = Ok(page(older, first == 1));
        let before = Some(Seq(first + 50));
        world.hear(News::Page { room: room("general"), before, page: older });
    }
    let conversation = &world.model.rooms[0].conversation;
    assert!(conversation.detached && conversation.lines().len() <= 1_000);
    world.said("general", "2", "while away");
    world.tasks.clear();
    world.press(KeyCode::End);
    assert_eq!(world.tasks, [Task::Page { room: room("general"), before: None }]);
    assert_eq!(world.model.rooms[0].conversation.place, Place::End);
}

#[test]
fn edits_deletions_and_reactions_arrive() {
    let mut world = World::with(vec![message(1, "2", "helo"), message(2, "2", "oops")]);
    let edit = Body::Edit { message_id: id(1), text: "hello".into() };
    world.event("general", "2", edit);
    world.shows("hello (changed)");
    world.event("general", "2", Body::Delete { message_id: id(2) });
    world.hides("oops");
    world.shows("deleted");
    world.tasks.clear();
    world.event("general", "2", Body::React { message_id: id(1), emoji: "👍".into() });
    assert_eq!(world.tasks, [Task::Reread { room: room("general"), seq: Seq(1) }]);
}

#[test]
fn a_chosen_message_is_answered_changed_and_deleted() {
    let mut world = World::with(vec![message(1, "1", "mine"), message(2, "2", "theirs")]);
    world.press(KeyCode::Up);
    world.press(KeyCode::Char('e'));
    world.hides("change Ben");
    world.press(KeyCode::Char('r'));
    world.shows("answer to Ben: theirs");
    world.enter("indeed");
    let reply = world.tasks.iter().find_map(written).map(|(unsent, _)| unsent.write.clone());
    assert!(matches!(reply, Some(Write::Send(send)) if send.reply_to == Some(id(2))));
    world.model.rooms[0].conversation.waiting.clear();
    world.tasks.clear();

    world.press(KeyCode::Up);
    world.press(KeyCode::Up);
    world.press(KeyCode::Char('e'));
    world.shows("change Ann: mine");
    world.enter("!");
    let (unsent, text) = world.tasks.iter().find_map(written).expect("an edit");
    assert_eq!(text, "mine!");
    assert!(matches!(&unsent.write, Write::Edit { message_id, .. } if *message_id == id(1)));
    world.tasks.clear();

    world.press(KeyCode::Up);
    world.press(KeyCode::Up);
    world.press(KeyCode::Char('d'));
    assert_eq!(world.tasks, [], "it is asked for twice");
    world.press(KeyCode::Char('d'));
    let (unsent, _) = world.tasks.iter().find_map(written).expect("a deletion");
    assert!(matches!(&unsent.write, Write::Delete { message_id, .. } if *message_id == id(1)));
}

#[test]
fn what_cannot_be_caught_up_with_is_read_anew() {
    let mut world = World::with(vec![message(1, "2", "before the gap")]);
    let began = Subscribed {
        recovered: false,
        epoch: "e".parse().unwrap(),
        head_seq: Seq(900),
        floor_seq: Seq(800),
        marks: Vec::new(),
        presence: vec![user("2")],
        online: 1,
    };
    world.hear(News::Update(room("general"), Update::Began(Box::new(began))));
    assert_eq!(world.tasks, [Task::Page { room: room("general"), before: None }]);
    world.hides("before the gap");
    world.shows("● 1 here");
}

#[test]
fn others_hear_now_and_then_that_one_types() {
    let mut world = World::with(vec![message(1, "2", "hello")]);
    world.write("some words");
    let typing = Task::Typing { room: room("general"), on: true };
    assert_eq!(world.tasks, [typing]);
    world.hear(News::Time(Timestamp(world.model.now.0 + 3_000)));
    world.write("!");
    assert_eq!(world.tasks.len(), 2);
    world.press(KeyCode::Enter);
    world.tasks.clear();
    world.write("/leave");
    assert_eq!(world.tasks, [], "a command is nobody's business");
}

#[test]
fn commands_make_enter_and_leave_rooms() {
    let mut world = World::with(vec![message(1, "2", "hello")]);
    let kind = RoomKind::Private;
    for (command, task) in [
        ("/join", Task::Visible),
        ("/leave", Task::Leave(room("general"))),
        ("/private a b", Task::Create { kind, name: Some("a b".into()), with: Vec::new() }),
        ("/dm ben", Task::Create { kind: RoomKind::Direct, name: None, with: vec![user("2")] }),
        ("/invite @Ben", Task::Invite { room: room("general"), user: user("2") }),
        ("/logout", Task::LogOut),
        ("/quit", Task::Quit),
    ] {
        world.tasks.clear();
        world.enter(command);
        assert_eq!(world.tasks, [task], "{command}");
    }
    world.enter("/dance");
    world.shows("there is no /dance");
    world.tasks.clear();
    world.enter("//dance");
    assert_eq!(world.tasks.iter().find_map(written).expect("it is sent").1, "/dance");

    world.hear(News::Visible(vec![summary("general", 1, 1), summary("chess", 3, 0)]));
    world.shows("chess  2 members");
    world.tasks.clear();
    world.press(KeyCode::Enter);
    assert_eq!(world.tasks, [Task::Enter(room("chess"))]);
}
