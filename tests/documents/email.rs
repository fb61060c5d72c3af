//! Document 002: registering with a code or a link, logging in and out.

use std::time::Duration;

use chatcore_tests::Http;
use reqwest::Method;
use serde_json::{Value, json};

use crate::fixture::{Site, WRITTEN, Written, but};

fn ok(message: &str) -> Value {
    json!({"message": message, "status": "OK"})
}

fn error(message: &str) -> Value {
    json!({"message": message, "status": "ERROR"})
}

fn registration(email: &str, mark: &str) -> Value {
    json!({"name": "Eve", "passward": "sesame", "email": email, "mark": mark})
}

#[tokio::test]
async fn code_is_mailed_and_confirms_the_address() {
    let site = Site::start().await;
    for written in WRITTEN {
        let email = format!("{written:?}@example.org").to_lowercase();
        let sent = site.post("/auth/register", &registration(&email, "captcha"), written).await;
        assert_eq!(sent.expect(200).json(), ok("Send captcha success."), "{written:?}");

        let login = json!({"email": email, "password": "sesame"});
        let early = site.post("/auth/login", &login, written).await.expect(200);
        assert_eq!(early.json(), error("Verification failed."), "not yet confirmed");
        assert_eq!(early.header("set-cookie"), "");

        let code = site.key(&email);
        let wrong = if code == "000000" { "000001" } else { "000000" };
        let fields = json!({"email": email, "captcha": wrong});
        let refused = site.post("/auth/validate_captcha", &fields, written).await.expect(200);
        assert_eq!(refused.json(), error("The captcha is not correct."));

        // ERROR is what the document prints beside its success.
        let fields = json!({"email": email, "captcha": code});
        let done = site.post("/auth/validate_captcha", &fields, written).await.expect(200);
        assert_eq!(done.json(), error("This user has been confirmed."));
        let again = site.post("/auth/validate_captcha", &fields, written).await.expect(200);
        assert_eq!(again.json(), error("This email has been used."));

        let done = site.post("/auth/login", &login, written).await.expect(200);
        assert_eq!(done.json(), ok("Verification success."), "{written:?}");
    }
}

#[tokio::test]
async fn link_is_mailed_and_opens_a_page_that_confirms_once() {
    let site = Site::start().await;
    for mark in ["email", "link", ""] {
        let email = format!("eve{mark}@example.org");
        let sent = site.json("/auth/register", registration(&email, mark)).await.expect(200);
        assert_eq!(sent.json(), ok("Send confirm email success."), "{mark:?}");
    }
    let mail = site.mail.last_to("eve@example.org").unwrap();
    let link = mail.text.split_whitespace().find(|word| word.contains("/auth/confirm?token="));
    let path = link.unwrap().split_once("3030").unwrap().1.to_owned();

    let peek = Http::send(site.http.request(Method::HEAD, &path)).await.expect(200);
    assert!(peek.body.is_empty(), "a look ahead uses nothing up");
    let page = site.http.get(&path).await.expect(200);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.text().contains("confirmed"), "{}", page.text());
    assert!(page.header("content-security-policy").contains("default-src 'none'"));

    let again = site.http.get(&path).await;
    assert!(again.header("content-type").starts_with("text/html"));
    assert!(!again.text().contains("is confirmed"), "a link works once: {}", again.text());
    for bad in ["/auth/confirm?token=x", "/auth/confirm?token=", "/auth/confirm"] {
        let page = site.http.get(bad).await;
        assert!(!page.text().contains("is confirmed"), "{bad}");
        assert!(page.header("content-type").starts_with("text/html"), "{bad}");
    }
    let login = json!({"email": "eve@example.org", "password": "sesame"});
    assert_eq!(site.json("/auth/login", login).await.json(), ok("Verification success."));
}

