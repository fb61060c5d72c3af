//! The same secret from many sides at once: each is good once.

use chatcore_tests::{Encoding, PATIENCE, WsClient};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream;
use reqwest::Method;
use serde_json::json;

use crate::site::{Site, problem, text};

async fn mailed(site: &Site, email: &str) -> String {
    site.mailer.last_to(email).unwrap().key.unwrap()
}

/// Rule 91: one code, tried at once by many.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_is_good_once_however_many_bring_it_at_once() {
    let site = Site::open().await;
    for round in 0..5 {
        let email = format!("ann{round}@b.c");
        let body = json!({ "email": email, "password": "correct horse" });
        site.http.post("/api/v1/accounts", body).await.expect(202);
        let body = json!({ "email": email, "code": mailed(&site, &email).await });
        let tries = (0..10).map(|_| site.http.post("/api/v1/accounts/confirm", body.clone()));
        let answers = join_all(tries).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);

        let ask = json!({ "email": email });
        site.http.post("/api/v1/password-resets", ask).await.expect(202);
        let code = mailed(&site, &email).await;
        let tries = (0..10).map(|n| {
            let password = format!("battery staple {n}");
            let body = json!({ "email": email, "code": code, "password": password });
            site.http.post("/api/v1/password-resets/confirm", body)
        });
        let answers = join_all(tries).await;
        let winners: Vec<_> = (0..10).filter(|n| answers[*n].status == 204).collect();
        assert_eq!(winners.len(), 1, "{winners:?}");
        // The one password that is good is the winner's.
        for n in 0..10 {
            let body = json!({ "login": email, "password": format!("battery staple {n}") });
            let answer = site.http.post("/api/v1/sessions", body).await;
            assert_eq!(answer.status == 201, winners[0] == n, "{n}: {}", answer.text());
        }
    }
}

/// Rule 91: guesses that come all at once are counted all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_at_once_do_not_outrun_their_count() {
    let site = Site::open().await;
    let body = json!({ "email": "ann@b.c", "password": "correct horse" });
    site.http.post("/api/v1/accounts", body).await.expect(202);
    let code = mailed(&site, "ann@b.c").await;
    let guesses = (0..40).map(|n| {
        let guess = format!("{n:0width$}", width = code.len());
        let guess = if guess == code { "x".repeat(code.len()) } else { guess };
        site.http.post("/api/v1/accounts/confirm", json!({ "email": "ann@b.c", "code": guess }))
    });
    for answer in join_all(guesses).await {
        assert!(matches!(answer.status, 400 | 401 | 403 | 429), "{}", answer.text());
    }
    let right = json!({ "email": "ann@b.c", "code": code });
    let answer = site.http.post("/api/v1/accounts/confirm", right).await;
    assert_ne!(answer.status, 201, "the code was guessed at too often to be good still");
}

/// A refresh token that two have is a stolen one: one of them is served, and then neither.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_token_that_many_have() {
    let site = Site::open().await;
    for round in 0..5 {
        let body = json!({ "handle": format!("ann{round}"), "password": "correct horse" });
        let made = site.http.post("/api/v1/accounts", body).await.expect(201).json();
        let body = json!({ "refresh_token": text(&made, "/refresh_token") });
        let tries = (0..10).map(|_| site.http.post("/api/v1/sessions/refresh", body.clone()));
        let answers = join_all(tries).await;
        let served: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
        assert!(served.len() <= 1, "{}", served.len());
        // Whoever was served has nothing of it: the session has ended.
        for answer in served {
            let token = text(&answer.json(), "/access_token");
            let me = site.http.with_token(token).get("/api/v1/me").await;
            problem(&me, 401, "unauthenticated");
        }
    }
}

/// A ticket on ten sockets at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_that_many_have() {
    let site = Site::open().await;
    let ann = site.person("ann").await;
    for _ in 0..5 {
        let mut socket = WsClient::open(site.address, Encoding::Json).await;
        let welcome = socket.hello_with(&ann, json!({ "caps": ["ticket"] })).await;
        let ticket = text(&welcome, "/ticket");
        let tries = (0..10).map(|_| {
            let (address, ticket) = (site.address, ticket.clone());
            async move {
                let mut socket = WsClient::open(address, Encoding::Json).await;
                let hello = json!({ "versions": [1], "ticket": ticket, "device": "harness" });
                socket.handle().post("hello", hello);
                socket.frame_within(PATIENCE).await.unwrap()["op"] == "welcome"
            }
        });
        let welcomed = join_all(tries).await.into_iter().filter(|welcome| *welcome).count();
        assert_eq!(welcomed, 1);
    }
}

/// One account's sessions are counted, however fast they come; the oldest give way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_without_end() {
    let site = Site::with(|setup| setup.accounts.max_sessions = 5).await;
    let ann = site.person("ann").await;
    // A few at once: all thirty would meet the bound on passwords that wait to be checked.
    let logins = (0..30).map(|_| site.http.log_in("ann", &ann.password));
    let people: Vec<_> = stream::iter(logins).buffer_unordered(4).collect().await;
    let mut alive = 0;
    for person in &people {
        alive += usize::from(person.http.get("/api/v1/me").await.status == 200);
    }
    assert!((1..=5).contains(&alive), "{alive}");
    let last = site.http.log_in("ann", &ann.password).await;
    let sessions = last.http.get("/api/v1/sessions").await.expect(200).json();
    assert!(sessions["sessions"].as_array().unwrap().len() <= 5, "{sessions}");
}

/// A session of someone else is not ended by who knows its id; nor is it told that it is there.
#[tokio::test]
async fn sessions_of_others_are_not_seen_or_ended() {
    let site = Site::open().await;
    let ann = site.person("ann").await;
    let eve = site.person("eve").await;
    let sessions = ann.http.get("/api/v1/sessions").await.expect(200).json();
    let session = text(&sessions, "/sessions/0/id");
    let absent: String = session.chars().rev().collect();
    let path = |id: &str| format!("/api/v1/sessions/{id}");
    let one = eve.http.json(Method::DELETE, &path(&session), json!({})).await;
    let other = eve.http.json(Method::DELETE, &path(&absent), json!({})).await;
    assert_eq!(crate::site::seen(&one), crate::site::seen(&other));
    ann.http.get("/api/v1/me").await.expect(200);
    assert!(!eve.http.get("/api/v1/sessions").await.text().contains(&session));
    // What others see of someone holds no address of theirs.
    let body = json!({ "handle": "bob", "email": "bob@b.c", "password": "correct horse" });
    let bob = site.http.post("/api/v1/accounts", body).await.expect(201).json();
    let seen = eve.http.get(&format!("/api/v1/users/{}", text(&bob, "/user/id"))).await.expect(200);
    assert!(!seen.text().contains("bob@b.c"), "{}", seen.text());
    problem(&site.http.get(&format!("/api/v1/users/{}", ann.user)).await, 401, "unauthenticated");
}
