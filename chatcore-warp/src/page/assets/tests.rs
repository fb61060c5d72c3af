use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use flate2::read::GzDecoder;
use http_body_util::BodyExt as _;

use super::*;

async fn body(response: Response) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

fn with(name: header::HeaderName, value: &str) -> HeaderMap {
    HeaderMap::from_iter([(name, HeaderValue::try_from(value).unwrap())])
}

fn text(asset: &Asset) -> &'static str {
    std::str::from_utf8(asset.bytes).unwrap()
}

fn scripts() -> impl Iterator<Item = &'static Asset> {
    all().filter(|asset| asset.content_type == SCRIPT)
}

async fn plain_page() -> String {
    String::from_utf8(body(index("", &HeaderMap::new())).await.to_vec()).unwrap()
}

/// The versions and names that a page asks for.
fn named(page: &str) -> Vec<(&str, &str)> {
    let paths = page.split("\"assets/").skip(1).filter_map(|s| s.split('"').next());
    paths.filter_map(|path| path.split_once('/')).collect()
}

#[tokio::test]
async fn page_and_all_that_it_names_are_served_with_their_types_and_may_be_kept() {
    let answer = index("", &HeaderMap::new());
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()[header::CONTENT_TYPE], HTML);
    assert_eq!(answer.headers()[header::CONTENT_SECURITY_POLICY], PAGE_CSP);
    assert_eq!(answer.headers()[header::CACHE_CONTROL], ASK_AGAIN);
    let page = plain_page().await;
    let names: BTreeSet<_> = named(&page).into_iter().map(|(_, name)| name).collect();
    let first: BTreeSet<_> = FIRST.iter().map(|asset| asset.name).collect();
    assert_eq!(names, first, "each file is asked for at once, and no other");
    for Asset { name, .. } in all() {
        let answer = asset(&VERSION, name, &HeaderMap::new()).expect(name);
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()[header::CACHE_CONTROL], FOR_EVER);
        assert_eq!(answer.headers()[header::CONTENT_SECURITY_POLICY], PAGE_CSP);
        assert!(!answer.headers().contains_key(header::CONTENT_ENCODING));
    }
}

#[tokio::test]
async fn first_visit_costs_less_than_a_hundred_kibibytes() {
    let gzip = with(header::ACCEPT_ENCODING, "gzip, deflate, br");
    let page = body(index("", &gzip)).await;
    let mut total = page.len();
    for asked in all() {
        let answer = asset(&VERSION, asked.name, &gzip).unwrap();
        assert_eq!(answer.headers()[header::CONTENT_ENCODING], "gzip", "{}", asked.name);
        assert_eq!(answer.headers()[header::VARY], "accept-encoding");
        let sent = body(answer).await;
        if FIRST.iter().any(|asset| asset.name == asked.name) {
            total += sent.len();
        }
        let mut read = Vec::new();
        GzDecoder::new(&sent[..]).read_to_end(&mut read).unwrap();
        assert_eq!(read, asked.bytes, "{}", asked.name);
    }
    println!("{total} bytes, compressed");
    assert!(total <= 100 * 1024, "{total} bytes");
}

#[test]
fn compressed_is_what_is_asked_for() {
    for (said, taken) in [
        ("gzip", true),
        ("GZIP", true),
        ("br, gzip;q=0.5", true),
        ("*", true),
        ("gzip;q=0", false),
        ("*, gzip;q=0", false),
        ("gzip;q=none", false),
        ("br", false),
        ("identity", false),
        ("", false),
    ] {
        assert_eq!(takes_gzip(&with(header::ACCEPT_ENCODING, said)), taken, "{said}");
    }
    assert!(!takes_gzip(&HeaderMap::new()));
}

#[test]
fn every_import_of_a_script_is_there() {
    for script in scripts() {
        for import in text(script).split("'./").skip(1) {
            let name = import.split('\'').next().unwrap();
            assert!(all().any(|asset| asset.name == name), "{}: {name}", script.name);
        }
    }
}

#[test]
fn what_the_page_begins_with_is_what_its_script_imports_and_nothing_more() {
    let script = |name: &str| text(all().find(|asset| asset.name == name).expect(name));
    let mut reached = BTreeSet::from(["app.js"]);
    let mut open = vec!["app.js"];
    while let Some(name) = open.pop() {
        let imports = script(name).split(" from './").skip(1);
        for import in imports.filter_map(|rest| rest.split('\'').next()) {
            if reached.insert(import) {
                open.push(import);
            }
        }
    }
    let scripts = FIRST.iter().filter(|asset| asset.content_type == SCRIPT);
    assert_eq!(reached, scripts.map(|asset| asset.name).collect());
}

#[test]
fn scripts_never_turn_text_into_markup() {
    for script in scripts() {
        for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
            assert!(!text(script).contains(way), "{} uses {way}", script.name);
        }
    }
}

/// The words of a language: `  'key': 'text',` on a line each.
fn words(name: &str) -> BTreeMap<&'static str, &'static str> {
    let file = all().find(|asset| asset.name == name).unwrap();
    let lines = text(file).lines().filter_map(|line| line.strip_prefix("  '"));
    let words = lines.map(|line| {
        let (key, text) = line.split_once("': ").expect(line);
        (key, text.trim_end_matches(',').trim_matches(['\'', '"']))
    });
    words.collect()
}

