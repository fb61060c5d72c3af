//! Documents 000 and 001: registering, logging in, and who a token belongs to.

use std::sync::Arc;

use async_trait::async_trait;
use chatcore::account::{AccountError, Authenticator, Directory, Identity, Profile, RateLimits};
use chatcore::id::UserId;
use chatcore::store::StoreError;
use chatcore_tests::{Http, Reply};
use chatcore_warp::dialect;
use reqwest::Method;
use reqwest::multipart::Form;
use serde_json::{Value, json};

use crate::fixture::{PNG, Site, WRITTEN, Written, but, file, nickname_fields};

/// The body without the one part that no document can print: the token, which it must have.
fn without_token(reply: &Reply) -> Value {
    let mut body = reply.json();
    let token = body["accessToken"].take();
    assert!(token.as_str().is_some_and(|token| token.len() > 20), "{}", reply.text());
    body.as_object_mut().unwrap().remove("accessToken");
    body
}

fn failure(message: &str) -> Value {
    json!({"success": false, "message": message})
}

#[tokio::test]
async fn registration_is_answered_with_a_token_however_the_body_is_written() {
    let site = Site::start().await;
    for written in WRITTEN {
        let fields = nickname_fields(&format!("alice-{written:?}"));
        let reply = site.post("/auth/register", &fields, written).await.expect(200);
        let expected = json!({"success": true, "message": "Register Successfully"});
        assert_eq!(without_token(&reply), expected, "{written:?}");
        assert_eq!(reply.header("content-type"), "application/json");
    }
}

#[tokio::test]
async fn name_that_is_taken_in_any_guise_is_401() {
    let site = Site::start().await;
    site.nickname("admin").await;
    for twin in ["admin", "Admin", "\u{430}dmin", "\u{ff41}dmin", "ad\u{200b}min"] {
        let reply = site.json("/auth/register", nickname_fields(twin)).await.expect(401);
        assert_eq!(reply.json(), failure("User Name is already taken"), "{twin}");
    }
}

#[tokio::test]
async fn registration_with_a_bad_field_is_400_and_says_which() {
    let site = Site::start().await;
    let sound = || nickname_fields("alice");
    for name in ["nickName", "userName", "password", "confirmPassword"] {
        for bad in [Value::Null, json!(""), json!(7), json!({"$ne": 1}), json!(["x"])] {
            let reply = site.json("/auth/register", but(sound(), name, bad.clone())).await;
            let body = reply.expect(400).json();
            assert_eq!(body["success"], false, "{name}: {bad}");
            assert!(body["message"].as_str().unwrap().contains(name), "{name}: {body}");
        }
    }
    for (name, bad) in [
        ("userName", "has blanks"),
        ("userName", "-dash"),
        ("nickName", "two\nlines"),
        ("confirmPassword", "another"),
    ] {
        let body = site.json("/auth/register", but(sound(), name, json!(bad))).await;
        let body = body.expect(400).json();
        assert!(body["message"].as_str().unwrap().contains(name), "{body}");
        assert_eq!(body["success"], false);
    }
    let body = site.json("/auth/register", json!({"userName": "alice"})).await.expect(400).json();
    for name in ["nickName", "password", "confirmPassword"] {
        assert!(body["message"].as_str().unwrap().contains(name), "all at once: {body}");
    }
    let login = json!({"userName": "alice", "password": "sesame"});
    let reply = site.json("/auth/login", login).await.expect(401);
    assert_eq!(reply.json(), failure("userName not Found"), "nothing was made");
}

#[tokio::test]
async fn nobody_gives_themself_a_role_or_an_id() {
    let site = Site::start().await;
    for extra in ["role", "is_admin", "id"] {
        let fields = but(nickname_fields("alice"), extra, json!("root"));
        let body = site.json("/auth/register", fields).await.expect(400).json();
        assert_eq!(body, failure(&format!("{extra} is not a field of this request")));
    }
}

#[tokio::test]
async fn password_of_a_mebibyte_is_refused() {
    let site = Site::start().await;
    let long = json!("x".repeat(400 << 10));
    let fields =
        but(but(nickname_fields("alice"), "password", long.clone()), "confirmPassword", long);
    let reply = site.post("/auth/register", &fields, Written::Multipart).await;
    assert!(matches!(reply.status, 400 | 413), "{}", reply.text());
    let login = json!({"userName": "alice", "password": "x".repeat(100 << 10)});
    site.json("/auth/login", login).await.expect(400);
}