#[tokio::test]
async fn link_and_code_end_with_time() {
    let site = Site::start().await;
    site.json("/auth/register", registration("a@example.org", "captcha")).await.expect(200);
    site.json("/auth/register", registration("b@example.org", "link")).await.expect(200);
    let code = site.key("a@example.org");
    let link = site.mail.last_to("b@example.org").unwrap().text;
    let path =
        link.split_whitespace().find_map(|word| word.split_once("3030")).unwrap().1.to_owned();
    site.clock.advance(Duration::from_secs(25 * 3600));
    let fields = json!({"email": "a@example.org", "captcha": code});
    let reply = site.json("/auth/validate_captcha", fields).await.expect(200);
    assert_eq!(reply.json(), error("The captcha is not correct."));
    assert!(!site.http.get(&path).await.text().contains("is confirmed"));
}

#[tokio::test]
async fn code_that_is_guessed_too_often_is_void() {
    let site = Site::start().await;
    site.json("/auth/register", registration("a@example.org", "captcha")).await.expect(200);
    let code = site.key("a@example.org");
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for captcha in [wrong, wrong, wrong, wrong, wrong, &code] {
        let fields = json!({"email": "a@example.org", "captcha": captcha});
        let reply = site.json("/auth/validate_captcha", fields).await.expect(200);
        assert_eq!(reply.json(), error("The captcha is not correct."));
    }
}

#[tokio::test]
async fn missing_or_odd_arguments_are_a_mismatch_in_every_call() {
    let site = Site::start().await;
    let mismatch = error("Arguments mismatch.");
    let sound = || registration("a@example.org", "captcha");
    for name in ["name", "passward", "email", "mark"] {
        for bad in [Value::Null, json!(7), json!({"$ne": 1})] {
            let reply = site.json("/auth/register", but(sound(), name, bad.clone())).await;
            assert_eq!(reply.expect(200).json(), mismatch, "{name}: {bad}");
        }
    }
    for (name, bad) in [
        ("name", json!("")),
        ("passward", json!("")),
        ("email", json!("")),
        ("email", json!("not an address")),
        ("role", json!("admin")),
        ("password", json!("another than passward")),
    ] {
        let reply = site.json("/auth/register", but(sound(), name, bad.clone())).await;
        assert_eq!(reply.expect(200).json(), mismatch, "{name}: {bad}");
    }
    assert!(site.mail.sent().is_empty(), "nothing was mailed");
    for bad in [
        json!({}),
        json!({"captcha": "123456"}),
        json!({"email": "a@example.org"}),
        json!({"email": "a@example.org", "captcha": 123_456}),
    ] {
        let reply = site.json("/auth/validate_captcha", bad.clone()).await.expect(200);
        assert_eq!(reply.json(), mismatch, "{bad}");
    }
    let broken = site.http.request(Method::POST, "/auth/validate_captcha").body("{");
    assert_eq!(Http::send(broken).await.expect(200).json(), mismatch);
    for bad in [json!({"email": "a@example.org"}), json!({"email": ["a"], "password": "x"})] {
        assert_eq!(site.json("/auth/login", bad).await.expect(200).json(), mismatch);
    }
}

#[tokio::test]
async fn password_may_be_spelled_either_way() {
    let site = Site::start().await;
    let fields =
        json!({"name": "Eve", "password": "sesame", "email": "e@example.org", "mark": "captcha"});
    let reply = site.post("/auth/register", &fields, Written::Form).await.expect(200);
    assert_eq!(reply.json(), ok("Send captcha success."));
    let both = but(but(fields, "passward", json!("sesame")), "email", json!("f@example.org"));
    let reply = site.json("/auth/register", both).await.expect(200);
    assert_eq!(reply.json(), ok("Send captcha success."));
}

#[tokio::test]
async fn address_of_a_confirmed_account_is_used_and_of_an_unconfirmed_one_is_free() {
    let site = Site::start().await;
    for _ in 0..2 {
        let reply = site.json("/auth/register", registration("a@example.org", "captcha")).await;
        assert_eq!(reply.expect(200).json(), ok("Send captcha success."));
    }
    let fields = json!({"email": "a@example.org", "captcha": site.key("a@example.org")});
    site.json("/auth/validate_captcha", fields).await.expect(200);
    for email in ["a@example.org", "A@Example.ORG"] {
        for mark in ["captcha", "link"] {
            let reply = site.json("/auth/register", registration(email, mark)).await.expect(200);
            assert_eq!(reply.json(), error("This email has been used."), "{email}");
        }
    }
}

