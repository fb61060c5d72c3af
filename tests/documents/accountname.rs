//! Document 003: registering and logging in by `accountname`.

use chatcore_tests::Http;
use reqwest::Method;
use serde_json::{Value, json};

use crate::fixture::{Site, WRITTEN, accountname_fields, but, nickname_fields};

/// The fields that an answer finds fault with, in alphabetical order.
fn at_fault(body: &Value) -> Vec<&str> {
    assert_eq!(body["success"], false, "{body}");
    let error = body["error"].as_object().expect("error is an object");
    assert!(error.values().all(Value::is_string), "{body}");
    error.keys().map(String::as_str).collect()
}

#[tokio::test]
async fn registration_returns_what_was_registered_however_the_body_is_written() {
    let site = Site::start().await;
    for (n, written) in WRITTEN.into_iter().enumerate() {
        let name = format!("ann{written:?}");
        let fields = accountname_fields(&name, n as u64);
        let reply = site.post("/auth/register", &fields, written).await.expect(200);
        let new_user = json!({
            "_id": format!("{n:024x}"),
            "username": "Ann Droid",
            "accountname": name,
        });
        assert_eq!(reply.json(), json!({"success": true, "newUser": new_user}), "{written:?}");
    }
}

#[tokio::test]
async fn every_bad_field_is_named_at_once() {
    let site = Site::start().await;
    let bad = json!({"_id": "xyz", "username": "1st", "accountname": "ab", "password": "short",
        "password2": "other"});
    let body = site.json("/auth/register", bad).await.expect(400).json();
    assert_eq!(at_fault(&body), ["_id", "accountname", "password", "password2", "username"]);
    let body = site.json("/auth/register", json!({"_id": 7})).await.expect(400).json();
    assert_eq!(at_fault(&body), ["_id", "accountname", "password", "password2", "username"]);
}

#[tokio::test]
async fn bounds_are_those_of_the_document() {
    let site = Site::start().await;
    let sound = || accountname_fields("anna", 1);
    let passwords = |p: &str| but(but(sound(), "password", json!(p)), "password2", json!(p));
    for (fields, fault) in [
        (but(sound(), "_id", json!("0123456789abcdef0123456")), "_id"),
        (but(sound(), "_id", json!("0123456789abcdef012345678")), "_id"),
        (but(sound(), "_id", json!("0123456789abcdef0123456g")), "_id"),
        (but(sound(), "username", json!("_ann")), "username"),
        (but(sound(), "username", json!("\u{c9}va")), "username"),
        (but(sound(), "username", json!("A".repeat(65))), "username"),
        (but(sound(), "accountname", json!("abc")), "accountname"),
        (but(sound(), "accountname", json!("a".repeat(21))), "accountname"),
        (but(sound(), "accountname", json!("1anna")), "accountname"),
        (but(sound(), "accountname", json!("an na")), "accountname"),
        (passwords("sesame7"), "password"),
        (passwords("sesame7890123"), "password"),
        (passwords("1sesame1"), "password"),
        (but(sound(), "password2", json!("sesame89")), "password2"),
        (but(sound(), "accountname", json!({"$ne": 1})), "accountname"),
        (but(sound(), "role", json!("admin")), "role"),
    ] {
        let body = site.json("/auth/register", fields.clone()).await.expect(400).json();
        assert_eq!(at_fault(&body), [fault], "{fields}");
    }
    for (n, (name, password)) in
        [("abcd", "sesame78"), ("abcdefghijklmnopqrst", "sesame789012"), ("Zed-1.x_y", "P@ssw0rd")]
            .into_iter()
            .enumerate()
    {
        let fields = but(passwords(password), "accountname", json!(name));
        let id = format!("{:024x}", n + 2);
        site.json("/auth/register", but(fields, "_id", json!(id))).await.expect(200);
    }
}

#[tokio::test]
async fn name_or_id_in_use_is_409() {
    let site = Site::start().await;
    let first = but(accountname_fields("anna", 1), "_id", json!("0123456789abcdef01234567"));
    site.json("/auth/register", first.clone()).await.expect(200);
    let body = site.json("/auth/register", first.clone()).await.expect(409).json();
    assert_eq!(at_fault(&body), ["_id", "accountname"]);
    let body = site.json("/auth/register", accountname_fields("Anna", 2)).await.expect(409).json();
    assert_eq!(at_fault(&body), ["accountname"]);
    for id in ["0123456789abcdef01234567", "0123456789ABCDEF01234567"] {
        let fields = but(accountname_fields("other", 3), "_id", json!(id));
        let body = site.json("/auth/register", fields).await.expect(409).json();
        assert_eq!(at_fault(&body), ["_id"], "{id}");
    }
    site.json("/auth/register", accountname_fields("other", 3)).await.expect(200);
}

