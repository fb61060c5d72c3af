//! What a message may hold, and that it comes back as it went in.

use chatcore::Code;
use chatcore::id::{ClientMsgId, Seq};
use chatcore::limits::Limits;
use chatcore::log::{Body, Draft};
use serde_json::{Value, json};

use crate::world::{Ground, World, draft, newest, over_every_store, refused, say, start};

over_every_store!(
    texts_out_of_bounds_get_a_precise_answer,
    hostile_texts_come_back_byte_for_byte,
    meta_comes_back_as_it_went_in_or_is_refused,
    a_flood_of_sends_meets_the_rate_and_no_ack_is_lost,
    statistics_of_one_busy_room_stay_bounded,
);

/// Texts that hurt whoever interprets them.
pub(crate) const HOSTILE: &[&str] = &[
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "javascript:alert(document.cookie)",
    "[click](javascript:alert(1))",
    "\u{1b}[2J\u{1b}]0;owned\u{7}",
    "'; DROP TABLE entries; --",
    "%_%' OR 1=1 -- \\",
    "${jndi:ldap://evil/x} {{7*7}} #{7*7} %s%n%x",
    "\u{202e}gpj.exe\u{202c} \u{2066}x\u{2069}",
    "e\u{301} is not \u{e9}, \u{ff21} is not A, \u{212b} is not \u{c5}",
    "\u{feff}bom, \u{200b}zero\u{200d}width, \u{ad}soft, \u{2028}line\u{2029}paragraph",
    "👨\u{200d}👩\u{200d}👧\u{200d}👦 🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f} \u{10ffff}\u{fdd0}\u{e000}",
    " leading, trailing and \t tabs\r\nand \u{85} lines \u{b}\u{c} ",
    "\\u0000 \\x00 &#0; &lt; \\\\ \" \u{7f} \u{80}",
    "-1e309 NaN null true [] {} \u{fffd}\u{fffe}\u{ffff}",
    "\n",
    "\u{200b}",
];

/// Rule 35, on the library. That a string is UTF-8 is the adapters' to see to.
async fn texts_out_of_bounds_get_a_precise_answer(ground: Ground) {
    let world = World::new(ground).await;
    let room = world.public("ann", &[]).await;
    let ann = world.person("ann");
    let id = say(&ann, &room, "fine").await;
    let before = world.log(&room).await;
    let most = Limits::default().text_bytes;
    let tower = format!("e{}", "\u{301}".repeat(17));
    let enclosed = format!("x{}", "\u{20dd}".repeat(40));
    let refusals = [
        (String::new(), Code::BadRequest, "text"),
        ("nul\0nul".to_owned(), Code::BadRequest, "text"),
        ("\0".to_owned(), Code::BadRequest, "text"),
        (tower, Code::BadRequest, "text"),
        (enclosed, Code::BadRequest, "text"),
    ];
    for (n, (text, code, field)) in refusals.into_iter().enumerate() {
        let error = ann.send(&room, Draft::text(text.as_str())).await.unwrap_err();
        assert_eq!((error.code(), error.field()), (code, Some(field)), "{n}");
        let name = ClientMsgId::parse(&format!("e{n}")).unwrap();
        assert_eq!(refused(ann.edit(&room, &id, name, text).await), code, "{n}");
    }
    // One byte too many, also where that byte is the last of a character.
    for text in ["x".repeat(most + 1), format!("{}é", "x".repeat(most - 1)), "x".repeat(20 << 20)]
    {
        let error = ann.send(&room, Draft::text(text.as_str())).await.unwrap_err();
        assert_eq!(error.code(), Code::TooLarge);
        assert!(error.to_string().contains("65536"), "{error}");
        let name = ClientMsgId::parse("large").unwrap();
        assert_eq!(refused(ann.edit(&room, &id, name, text).await), Code::TooLarge);
    }
    let empty = ClientMsgId::parse("empty").unwrap();
    assert_eq!(refused(ann.edit(&room, &id, empty, String::new()).await), Code::BadRequest);
    for bad in ["", "tab\t", "nul\0", "\u{80}", &"x".repeat(65)] {
        assert!(ClientMsgId::parse(bad).is_err(), "{bad:?}");
    }
    assert_eq!(world.log(&room).await, before);
    // What just fits, fits; and what looks like a tower but is a living script passes.
    let exact = "é".repeat(most / 2);
    ann.send(&room, Draft::text(exact.as_str())).await.unwrap();
    let page = ann.history(&room, newest(1)).await.unwrap();
    assert_eq!(page.messages[0].text, exact);
    for living in
        ["ก็ปี่นี้น้ำ", "ধন্যবাদ নমস্কার", "שָׁלוֹם עֲלֵיכֶם", "ơ̂́ ợ", &format!("e{}", "\u{301}".repeat(16))]
    {
        ann.send(&room, Draft::text(living)).await.unwrap();
    }
}