fn with_avatar(name: &str, avatar: reqwest::multipart::Part) -> Form {
    let fields = nickname_fields(name);
    let text = |field: &str| fields[field].as_str().unwrap().to_owned();
    ["nickName", "userName", "password", "confirmPassword"]
        .into_iter()
        .fold(Form::new(), |form, field| form.text(field, text(field)))
        .part("avatar", avatar)
}

async fn register_with(site: &Site, form: Form) -> Reply {
    Http::send(site.http.request(Method::POST, "/auth/register").multipart(form)).await
}

#[tokio::test]
async fn avatar_is_served_where_the_user_says() {
    let site = Site::start().await;
    let reply = register_with(&site, with_avatar("alice", file("me.png", PNG))).await.expect(200);
    let token = reply.json()["accessToken"].as_str().unwrap().to_owned();
    let user = site.http.with_token(token).get("/auth").await.expect(200).json();
    let path = user["user"]["avatar"].as_str().unwrap().to_owned();
    let picture = site.http.get(&path).await.expect(200);
    assert_eq!((&picture.body[..], picture.header("content-type")), (PNG, "image/png"));
    assert_eq!(picture.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn form_whose_file_was_left_out_registers_without_a_picture() {
    let site = Site::start().await;
    let reply = register_with(&site, with_avatar("alice", file("", ""))).await.expect(200);
    let token = reply.json()["accessToken"].as_str().unwrap().to_owned();
    let user = site.http.with_token(token).get("/auth").await.expect(200).json();
    assert_eq!(user["user"]["avatar"], Value::Null);
    site.json("/auth/register", but(nickname_fields("bob"), "avatar", json!(""))).await.expect(200);
    site.json("/auth/register", but(nickname_fields("eve"), "avatar", json!("a")))
        .await
        .expect(400);
}

#[tokio::test]
async fn avatar_that_is_no_image_leaves_no_account_behind() {
    let site = Site::start().await;
    let mut bomb = PNG.to_vec();
    bomb[16..24].copy_from_slice(&[0, 0, 0xc3, 0x50, 0, 0, 0xc3, 0x50]);
    for (content, status) in
        [(&b"just words"[..], 400), (b"<svg onload='alert(1)'/>", 400), (&bomb[..], 413)]
    {
        let reply = register_with(&site, with_avatar("alice", file("me.png", content))).await;
        assert_eq!(reply.expect(status).json()["success"], false);
    }
    site.nickname("alice").await;
}

#[tokio::test]
async fn login_answers_as_the_document_prints() {
    let site = Site::start().await;
    site.nickname("alice").await;
    for written in WRITTEN {
        let right = json!({"userName": "ALICE", "password": "sesame"});
        let reply = site.post("/auth/login", &right, written).await.expect(200);
        let expected = json!({"success": true, "message": "Login Successfully"});
        assert_eq!(without_token(&reply), expected, "{written:?}");

        let unknown = json!({"userName": "bob", "password": "sesame"});
        let reply = site.post("/auth/login", &unknown, written).await.expect(401);
        assert_eq!(reply.json(), failure("userName not Found"));

        let wrong = json!({"userName": "alice", "password": "Sesame"});
        let reply = site.post("/auth/login", &wrong, written).await.expect(401);
        assert_eq!(reply.json(), failure("userName or password is incorrect"));
    }
    for bad in [json!({"userName": "alice"}), json!({"userName": {"$gt": ""}, "password": "x"})] {
        assert_eq!(site.json("/auth/login", bad).await.expect(400).json()["success"], false);
    }
    let twin = json!({"userName": "\u{430}lice", "password": "sesame"});
    assert_eq!(
        site.json("/auth/login", twin).await.expect(401).json(),
        failure("userName not Found")
    );
}

#[tokio::test]
async fn token_tells_whose_it_is_and_nothing_secret() {
    let site = Site::start().await;
    let token = site.nickname("alice").await;
    let id = site.user("alice").await;
    let expected = json!({
        "success": true,
        "message": "Authenticate Successfully",
        "user": {
            "id": id.as_str(),
            "userName": "alice",
            "nickName": "alice the First",
            "email": null,
            "avatar": null,
        },
    });
    assert_eq!(site.http.with_token(token).get("/auth").await.expect(200).json(), expected);
    let login = json!({"userName": "alice", "password": "sesame"});
    let again = site.json("/auth/login", login).await.expect(200).json();
    let again = again["accessToken"].as_str().unwrap();
    assert_eq!(site.http.with_token(again).get("/auth").await.expect(200).json(), expected);
}

#[tokio::test]
async fn token_that_is_none_or_malformed_or_revoked_or_expired_is_not_found() {
    let site = Site::start().await;
    let token = site.nickname("alice").await;
    let missing = failure("AccessToken Not Found");
    let reply = site.http.get("/auth").await.expect(401);
    assert_eq!(reply.json(), missing);
    assert_eq!(reply.header("www-authenticate"), "Bearer");

    let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.";
    let mut forged = token.clone();
    forged.pop();
    for bad in ["x", "", unsigned, &forged] {
        let reply = site.http.with_token(bad).get("/auth").await.expect(401);
        assert_eq!(reply.json(), missing, "{bad}");
    }
    let request = site.http.request(Method::GET, "/auth").header("authorization", token.clone());
    assert_eq!(Http::send(request).await.expect(401).json(), missing, "without its scheme");
    let cookie = format!("chatcore_session={token}");
    let request = site.http.request(Method::GET, "/auth").header("cookie", cookie);
    assert_eq!(Http::send(request).await.expect(401).json(), missing, "as a cookie");

    let month = std::time::Duration::from_secs(31 * 86_400);
    site.clock.advance(month);
    let reply = site.http.with_token(&token).get("/auth").await.expect(401);
    assert_eq!(reply.json(), missing, "expired");

    let login = json!({"userName": "alice", "password": "sesame"});
    let fresh = site.json("/auth/login", login).await.expect(200).json();
    let alice = site.http.with_token(fresh["accessToken"].as_str().unwrap());
    alice.get("/auth").await.expect(200);
    alice.get("/auth/logout").await.expect(200);
    assert_eq!(alice.get("/auth").await.expect(401).json(), missing, "revoked");
}

#[tokio::test]
async fn token_in_the_address_is_400() {
    let site = Site::start().await;
    let token = site.nickname("alice").await;
    for name in ["token", "access_token", "accessToken"] {
        let reply = site.http.get(&format!("/auth?{name}={token}")).await.expect(400);
        assert_eq!(reply.json()["success"], false, "{name}");
        let reply = site.http.post(&format!("/message?{name}={token}"), json!({})).await;
        assert_eq!(reply.expect(400).json()["success"], false, "{name}");
    }
}

/// A host that knows a token of someone whom its directory has forgotten.
#[derive(Debug)]
struct Forgetful;

#[async_trait]
impl Authenticator for Forgetful {
    async fn authenticate(&self, _: &str) -> Result<Identity, AccountError> {
        let user = UserId::parse("gone").map_err(AccountError::from)?;
        Ok(Identity { user, session: None, expires_at: None })
    }
}

#[async_trait]
impl Directory for Forgetful {
    async fn profiles(&self, _: &[UserId]) -> Result<Vec<Profile>, StoreError> {
        Ok(Vec::new())
    }

    async fn find(&self, _: &str) -> Result<Option<UserId>, StoreError> {
        Ok(None)
    }
}

#[tokio::test]
async fn token_of_someone_who_is_gone_is_user_not_found() {
    let site = Site::with(dialect::all, RateLimits::off(), |builder| {
        builder.authenticator(Arc::new(Forgetful)).directory(Arc::new(Forgetful))
    })
    .await;
    let gone = site.http.with_token("anything");
    assert_eq!(gone.get("/auth").await.expect(401).json(), failure("User Not Found"));
    let reply = gone.post("/message", json!({"message": "hi"})).await.expect(401);
    assert_eq!(reply.json(), failure("User Not Found"));
}

#[tokio::test]
async fn guessing_is_slowed_down_with_a_time_to_come_back() {
    let site = Site::limited().await;
    site.nickname("alice").await;
    let guess = json!({"userName": "alice", "password": "guess"});
    let mut last = site.json("/auth/login", guess.clone()).await;
    for _ in 0..60 {
        if last.status == 429 {
            break;
        }
        last = site.json("/auth/login", guess.clone()).await;
    }
    let last = last.expect(429);
    assert_eq!(last.json()["success"], false);
    assert!(last.header("retry-after").parse::<u32>().unwrap() >= 1);
    assert!(!last.text().contains("incorrect"));
}
