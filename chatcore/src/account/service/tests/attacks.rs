//! Attacks that the account module must withstand by itself, whatever carries the requests.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};

use super::*;
use crate::account::{Disclosure, Password, PasswordReset};
use crate::throttle::Rate;

const ADDR: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

/// Hashes that take some milliseconds, so that one more or one fewer shows.
fn noticeable() -> AccountSettings {
    let params = PasswordParams::new(12, 8, 1).unwrap();
    let passwords = PasswordSettings { params, ..PasswordSettings::default() };
    AccountSettings { passwords, ..settings() }
}

/// How many hashes were made so far. One takes a quarter of a second, all else microseconds: equal
/// counts are equal times, and unlike times they are the same on a busy machine.
fn hashes(house: &House) -> u64 {
    house.accounts.inner.hasher.made.load(Ordering::SeqCst)
}

#[tokio::test]
async fn an_unknown_name_and_a_wrong_password_get_the_same_answer_in_the_same_time() {
    let house = house();
    house.register("alice").await;
    house.register_email("a@b.c").await;
    house.accounts.register(NewAccount::email("pending@b.c", PASSWORD)).await.unwrap();
    let wrong = async |name: &str| {
        let before = hashes(&house);
        let error = house.log_in(name, "wrong horse").await.unwrap_err();
        assert_eq!(hashes(&house) - before, 1, "{name}");
        (error.code(), error.to_string(), error.field().map(str::to_owned))
    };
    let known = wrong("alice").await;
    for name in ["nobody", "no body", "a@b.c", "nobody@b.c", "pending@b.c", "\u{430}lice", ""] {
        assert_eq!(wrong(name).await, known, "{name}");
    }
    // The right password of a registration that waits tells no more than that.
    let error = house.log_in("pending@b.c", PASSWORD).await.unwrap_err();
    assert_eq!((error.code(), error.to_string()), (known.0, known.1));
}

#[tokio::test]
async fn registering_a_known_address_looks_like_registering_an_unknown_one() {
    let house = house();
    house.register_email("a@b.c").await;
    for email in ["A@b.c", "d@e.f"] {
        let before = hashes(&house);
        let new = NewAccount::email(email, "attacker's own");
        let answer = house.accounts.register(new).await.unwrap();
        assert!(matches!(answer, Registered::Pending { .. }), "{email}");
        assert_eq!(hashes(&house) - before, 1, "{email}");
    }
    // Both were mailed; the owner of the known one is told, and nothing can be confirmed.
    let told = house.mailer.last_to("a@b.c").unwrap();
    assert!(told.key.is_none() && told.text.contains("you have an account"));
    assert_eq!(house.mailer.sent().len(), 3);
    house.log_in("a@b.c", "attacker's own").await.unwrap_err();
    house.log_in("a@b.c", PASSWORD).await.unwrap();
    // A failing mailer fails for both.
    house.mailer.fail(true);
    for email in ["a@b.c", "d@e.f"] {
        let failed = house.accounts.register(NewAccount::email(email, PASSWORD)).await;
        assert!(matches!(failed, Err(AccountError::Mail(_))));
    }
}

#[tokio::test]
async fn asking_to_reset_a_known_address_looks_like_an_unknown_one() {
    let house = house();
    house.register_email("a@b.c").await;
    for email in ["a@b.c", "nobody@b.c"] {
        house.accounts.request_password_reset(email, None).await.unwrap();
        let mail = house.mailer.last_to(email).unwrap();
        assert_eq!(mail.subject, "chatcore: choose a new password");
    }
    assert!(house.mailer.last_to("nobody@b.c").unwrap().key.is_none());
    house.mailer.fail(true);
    for email in ["a@b.c", "nobody@b.c"] {
        let failed = house.accounts.request_password_reset(email, None).await;
        assert!(matches!(failed, Err(AccountError::Mail(_))));
    }
}