#[tokio::test]
async fn login_answers_as_the_document_prints_and_sets_a_safe_cookie() {
    let site = Site::start().await;
    site.email("a@example.org").await;
    let wrong = json!({"email": "a@example.org", "password": "Sesame"});
    let reply = site.json("/auth/login", wrong).await.expect(200);
    assert_eq!(reply.json(), error("Verification failed."));
    assert_eq!(reply.header("set-cookie"), "");
    for nobody in ["b@example.org", "no address"] {
        let fields = json!({"email": nobody, "password": "sesame"});
        let reply = site.json("/auth/login", fields).await.expect(200);
        assert_eq!(reply.json(), error("User doesn't exist"), "{nobody}");
    }
    let right = json!({"email": "A@example.org", "password": "sesame"});
    let reply = site.json("/auth/login", right).await.expect(200);
    assert_eq!(reply.json(), ok("Verification success."));
    let cookie = reply.header("set-cookie");
    for part in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age="] {
        assert!(cookie.contains(part), "{part}: {cookie}");
    }
    assert!(!reply.text().contains("token"), "the cookie alone carries it");
}

#[tokio::test]
async fn logout_by_any_method_ends_the_session_on_the_server() {
    let site = Site::start().await;
    site.email("a@example.org").await;
    let methods = [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH];
    for method in methods {
        let cookie = site.cookie("a@example.org").await;
        cookie.get("/v1/room/a@example.org").await.expect(200);
        let reply = Http::send(cookie.request(method.clone(), "/auth/logout")).await.expect(200);
        assert_eq!(reply.json(), ok("Logout success."), "{method}");
        assert!(reply.header("set-cookie").starts_with("chatcore_session=; "), "{method}");
        assert!(reply.header("set-cookie").contains("Max-Age=0"), "{method}");
        cookie.get("/v1/room/a@example.org").await.expect(401);
    }
    let nobody = site.http.get("/auth/logout").await.expect(200);
    assert_eq!(nobody.json(), ok("Logout success."), "who is out is out");
    let cookie = site.cookie("a@example.org").await;
    let forged =
        cookie.request(Method::GET, "/auth/logout").header("origin", "https://evil.example");
    Http::send(forged).await.expect(403);
    cookie.get("/v1/room/a@example.org").await.expect(200);
}

#[tokio::test]
async fn too_many_requests_fail_in_the_documents_words_and_say_when_to_come_back() {
    let site = Site::limited().await;
    let fields = json!({"email": "a@example.org", "password": "guess"});
    let mut slowed = site.json("/auth/login", fields.clone()).await.expect(200);
    for _ in 0..60 {
        if !slowed.header("retry-after").is_empty() {
            break;
        }
        assert_eq!(slowed.json(), error("User doesn't exist"));
        slowed = site.json("/auth/login", fields.clone()).await.expect(200);
    }
    assert_eq!(slowed.json(), error("Verification failed."));
    assert!(slowed.header("retry-after").parse::<u32>().unwrap() >= 1);

    let mut slowed = site.json("/auth/register", registration("b@example.org", "link")).await;
    for _ in 0..60 {
        if !slowed.header("retry-after").is_empty() {
            break;
        }
        slowed = site.json("/auth/register", registration("b@example.org", "link")).await;
    }
    assert_eq!(slowed.expect(200).json(), error("Too many requests. Try again later."));
}

#[tokio::test]
async fn mail_that_cannot_be_sent_is_no_success() {
    let site = Site::start().await;
    site.mail.fail(true);
    let reply = site.json("/auth/register", registration("a@example.org", "captcha")).await;
    assert_eq!(reply.expect(200).json()["status"], "ERROR");
    site.mail.fail(false);
    let reply = site.json("/auth/register", registration("a@example.org", "captcha")).await;
    assert_eq!(reply.json(), ok("Send captcha success."));
}