fn placeholders(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect()
}

#[test]
fn both_languages_have_all_words_and_no_others() {
    for [english, chinese] in [["en.js", "zh.js"], ["en-later.js", "zh-later.js"]] {
        let (here, there) = (words(english), words(chinese));
        assert!(here.len() > 100);
        let keys = |words: &BTreeMap<&'static str, _>| words.keys().copied().collect::<Vec<_>>();
        assert_eq!(keys(&here), keys(&there), "the same keys, once each");
        for (key, text) in &here {
            let other = there[key];
            assert!(!text.is_empty() && !other.is_empty(), "{key}");
            // Where a form for one says "one", another may say how many.
            let (mut inside, mut beside) = (placeholders(text), placeholders(other));
            if text.contains(" | ") {
                inside.remove("n");
                beside.remove("n");
            }
            assert_eq!(inside, beside, "{key}");
        }
        for name in [english, chinese] {
            let file = all().find(|asset| asset.name == name).unwrap();
            let lines = text(file).lines().filter(|line| line.starts_with("  '")).count();
            assert_eq!(lines, here.len(), "{name} has a word twice");
        }
    }
}

/// What the page itself says, and the scripts of `assets` that are no lists of words.
fn sources(assets: &'static [Asset]) -> impl Iterator<Item = (&'static str, &'static str)> {
    let scripts = assets.iter().filter(|asset| asset.content_type == SCRIPT);
    let spoken = scripts
        .filter(|script| !["en.js", "zh.js", "en-later.js", "zh-later.js"].contains(&script.name));
    spoken.map(|script| (script.name, text(script)))
}

#[test]
fn every_word_that_is_asked_for_is_there_and_none_is_there_for_nothing() {
    let (first, later) = (words("en.js"), words("en-later.js"));
    let beginning: Vec<_> = sources(FIRST).chain([("index.html", INDEX)]).collect();
    let rest: Vec<_> = sources(LATER).collect();
    let asked = |(name, text): &(&str, &str), known: &dyn Fn(&str) -> bool| {
        for (before, after) in [("t('", '\''), ("pieces('", '\''), ("data-t=\"", '"')] {
            for (at, _) in text.match_indices(before) {
                // Another function may end in `t(` as well.
                let called =
                    !text[..at].ends_with(|c: char| c.is_alphanumeric() || "._".contains(c));
                let key = text[at + before.len()..].split(after).next().unwrap();
                assert!(!called || known(key), "{name}: {key} is not there");
            }
        }
    };
    for source in &beginning {
        asked(source, &|key| first.contains_key(key));
    }
    for source in &rest {
        asked(source, &|key| first.contains_key(key) || later.contains_key(key));
    }
    // Those that are put together: a family, and one of its members.
    let families = ["problem.", "role.", "notice.", "theme.", "member.", "act.", "admin."];
    for (known, sources) in [(&first, &beginning), (&later, &rest)] {
        for key in known.keys() {
            let quoted = [format!("'{key}'"), format!("\"{key}\"")];
            let used = sources.iter().any(|(_, text)| quoted.iter().any(|q| text.contains(q)));
            let family = families.iter().any(|family| key.starts_with(family));
            assert!(used || family, "{key}: for nothing, or told too early");
        }
    }
}

#[tokio::test]
async fn whoever_has_it_is_not_sent_it_again() {
    let first = asset("older", "app.js", &HeaderMap::new()).unwrap();
    assert_eq!(first.headers()[header::CACHE_CONTROL], ASK_AGAIN);
    let etag = first.headers()[header::ETAG].clone();
    let mut headers = with(header::IF_NONE_MATCH, etag.to_str().unwrap());
    let second = asset("older", "app.js", &headers).unwrap();
    assert_eq!((second.status().as_u16(), &second.headers()[header::ETAG]), (304, &etag));
    assert!(body(second).await.is_empty());
    assert_eq!(asset("older", "api.js", &headers).unwrap().status(), 200);
    // The compressed form is another one.
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    assert_eq!(asset("older", "app.js", &headers).unwrap().status(), 200);
}

#[tokio::test]
async fn under_a_mount_files_are_named_from_there() {
    let page = body(index("/support/\"chat", &HeaderMap::new())).await;
    let page = std::str::from_utf8(&page).unwrap();
    let script = format!("src=\"/support/&quot;chat/assets/{}/app.js\"", *VERSION);
    assert!(page.contains(&script), "{page}");
    // A path of two slashes would be another host's.
    let page = body(index("//other.example", &HeaderMap::new())).await;
    let page = std::str::from_utf8(&page).unwrap();
    assert!(page.contains("src=\"/other.example/assets/"), "{page}");
}

#[test]
fn other_names_are_nobodys() {
    for name in ["", "index.html", "tests.rs", "../Cargo.toml", "APP.js", "app.js/"] {
        assert!(asset(&VERSION, name, &HeaderMap::new()).is_none(), "{name}");
    }
}
