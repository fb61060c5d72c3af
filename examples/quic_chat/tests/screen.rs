//! What is drawn.

use chatcore::clock::Timestamp;
use chatcore::id::{AttachmentId, Seq};
use chatcore::log::{AttachmentRef, Reaction};
use chatcore::protocol::frame::{MarkFrame, MarkState, SignalFrame};
use chatcore_quic::client::{Notice, Offline, Progress, State};
use crossterm::event::{KeyCode, KeyModifiers};

use super::*;

#[test]
fn a_conversation_with_all_that_can_be_in_it() {
    let mut answer = message(3, "2", "yes, at eight, and bring something to drink along");
    (answer.reply_to, answer.edited_at) = (Some(id(2)), Some(Timestamp(NOON)));
    answer.reactions = vec![Reaction { emoji: "🍵".into(), count: 2, mine: true }];
    let mut gone = message(4, "2", "");
    gone.deleted_at = Some(Timestamp(NOON));
    let mut first = message(1, "2", "hello 日本");
    first.ts = Timestamp(NOON - 86_400_000);
    let mut world = World::with(vec![first, message(2, "1", "tea?"), answer, gone]);
    world.model.size = (72, 17);
    let mark = MarkState { user: user("2"), read_seq: Seq(2), delivered_seq: Seq(2) };
    world.hear(News::Told(Notice::Mark(MarkFrame { room: room("general"), mark })));
    world.said("tea", "2", "over here");
    world.enter("is it?");
    let expected = "
 rooms           │ general
─────────────────┼──────────────────────────────────────────────────────
 ▸ general       │
   tea         1 │───────────────────── yesterday ─────────────────────
                 │ 12:00      Ben │ hello 日本
                 │─────────────────────── today ───────────────────────
                 │ 12:02      Ann │ tea? ✓✓
                 │ 12:03      Ben │ ↳ Ann: tea?
                 │                │ yes, at eight, and bring something
                 │                │ to drink along (changed)
                 │                │ 🍵 2
                 │ 12:04      Ben │ deleted
                 │            Ann │ is it? … waiting
                 │
                 │──────────────────────────────────────────────────────
                 │ › write a message, or /help
 Tab: rooms · ↑: choose · PgUp: back · F1: he…  1 waiting · ● connected";
    let expected = &expected[1..];
    let screen = world.screen();
    assert_eq!(screen, expected, "\n{screen}");
}

#[test]
fn the_connection_is_shown_as_it_is() {
    let mut world = World::with(vec![message(1, "2", "hello")]);
    world.shows("● connected");
    let until = std::time::Instant::now();
    let retry_at = Some(Timestamp(world.model.now.0 + 4_200));
    let state = State::Offline(Offline::Waiting { until });
    world.hear(News::Unreachable("timed out".into()));
    world.hear(News::State { state, retry_at, spare: false });
    world.shows("○ offline (timed out), again in 5 s");
    world.shows("Ctrl-R: connect now");
    world.hear(News::Time(Timestamp(world.model.now.0 + 3_500)));
    world.shows("again in 1 s");
    world.press_with(KeyModifiers::CONTROL, KeyCode::Char('r'));
    assert_eq!(world.tasks, [Task::Nudge]);
    world.hear(News::State { state: State::Connecting, retry_at: None, spare: false });
    world.shows("◐ connecting (timed out)");
    world.hear(News::State { state: State::Resuming, retry_at: None, spare: false });
    world.shows("◐ resuming");
    world.hear(News::State { state: State::Connected, retry_at: None, spare: true });
    world.shows("● connected (WebSocket)");
    world.hear(News::State { state: State::Connected, retry_at: None, spare: false });
    world.hides("(WebSocket)");
}

#[test]
fn who_types_is_shown_until_it_is_over() {
    let mut world = World::with(vec![message(1, "2", "hello")]);
    let signal = |ttl_ms| {
        let (room, kind) = (room("general"), "typing".to_owned());
        let signal = SignalFrame { room, kind, user: user("2"), on: true, ttl_ms };
        News::Told(Notice::Signal(signal))
    };
    world.hear(signal(5_000));
    world.shows("Ben is typing …");
    world.hear(News::Time(Timestamp(world.model.now.0 + 5_000)));
    world.hides("typing");
    world.hear(signal(5_000));
    world.said("general", "2", "here it is");
    world.hides("typing");
}

