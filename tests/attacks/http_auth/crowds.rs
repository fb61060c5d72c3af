//! Many at once, and whose address it was.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use chatcore::account::{PasswordParams, PasswordSettings, RateLimits};
use chatcore::throttle::Rate;
use chatcore_tests::Http;
use chatcore_warp::serve::{ServeConfig, TrustedProxies};
use reqwest::Method;
use serde_json::json;

use crate::site::{Site, problem};

/// Rule 3.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_logins_at_once_do_not_hold_up_the_chat() {
    // About 20 ms a hash.
    let params = PasswordParams::new(12, 8, 2).unwrap();
    let passwords = PasswordSettings { params, parallel: NonZeroUsize::MIN, waiting: 8 };
    let site = Site::with(|setup| setup.accounts.passwords = passwords).await;
    let ann = site.person("ann").await;
    let room = ann.create_room("public", "room").await;
    let flood: Vec<_> = (0..500)
        .map(|n| {
            let http = site.http.clone();
            let body = json!({ "login": format!("user{}", n % 7), "password": "wrong horse" });
            tokio::spawn(async move { http.post("/api/v1/sessions", body).await })
        })
        .collect();
    let mut slowest = Duration::ZERO;
    for n in 0..50 {
        let begun = Instant::now();
        ann.send(&room, &n.to_string(), "in between").await.expect(201);
        slowest = slowest.max(begun.elapsed());
    }
    // The bound is generous: without a line before the hashes this would wait for seconds.
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    let (mut served, mut refused) = (0, 0);
    for answer in flood {
        let answer = answer.await.unwrap();
        match answer.status {
            401 => served += 1,
            429 => {
                problem(&answer, 429, "rate_limited");
                assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
                refused += 1;
            }
            other => panic!("{other}: {}", answer.text()),
        }
    }
    assert!(served >= 9 && refused >= 250, "{served} {refused}");
    site.http.log_in("ann", &ann.password).await;
}

/// Rule 4, at every door that takes a password.
#[tokio::test]
async fn a_mebibyte_of_password_at_every_door() {
    // A hash at this cost takes a second: none may be made.
    let site = Site::open().await;
    let ann = site.person("ann").await;
    let huge = "x".repeat(1 << 20);
    let long = "x".repeat(200_000);
    for (password, status) in [(&huge, 413), (&long, 400)] {
        let bodies = [
            ("/api/v1/accounts", json!({ "handle": "b", "password": password })),
            ("/api/v1/sessions", json!({ "login": "ann", "password": password })),
            ("/api/v1/sessions", json!({ "login": "nobody", "password": password })),
            (
                "/api/v1/password-resets/confirm",
                json!({ "email": "a@b.c", "code": "1", "password": password }),
            ),
        ];
        for (path, body) in bodies {
            let answer = site.http.post(path, body).await;
            assert_eq!(answer.status, status, "{path}: {}", answer.text());
            assert!(answer.body.len() < 1_000);
        }
        let body = json!({ "current": password, "new": "battery staple" });
        let answer = ann.http.json(Method::PUT, "/api/v1/me/password", body).await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    site.http.log_in("ann", &ann.password).await;
}

/// Rule 17.
#[tokio::test]
async fn a_forged_address_buys_no_further_tries() {
    let forge = |http: &Http, n: u32| {
        let body = json!({ "login": format!("user{n}"), "password": "wrong horse" });
        let request = http.request(Method::POST, "/api/v1/sessions").json(&body);
        Http::send(
            request
                .header("x-forwarded-for", format!("10.0.0.{n}"))
                .header("forwarded", format!("for=10.0.0.{n}"))
                .header("x-real-ip", format!("10.0.0.{n}"))
                .header("x-client-ip", format!("10.0.0.{n}")),
        )
    };
    let rates = RateLimits {
        login_per_addr: Some(Rate::new(3, Duration::from_secs(600))),
        ..RateLimits::off()
    };
    let site = Site::with(|setup| setup.accounts.rates = rates).await;
    let mut answers = Vec::new();
    for n in 0..8 {
        answers.push(forge(&site.http, n).await.status);
    }
    assert_eq!(answers, [401, 401, 401, 429, 429, 429, 429, 429]);

    // Behind a proxy that is trusted the address counts that the proxy has seen, not what the client
    // has put before it.
    let site = Site::with(|setup| {
        setup.accounts.rates = rates;
        let proxies = TrustedProxies::parse(["127.0.0.1"]).unwrap();
        setup.serving = ServeConfig::default().with_trusted_proxies(proxies);
    })
    .await;
    let mut answers = Vec::new();
    for n in 0..5 {
        let body = json!({ "login": format!("user{n}"), "password": "wrong horse" });
        let request = site.http.request(Method::POST, "/api/v1/sessions").json(&body);
        let forwarded = format!("10.0.0.{n}, 203.0.113.7");
        answers.push(Http::send(request.header("x-forwarded-for", forwarded)).await.status);
    }
    assert_eq!(answers, [401, 401, 401, 429, 429]);
    // A garbled list is no free pass either.
    for forwarded in ["", "unknown", "203.0.113.7,", "::ffff:203.0.113.7", "203.0.113.7:80, x"] {
        let body = json!({ "login": "u", "password": "wrong horse" });
        let request = site.http.request(Method::POST, "/api/v1/sessions").json(&body);
        let answer = Http::send(request.header("x-forwarded-for", forwarded)).await;
        assert!(matches!(answer.status, 401 | 429), "{forwarded}: {}", answer.status);
    }
}

/// More connections than one address may have; those that are in are served on.
#[tokio::test]
async fn one_address_cannot_take_all_connections() {
    let site = Site::with(|setup| {
        setup.serving = ServeConfig::default().with_max_per_address(20);
    })
    .await;
    let ann = site.person("ann").await;
    let socket = site.socket(&ann).await;
    let room = socket.request("create_room", json!({ "kind": "public" })).await;
    let mut held = Vec::new();
    for _ in 0..60 {
        held.push(site.raw().await);
    }
    let last = held.last_mut().unwrap();
    last.say("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let answer = last.rest().await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 503"), "{answer}");
    let send = json!({ "room": room["room"], "client_msg_id": "1", "text": "still heard" });
    socket.request("send", send).await;
    drop(held);
    let again = async {
        loop {
            // The places come free as the server sees the sockets end.
            let mut raw = site.raw().await;
            raw.say("GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
            if raw.rest().await.starts_with("HTTP/1.1 200") {
                return;
            }
        }
    };
    tokio::time::timeout(chatcore_tests::PATIENCE, again).await.unwrap();
}
