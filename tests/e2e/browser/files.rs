//! Files: chosen, dropped and pasted; seen before and after.

use std::path::Path;

use chatcore_tests::{Encoding, Local};
use serde_json::json;

use super::Page;

fn picture(folder: &Path, name: &str) -> String {
    // One grey pixel.
    let bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0:~\x9bU\0\0\0\nIDATx\x9cch\0\0\0\x82\0\x81w\xcdr\xb6\0\0\0\0IEND\xaeB`\x82";
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_chosen_dropped_and_pasted_previewed_and_seen_in_full() {
    let server = Local::start().await;
    let (ann, bob) = (server.http().register("ann").await, server.http().register("bob").await);
    let room = ann.create_room("public", "tea").await;
    bob.enter(&room).await;
    let mut live = server.connect(&bob, Encoding::Msgpack).await;
    live.request("subscribe", json!({ "room": room, "since": { "seq": 0 } })).await;
    let Some(page) = Page::of(&server, &ann).await else { return };
    page.click("joined-room").await;
    page.in_room("tea").await;

    let folder = tempfile::tempdir().unwrap();
    page.write("file", &picture(folder.path(), "grey.png")).await;
    page.write("file", &picture(folder.path(), "gone.png")).await;
    let uploaded =
        "document.querySelectorAll(\"[data-testid='pending-file'][data-state='uploaded']\").length";
    page.until(&format!(
        "{uploaded} === 2 && document.querySelectorAll('.upload img').length === 2"
    ))
    .await;
    page.press("[aria-label='Remove gone.png']").await;

    // A second picture is dropped, a text pasted: as the browser would hand them over.
    page.script(
        "const canvas = document.createElement('canvas');
         canvas.width = canvas.height = 2;
         canvas.toBlob((blob) => {
           const files = new DataTransfer();
           files.items.add(new File([blob], 'dropped.png', { type: 'image/png' }));
           for (const type of ['dragenter', 'dragover', 'drop']) {
             document.querySelector('#scroll').dispatchEvent(new DragEvent(type, { dataTransfer: files, bubbles: true, cancelable: true }));
           }
           const pasted = new DataTransfer();
           pasted.items.add(new File(['some words'], 'notes.txt', { type: 'text/plain' }));
           document.querySelector('#text').dispatchEvent(new ClipboardEvent('paste', { clipboardData: pasted, bubbles: true, cancelable: true }));
         });",
    )
    .await;
    page.until(&format!("{uploaded} === 3")).await;
    page.say("Look").await;
    let event = live.next_event(&room, "message").await;
    assert_eq!(event["text"], "Look");
    let mut names: Vec<_> =
        event["attachments"].as_array().unwrap().iter().map(|f| f["name"].clone()).collect();
    names.sort_by_key(ToString::to_string);
    assert_eq!(names, [json!("dropped.png"), json!("grey.png"), json!("notes.txt")]);

    page.until("document.querySelectorAll(\"[data-testid='image']\").length === 2").await;
    page.until("[...document.querySelectorAll(\"[data-testid='image']\")].every((i) => i.naturalWidth > 0)").await;
    page.says("attachment", "notes.txt").await;
    page.press("[data-image]").await;
    page.until("document.querySelector(\"[data-testid='viewed-image']\")?.naturalWidth > 0").await;
    let first = page.script("return document.querySelector('.viewed').alt;").await;
    page.keys("\u{E014}").await;
    page.until(&format!("document.querySelector('.viewed').alt !== {first}")).await;
    page.keys("\u{E00C}").await;
    page.until("!document.querySelector('.viewer')").await;
    page.until("document.activeElement.matches('[data-image]')").await;

    // More than fit into one message are not taken, and the form says why.
    let many: Vec<_> = (0..11).map(|i| picture(folder.path(), &format!("{i}.png"))).collect();
    page.write("file", &many.join("\n")).await;
    page.says("composer-problem", "At most 10 files").await;
    page.until("!document.querySelector(\"[data-testid='pending-file']\")").await;
    page.was_well().await;
}