/// Rule 36.
async fn hostile_texts_come_back_byte_for_byte(ground: Ground) {
    let mut world = World::new(ground).await;
    let room = world.public("ann", &["bob"]).await;
    let head = world.person("ann").room(&room).await.unwrap().head_seq;
    let mut live = world.person("bob").subscribe(&room, start()).await.unwrap();
    while live.next().await.unwrap().unwrap().seq < head {}
    for (n, text) in HOSTILE.iter().enumerate() {
        let ann = world.person("ann");
        // Names of messages may be as odd.
        let name: String = text.chars().filter(|c| !c.is_control()).take(15).collect();
        let name = if name.is_empty() { n.to_string() } else { name };
        let sent = ann.send(&room, draft(text, &name)).await.unwrap();
        let entry = live.next().await.unwrap().unwrap();
        assert!(crate::world::says(&entry, text), "{entry:?}");
        assert_eq!(entry.client_msg_id.unwrap().as_str(), name);
        assert_eq!(ann.message(&room, &sent.message_id).await.unwrap().text, *text);
        let edit = ClientMsgId::parse(&format!("edit {n}")).unwrap();
        let edited = format!("{text}{text}");
        ann.edit(&room, &sent.message_id, edit, edited.clone()).await.unwrap();
        let entry = live.next().await.unwrap().unwrap();
        assert!(matches!(&entry.body, Body::Edit { text, .. } if *text == edited));
        assert!(ann.send(&room, draft(text, &name)).await.unwrap().duplicate);
    }
    world.restart().await;
    let page = world.person("bob").history(&room, newest(200)).await.unwrap();
    let kept: Vec<_> = page.messages.into_iter().map(|message| message.text).collect();
    let sent: Vec<_> = HOSTILE.iter().map(|text| format!("{text}{text}")).collect();
    assert_eq!(kept, sent);
}

/// A value so deep that what reads it back might refuse it, or run out of stack: it must not be let
/// into the log, as whoever reads that page could not read on.
fn nested(depth: usize) -> Value {
    (0..depth)
        .fold(json!(1), |inner, n| if n % 2 == 0 { json!([inner]) } else { json!({ "a": inner }) })
}