#[test]
fn files_show_how_far_they_are() {
    let mut photo = message(1, "2", "");
    let name = "photo.png".to_owned();
    let file = AttachmentId::parse("f").unwrap();
    let (width, height) = (None, None);
    let (content_type, size) = ("image/png".to_owned(), 2_400_000);
    photo.attachments = vec![AttachmentRef {
        id: file.clone(),
        name,
        content_type,
        size,
        width,
        height,
        thumbnail: None,
    }];
    let mut world = World::with(vec![photo]);
    world.shows("▤ photo.png  2.4 MB");
    world.press(KeyCode::Up);
    world.shows("s: save");
    world.press(KeyCode::Char('s'));
    assert!(matches!(&world.tasks[..], [Task::Download(asked)] if asked.id == file));
    let at = Progress { done: 600_000, total: size };
    world.hear(News::Downloading { file: file.clone(), at });
    world.shows("██░░░░░░░░ 25 %");
    world.hear(News::Saved { file, saved: Ok("/tmp/photo.png".into()) });
    world.shows("saved as /tmp/photo.png");
    world.hides("░");

    world.tasks.clear();
    world.enter("/file '/home/ann/a film.mp4'");
    let [Task::Upload { path, id, .. }] = &world.tasks[..] else { panic!("{:?}", world.tasks) };
    assert_eq!(path.to_str(), Some("/home/ann/a film.mp4"));
    let id = id.clone();
    let at = Progress { done: 50, total: 100 };
    world.hear(News::Uploading { room: room("general"), id: id.clone(), at });
    world.shows("▤ a film.mp4  100 B  █████░░░░░ 50 %");
    // It would be lost, and that is said before it is.
    world.tasks.clear();
    world.enter("/quit");
    world.shows("a file is not sent: Ctrl-C quits anyway");
    world.press(KeyCode::Left);
    world.press_with(KeyModifiers::CONTROL, KeyCode::Char('c'));
    assert!(!world.tasks.contains(&Task::Quit), "it was asked about something else since");
    world.press_with(KeyModifiers::CONTROL, KeyCode::Char('c'));
    assert!(world.tasks.contains(&Task::Quit));
    world.tasks.clear();
    let result = Err("too large".to_owned());
    world.hear(News::Sent { room: room("general"), id, result });
    world.shows("✗ refused");
    world.shows("too large");
}

#[test]
fn the_form_never_shows_a_password() {
    let mut world = World::new();
    world.hear(News::LoggedOut("You are logged out.".into()));
    world.shows("You are logged out.");
    assert_eq!(world.model.me, None);
    world.press(KeyCode::BackTab);
    world.press_with(KeyModifiers::CONTROL, KeyCode::Char('u'));
    world.tasks.clear();
    world.enter("ann");
    world.write("hunter2 two");
    world.shows("name       ann");
    world.shows("password   •••••••••••");
    world.hides("hunter");
    assert!(!format!("{:?}", world.model).contains("hunter"));
    world.press(KeyCode::F(2));
    world.shows("a new account");
    world.press(KeyCode::Enter);
    let [Task::LogIn { name, password, register: true }] = &world.tasks[..] else {
        panic!("{:?}", world.tasks)
    };
    assert_eq!((name.as_str(), password.0.as_str()), ("ann", "hunter2 two"));
    assert!(!format!("{:?}", world.tasks).contains("hunter"));
    world.shows("asking the server …");
    world.hear(News::NotLoggedIn("the name is taken".into()));
    world.shows("the name is taken");
    world.hides("•");
}

#[test]
fn no_size_of_the_terminal_is_too_small() {
    let mut world = World::with((1..40).map(|n| message(n, "2", "日本語 and words")).collect());
    world.write("a longer message, 日本語, that takes rows");
    for columns in (1..30).chain([59, 60, 61]) {
        for rows in [1, 2, 3, 4, 5, 7, 9, 12] {
            world.hear(News::Resized(columns, rows));
            world.screen();
            world.press(KeyCode::PageUp);
            world.screen();
        }
    }
    world.press(KeyCode::F(1));
    for (columns, rows) in [(1, 1), (10, 3), (20, 5), (200, 60)] {
        world.hear(News::Resized(columns, rows));
        world.screen();
    }
    world.shows("/join [NAME]");
    world.hear(News::LoggedOut("gone".into()));
    for (columns, rows) in [(1, 1), (10, 3), (20, 5)] {
        world.hear(News::Resized(columns, rows));
        world.screen();
    }
}