#[tokio::test]
async fn login_returns_a_token_and_who_it_is_for() {
    let site = Site::start().await;
    site.json("/auth/register", accountname_fields("anna", 1)).await.expect(200);
    for written in WRITTEN {
        let fields = json!({"accountname": "anna", "password": "sesame88"});
        let body = site.post("/auth/login", &fields, written).await.expect(200).json();
        let token = body["token"].as_str().unwrap().to_owned();
        assert_eq!(token.split('.').count(), 3, "a JWT");
        let expected = json!({
            "success": true,
            "userId": format!("{:024x}", 1),
            "accountname": "anna",
            "username": "Ann Droid",
            "token": token,
        });
        assert_eq!(body, expected, "{written:?}");
        let user = site.http.with_token(token).get("/auth").await.expect(200).json();
        assert_eq!(user["user"]["userName"], "anna");
    }
}

#[tokio::test]
async fn login_that_fails_is_400_or_404_with_an_object() {
    let site = Site::start().await;
    site.json("/auth/register", accountname_fields("anna", 1)).await.expect(200);
    for (fields, status, fault) in [
        (json!({"accountname": "anna", "password": "sesame89"}), 400, "password"),
        (json!({"accountname": "anna", "password": "x"}), 400, "password"),
        (json!({"accountname": "anna"}), 400, "password"),
        (json!({"accountname": "anna", "password": 7}), 400, "password"),
        (json!({"accountname": "", "password": "sesame88"}), 400, "accountname"),
        (json!({"accountname": "zoe", "password": "sesame88"}), 400, "accountname"),
        (json!({"accountname": "nobody", "password": "sesame88"}), 404, "accountname"),
        (json!({"accountname": "nobody", "password": "x"}), 400, "password"),
    ] {
        let body = site.json("/auth/login", fields.clone()).await.expect(status).json();
        assert_eq!(at_fault(&body), [fault], "{fields}");
    }
}

#[tokio::test]
async fn account_from_elsewhere_logs_in_whatever_its_name_and_password() {
    let site = Site::start().await;
    let fields = but(nickname_fields("al"), "password", json!("a very long password"));
    let fields = but(fields, "confirmPassword", json!("a very long password"));
    site.json("/auth/register", fields).await.expect(200);
    let fields = json!({"accountname": "al", "password": "a very long password"});
    let body = site.json("/auth/login", fields).await.expect(200).json();
    assert_eq!(
        body["userId"],
        site.user("al").await.as_str(),
        "the account's own id, without an _id"
    );
    assert_eq!(body["username"], "al the First");
}

#[tokio::test]
async fn guessing_is_slowed_down_with_a_time_to_come_back() {
    let site = Site::limited().await;
    site.json("/auth/register", accountname_fields("anna", 1)).await.expect(200);
    let guess = json!({"accountname": "anna", "password": "sesame89"});
    let mut last = site.json("/auth/login", guess.clone()).await;
    for _ in 0..60 {
        if last.status == 429 {
            break;
        }
        last = site.json("/auth/login", guess.clone()).await;
    }
    let last = last.expect(429);
    assert_eq!(at_fault(&last.json()), ["message"]);
    assert!(last.header("retry-after").parse::<u32>().unwrap() >= 1);
}

#[tokio::test]
async fn body_is_bounded_and_of_a_known_kind() {
    let site = Site::mounted(chatcore_warp::dialect::accountname).await;
    let post = || site.http.request(Method::POST, "/auth/register");
    for (request, status) in [
        (post().header("content-type", "application/json").body("{"), 400),
        (post().header("content-type", "text/plain").body("{}"), 415),
        (post().header("content-type", "application/json").body("x".repeat(600 << 10)), 413),
    ] {
        let body = Http::send(request).await.expect(status).json();
        assert_eq!(at_fault(&body), ["message"]);
    }
}