async fn meta_comes_back_as_it_went_in_or_is_refused(ground: Ground) {
    let mut world = World::new(ground).await;
    let room = world.public("ann", &[]).await;
    let values = [
        json!({ "text": "not the text", "kind": "leave", "seq": 1, "user": "bob", "n": 9 }),
        json!({ "__proto__": { "admin": true }, "constructor": null, "\u{0}": "\u{0}" }),
        json!([u64::MAX, i64::MIN, 0.1, 1e308, -0.0, 5e-324, 9007199254740993_u64]),
        json!(null),
        json!("just a text"),
        json!({ "a": { "a": { "a": [[], {}, ""] } } }),
        nested(24),
        nested(25),
        nested(60),
        nested(110),
        nested(127),
        nested(500),
        Value::Array(vec![json!([]); 1_000]),
        json!("x".repeat(4_094)),
        json!("x".repeat(4_095)),
        json!("\u{1}".repeat(4_000)),
    ];
    let mut kept = Vec::new();
    for (n, meta) in values.into_iter().enumerate() {
        let meta_draft = Draft { meta: Some(meta.clone()), ..draft("with meta", &n.to_string()) };
        match world.person("ann").send(&room, meta_draft.clone()).await {
            Ok(_) => kept.push((meta_draft, meta)),
            Err(error) => {
                assert!(matches!(error.code(), Code::TooLarge | Code::BadRequest), "{n}: {error}");
            }
        }
    }
    assert!(kept.len() >= 9, "{}", kept.len());
    for _ in 0..2 {
        let ann = world.person("ann");
        let page = ann.history(&room, newest(200)).await.unwrap();
        assert_eq!(page.messages.len(), kept.len());
        for (message, (again, meta)) in page.messages.iter().zip(&kept) {
            assert_eq!(message.meta.clone().unwrap_or_default(), *meta);
            assert!(ann.send(&room, again.clone()).await.unwrap().duplicate, "{meta}");
        }
        assert_eq!(ann.log(&room, Seq(2), 200).await.unwrap().len(), kept.len());
        world.restart().await;
    }
}

/// Too fast is refused, at once, and whatever was not refused is there.
async fn a_flood_of_sends_meets_the_rate_and_no_ack_is_lost(ground: Ground) {
    use std::time::Duration;
    let rate = chatcore::throttle::Rate::new(20, Duration::from_millis(100));
    let world = World::limited(ground, |limits| limits.turns_per_user = Some(rate)).await;
    let room = world.public("ann", &["bob"]).await;
    let (ann, bob) = (world.person("ann"), world.person("bob"));
    let sends = (0..200).map(|n| ann.send(&room, draft("flood", &n.to_string())));
    let answers = futures_util::future::join_all(sends).await;
    let refusals: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    // Of the twenty at once, the making of the room was one.
    assert_eq!(refusals.len(), 181);
    for error in refusals {
        assert_eq!(error.code(), Code::RateLimited);
        assert!(error.retry_after().unwrap() > Duration::ZERO);
    }
    bob.send(&room, draft("unhindered", "1")).await.unwrap();
    world.clock.advance(Duration::from_millis(100));
    ann.send(&room, draft("again", "again")).await.unwrap();
    let page = ann.history(&room, newest(200)).await.unwrap();
    assert_eq!(page.messages.len(), 21);
}

/// One room that has all the traffic, and someone who asks what happened last.
async fn statistics_of_one_busy_room_stay_bounded(ground: Ground) {
    let world = World::new(ground).await;
    let room = world.public("ann", &[]).await;
    let ann = world.person("ann");
    for thousand in 0..3 {
        let pending: Vec<_> = (0..1_000)
            .map(|n| ann.submit_send(&room, draft("busy", &format!("{thousand} {n}"))).unwrap())
            .collect();
        for pending in pending {
            pending.outcome().await.unwrap();
        }
    }
    let stats = ann.stats(Default::default()).await.unwrap();
    assert_eq!(stats.messages, 3_000);
    assert!((1_000..2_000).contains(&stats.entries.len()), "{}", stats.entries.len());
    let few = chatcore::chat::StatsQuery { before: None, limit: Some(10) };
    let stats = ann.stats(few).await.unwrap();
    assert!((10..1_000).contains(&stats.entries.len()), "{}", stats.entries.len());
    // Paging on meets every entry once.
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let query = chatcore::chat::StatsQuery { before, limit: Some(100) };
        let page = ann.stats(query).await.unwrap();
        seen.extend(page.entries.iter().map(|entry| entry.seq.0));
        match page.next {
            Some(next) => before = Some(next),
            None => break,
        }
    }
    assert!(seen.iter().copied().eq((2..=3_002).rev()), "{} entries", seen.len());
}
