//! Document 004: `POST /v1/image`.

use std::sync::Arc;

use chatcore_tests::{Http, Reply};
use reqwest::Method;
use reqwest::multipart::Form;
use serde_json::json;

use crate::fixture::{PNG, Site, file};

fn page(reply: Reply, why: &str) {
    let reply = reply.expect(500);
    assert!(reply.header("content-type").starts_with("text/html"), "{why}");
    assert!(reply.text().contains("<html"), "{why}");
}

#[tokio::test]
async fn image_is_stored_and_can_be_linked_to() {
    let site = Site::start().await;
    site.email("a@example.org").await;
    let a = site.cookie("a@example.org").await;
    let form = Form::new().text("key", "k").part("file", file("x.png", PNG));
    let body = a.form("/v1/image", form).await.expect(200).json();
    let url = body["url"].as_str().unwrap().to_owned();
    assert_eq!(body, json!({"url": url}));
    assert_eq!(&a.get(&url).await.expect(200).body[..], PNG);

    let bob = site.http.with_token(site.nickname("bob").await);
    assert_eq!(&bob.get(&url).await.expect(200).body[..], PNG, "others who are signed in");
    let nobody = site.http.get(&url).await.expect(200);
    assert_eq!(nobody.json()["message"], "File does not exist.");
}

#[tokio::test]
async fn invalid_form_or_other_file_is_500_and_a_page() {
    let site = Site::start().await;
    site.email("a@example.org").await;
    let a = site.cookie("a@example.org").await;
    let image = || file("x.png", PNG);
    let form = |form: Form| a.form("/v1/image", form);
    page(form(Form::new().part("file", image())).await, "no key");
    page(form(Form::new().text("key", "k")).await, "no file");
    page(form(Form::new().text("key", "k").part("other", image())).await, "another field");
    page(
        form(Form::new().text("key", "k").part("file", image()).part("file", image())).await,
        "two files",
    );
    page(form(Form::new().text("key", "k").part("file", file("x.png", "words"))).await, "text");
    let svg = file("x.png", "<svg onload='alert(1)'/>");
    page(form(Form::new().text("key", "k").part("file", svg)).await, "svg");
    let mut bomb = PNG.to_vec();
    bomb[16..24].copy_from_slice(&[0, 0, 0xc3, 0x50, 0, 0, 0xc3, 0x50]);
    page(form(Form::new().text("key", "k").part("file", file("x.png", bomb))).await, "bomb");
    page(a.post("/v1/image", &json!({"key": "k", "file": "x"})).await, "json");
    page(Http::send(a.request(Method::POST, "/v1/image").body("x")).await, "no form at all");
    let cut = "--X\r\ncontent-disposition: form-data; name=\"key\"\r\n\r\nk\r\n";
    let cut = a
        .request(Method::POST, "/v1/image")
        .header("content-type", "multipart/form-data; boundary=X")
        .body(cut);
    page(Http::send(cut).await, "a form that ends too early");
}

#[tokio::test]
async fn blob_store_with_addresses_of_its_own_is_linked_to_directly() {
    let site =
        Site::with(chatcore_warp::dialect::all, chatcore::account::RateLimits::off(), |builder| {
            builder.blobs(Arc::new(crate::fixture::Addressed::default()))
        })
        .await;
    site.email("a@example.org").await;
    let a = site.cookie("a@example.org").await;
    let form = Form::new().text("key", "k").part("file", file("x.png", PNG));
    let body = a.form("/v1/image", form).await.expect(200).json();
    assert!(body["url"].as_str().unwrap().starts_with("https://bucket.example/"), "{body}");
}