#[tokio::test]
async fn of_500_parallel_logins_those_beyond_the_line_are_refused_at_once() {
    let parallel = NonZeroUsize::new(2).unwrap();
    let passwords = PasswordSettings { parallel, waiting: 16, ..noticeable().passwords };
    let house = house_with(AccountSettings { passwords, ..noticeable() });
    house.register("alice").await;
    let tasks: Vec<_> = (0..500)
        .map(|_| {
            let accounts = house.accounts.clone();
            tokio::spawn(async move { accounts.login(login("alice", PASSWORD)).await })
        })
        .collect();
    let (mut served, mut refused) = (0, 0);
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => served += 1,
            Err(error) => {
                assert_eq!(error.code(), crate::Code::RateLimited);
                assert!(error.retry_after().unwrap() > Duration::ZERO);
                refused += 1;
            }
        }
    }
    assert!(served >= 18, "{served}");
    assert!(refused >= 300, "{refused}");
    house.log_in("alice", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn a_password_of_a_mebibyte_is_refused_before_it_is_hashed() {
    let house = house();
    let huge = "x".repeat(1 << 20);
    let registered = house.accounts.register(NewAccount::handle("alice", huge.as_str())).await;
    assert_eq!(registered.unwrap_err().field(), Some("password"));
    for name in ["alice", "nobody"] {
        let error = house.log_in(name, &huge).await.unwrap_err();
        assert_eq!((error.code(), error.field()), (crate::Code::BadRequest, Some("password")));
    }
    let user = crate::id::UserId::parse("u").unwrap();
    let (huge, new) = (Password::from(huge), Password::from(PASSWORD));
    house.accounts.change_password(&user, &huge, &new, None).await.unwrap_err();
    house.accounts.change_password(&user, &new, &huge, None).await.unwrap_err();
    assert_eq!(hashes(&house), 0);
}

#[tokio::test]
async fn tokens_of_another_installation_are_worth_nothing() {
    let (ours, other) = (house(), house());
    other.register("alice").await;
    let foreign = other.log_in("alice", PASSWORD).await.unwrap();
    // The same secret (the same seed), and another audience.
    let parts =
        AccountParts { secret: Secret::new([1; 32]).unwrap(), ..ours.accounts.inner.parts.clone() };
    let mine = Accounts::new(parts.clone(), settings());
    let theirs =
        Accounts::new(parts, AccountSettings { audience: "elsewhere".into(), ..settings() });
    let account = mine.register(NewAccount::handle("bob", PASSWORD)).await.unwrap();
    let id = account.account().unwrap().id;
    let token = mine.start_session(&id, NewSession::default()).await.unwrap().tokens.access;
    assert!(mine.authenticate(&token).await.is_ok());
    for wrong in
        [theirs.authenticate(&token).await, mine.authenticate(&foreign.tokens.access).await]
    {
        assert!(matches!(wrong, Err(AccountError::Unauthenticated)));
    }
}

#[tokio::test]
async fn logout_new_password_and_switching_off_kill_every_credential_at_once() {
    for way in ["logout", "password", "reset", "disable"] {
        let house = house();
        let id = house.register_email("a@b.c").await.id;
        let SignedIn { session, tokens, .. } = house.log_in("a@b.c", PASSWORD).await.unwrap();
        let ticket = house.accounts.issue_ticket(&session.id).await.unwrap();
        assert!(house.is_signed_in(&tokens.access).await, "it is remembered as alive");
        let accounts = &house.accounts;
        match way {
            "logout" => accounts.revoke(&id, &session.id).await.unwrap(),
            "password" => {
                let (old, new) = (PASSWORD.into(), "battery staple".into());
                accounts.change_password(&id, &old, &new, None).await.unwrap();
            }
            "reset" => {
                accounts.request_password_reset("a@b.c", None).await.unwrap();
                let (email, code) = ("a@b.c".into(), house.mailed("a@b.c"));
                let password = "battery staple".into();
                let reset = PasswordReset { email, code, password, addr: None };
                accounts.reset_password(reset).await.unwrap();
            }
            _ => accounts.set_disabled(&id, true).await.unwrap(),
        }
        assert_eq!(house.revoked.all(), std::slice::from_ref(&session.id), "{way}");
        assert!(!house.is_signed_in(&tokens.access).await, "{way}");
        assert!(!house.is_signed_in(&tokens.session_token).await, "{way}");
        house.accounts.refresh(&tokens.refresh).await.unwrap_err();
        house.accounts.redeem_ticket(&ticket, &session.device).await.unwrap_err();
        assert!(house.accounts.sessions(&id).await.unwrap().is_empty(), "{way}");
    }
}

#[tokio::test]
async fn a_login_that_a_new_password_overtakes_leaves_no_session() {
    for round in 0..50 {
        let house = house();
        let id = house.register("alice").await.id;
        let (old, new) = (Password::from(PASSWORD), Password::from("battery staple"));
        let (logins, changed) = tokio::join!(
            async {
                let mut logins = Vec::new();
                for _ in 0..=round % 5 {
                    logins.push(house.log_in("alice", PASSWORD).await);
                }
                logins
            },
            house.accounts.change_password(&id, &old, &new, None),
        );
        changed.unwrap();
        for signed_in in logins.into_iter().flatten() {
            assert!(!house.is_signed_in(&signed_in.tokens.access).await);
        }
        assert!(house.accounts.sessions(&id).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_revocation_is_seen_by_every_request_that_begins_after_it() {
    for _ in 0..50 {
        let house = house();
        let id = house.register("alice").await.id;
        let SignedIn { session, tokens, .. } = house.log_in("alice", PASSWORD).await.unwrap();
        let readers: Vec<_> = (0..8)
            .map(|_| {
                let (accounts, token) = (house.accounts.clone(), tokens.access.clone());
                tokio::spawn(async move { drop(accounts.authenticate(&token).await) })
            })
            .collect();
        house.accounts.revoke(&id, &session.id).await.unwrap();
        assert!(!house.is_signed_in(&tokens.access).await);
        for reader in readers {
            reader.await.unwrap();
        }
        assert!(!house.is_signed_in(&tokens.access).await, "a late reader revived it");
    }
}

#[tokio::test]
async fn a_caller_who_hangs_up_does_not_stop_a_revocation_halfway() {
    let house = house();
    let id = house.register("alice").await.id;
    let SignedIn { session, tokens, .. } = house.log_in("alice", PASSWORD).await.unwrap();
    {
        let revoke = house.accounts.revoke(&id, &session.id);
        let mut revoke = std::pin::pin!(revoke);
        let mut context = Context::from_waker(Waker::noop());
        assert!(revoke.as_mut().poll(&mut context).is_pending());
    }
    while house.revoked.all().is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(!house.is_signed_in(&tokens.access).await);
}

#[tokio::test]
async fn twins_of_a_handle_conflict() {
    let house = house();
    house.register("admin").await;
    for twin in [
        "Admin",
        "\u{430}dmin",
        "ad\u{200b}min",
        "ad\u{200d}min",
        "\u{202e}admin\u{202c}",
        "\u{2066}admin",
        "\u{ff41}\u{ff44}\u{ff4d}\u{ff49}\u{ff4e}",
        "admin\u{ad}",
        "\u{feff}admin",
    ] {
        let error = house.accounts.register(NewAccount::handle(twin, PASSWORD)).await.unwrap_err();
        assert_eq!(
            (error.code(), error.field()),
            (crate::Code::Conflict, Some("handle")),
            "{twin:?}"
        );
    }
    // Not even with its own password is the look-alike a way in.
    house.log_in("\u{430}dmin", PASSWORD).await.unwrap_err();
}

#[tokio::test]
async fn a_reset_code_guessed_reused_or_overtaken_is_refused() {
    let house = house();
    let id = house.register_email("a@b.c").await.id;
    let accounts = &house.accounts;
    let reset = async |code: &str| {
        let (email, code) = ("a@b.c".into(), code.into());
        let password = "battery staple".into();
        accounts.reset_password(PasswordReset { email, code, password, addr: None }).await
    };
    let refused = |result| assert!(matches!(result, Err(AccountError::WrongCode)));

    // Guessed: after five tries the right one is void too.
    accounts.request_password_reset("a@b.c", None).await.unwrap();
    let code = house.mailed("a@b.c");
    let wrong = if code == "00000000" { "00000001" } else { "00000000" };
    for _ in 0..5 {
        refused(reset(wrong).await);
    }
    refused(reset(&code).await);

    // Expired.
    accounts.request_password_reset("a@b.c", None).await.unwrap();
    house.clock.advance(15 * MINUTE);
    refused(reset(&house.mailed("a@b.c")).await);

    // Overtaken by a change of the password.
    accounts.request_password_reset("a@b.c", None).await.unwrap();
    let (old, new) = (Password::from(PASSWORD), Password::from("another staple"));
    accounts.change_password(&id, &old, &new, None).await.unwrap();
    refused(reset(&house.mailed("a@b.c")).await);
    house.log_in("a@b.c", "another staple").await.unwrap();

    // Reused.
    accounts.request_password_reset("a@b.c", None).await.unwrap();
    let code = house.mailed("a@b.c");
    reset(&code).await.unwrap();
    refused(reset(&code).await);
    refused(reset("").await);
}

#[tokio::test]
async fn guessing_is_throttled_per_name_and_per_address() {
    let once = Some(Rate::new(2, MINUTE));
    let rates = RateLimits {
        login_per_name: once,
        code_per_email: once,
        mail_per_email: once,
        register_per_addr: once,
        ..RateLimits::off()
    };
    let house = house_with(AccountSettings { rates, ..settings() });
    house.register("alice").await;
    let limited = |error: AccountError| {
        assert_eq!(error.code(), crate::Code::RateLimited);
        assert!(error.retry_after().is_some_and(|wait| wait <= MINUTE), "{error:?}");
    };
    for name in ["alice", "ALICE"] {
        let error = house.log_in(name, "wrong horse").await.unwrap_err();
        assert!(matches!(error, AccountError::BadCredentials));
    }
    limited(house.log_in("alice", PASSWORD).await.unwrap_err());
    house.clock.advance(MINUTE);
    house.log_in("alice", PASSWORD).await.unwrap();

    for _ in 0..2 {
        house.accounts.request_password_reset("a@b.c", None).await.unwrap();
        house.confirm("a@b.c", "000000").await.unwrap_err();
    }
    limited(house.accounts.request_password_reset("A@B.C", None).await.unwrap_err());
    limited(house.confirm("a@b.c", "000000").await.unwrap_err());

    let from =
        |handle: &str| NewAccount { addr: Some(ADDR), ..NewAccount::handle(handle, PASSWORD) };
    house.accounts.register(from("bob")).await.unwrap();
    house.accounts.register(from("carol")).await.unwrap();
    limited(house.accounts.register(from("dave")).await.unwrap_err());
}

#[tokio::test]
async fn confirming_tells_strangers_nothing() {
    let house = house();
    house.register_email("a@b.c").await;
    house.accounts.register(NewAccount::email("pending@b.c", PASSWORD)).await.unwrap();
    let mut answers = Vec::new();
    for email in ["a@b.c", "pending@b.c", "nobody@b.c", "no address"] {
        let error = house.confirm(email, "not it").await.unwrap_err();
        answers.push((error.code(), error.to_string()));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let telling =
        CodeAttempt { disclosure: Disclosure::Tell, ..CodeAttempt::new("nobody@b.c", "not it") };
    let error = house.accounts.confirm_code(telling).await.unwrap_err();
    assert!(matches!(error, AccountError::WrongCode));
}

#[tokio::test]
async fn no_secret_shows_in_debug() {
    let house = house();
    let id = house.register_email("a@b.c").await.id;
    let signed_in = house.log_in("a@b.c", PASSWORD).await.unwrap();
    let attempt = CodeAttempt::new("a@b.c", "012345");
    let shown = format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        signed_in,
        house.accounts,
        house.accounts.inner.parts,
        login("a@b.c", PASSWORD),
        NewAccount::handle("a", PASSWORD),
        attempt,
        house.store,
    );
    let tokens = signed_in.tokens;
    for secret in
        [PASSWORD, "scrypt$", "012345", &tokens.access, &tokens.refresh, &tokens.session_token]
    {
        assert!(!shown.contains(secret), "{secret}");
    }
    assert!(shown.contains(id.as_str()));
}
