use super::*;
use crate::store::SessionStore as _;

fn device(name: &str) -> DeviceId {
    DeviceId::parse(name).unwrap()
}

#[tokio::test]
async fn both_tokens_say_who_and_end_when_they_say() {
    let house = house();
    let account = house.register("alice").await;
    let SignedIn { session, tokens, .. } = house.log_in("alice", PASSWORD).await.unwrap();
    for (token, until) in [
        (&tokens.access, tokens.access_expires_at),
        (&tokens.session_token, tokens.session_expires_at),
    ] {
        let identity = house.accounts.authenticate(token).await.unwrap();
        assert_eq!(identity.user, account.id);
        assert_eq!(identity.session.as_ref(), Some(&session.id));
        assert_eq!(identity.expires_at, Some(until));
    }
    house.clock.advance(15 * MINUTE);
    assert!(!house.is_signed_in(&tokens.access).await);
    assert!(house.is_signed_in(&tokens.session_token).await);
    house.clock.advance(30 * 24 * 60 * MINUTE);
    assert!(!house.is_signed_in(&tokens.session_token).await);
    assert!(house.accounts.sessions(&account.id).await.unwrap().is_empty());
}

#[tokio::test]
async fn sessions_are_listed_newest_first_and_revoked_one_by_one() {
    let house = house();
    let id = house.register("alice").await.id;
    let mut made = Vec::new();
    for name in ["phone", "laptop"] {
        let new = NewSession {
            user_agent: Some("é".repeat(1_000)),
            addr: Some("192.0.2.1".parse().unwrap()),
            ..NewSession::on(device(name))
        };
        made.push(house.accounts.start_session(&id, new).await.unwrap());
        house.clock.advance(MINUTE);
    }
    let [phone, laptop] = made.try_into().unwrap();
    let listed = house.accounts.sessions(&id).await.unwrap();
    assert_eq!(listed, [laptop.session.clone(), phone.session.clone()]);
    assert_eq!(listed[0].user_agent.as_ref().unwrap().len(), 256);

    house.accounts.revoke(&id, &phone.session.id).await.unwrap();
    assert!(!house.is_signed_in(&phone.tokens.access).await);
    assert!(!house.is_signed_in(&phone.tokens.session_token).await);
    assert!(house.is_signed_in(&laptop.tokens.access).await);
    let again = house.accounts.revoke(&id, &phone.session.id).await;
    assert!(matches!(again, Err(AccountError::NotFound)));
    assert_eq!(house.revoked.all(), [phone.session.id]);
}

#[tokio::test]
async fn nobody_revokes_anothers_session() {
    let house = house();
    house.register("alice").await;
    let bob = house.register("bob").await;
    let alices = house.log_in("alice", PASSWORD).await.unwrap();
    let refused = house.accounts.revoke(&bob.id, &alices.session.id).await;
    assert!(matches!(refused, Err(AccountError::NotFound)));
    assert!(house.is_signed_in(&alices.tokens.access).await);
    assert!(house.revoked.all().is_empty());
}

#[tokio::test]
async fn all_sessions_but_one_end() {
    let house = house();
    let id = house.register("alice").await.id;
    let mut signed_in = Vec::new();
    for _ in 0..4 {
        signed_in.push(house.log_in("alice", PASSWORD).await.unwrap());
    }
    let kept = &signed_in[2];
    let ended = house.accounts.revoke_all(&id, Some(&kept.session.id)).await.unwrap();
    assert_eq!(ended, 3);
    for each in &signed_in {
        let alive = each.session.id == kept.session.id;
        assert_eq!(house.is_signed_in(&each.tokens.access).await, alive);
    }
    assert_eq!(house.accounts.revoke_all(&id, None).await.unwrap(), 1);
    assert_eq!(house.revoked.all().len(), 4);
}

#[tokio::test]
async fn a_login_beyond_the_limit_ends_the_oldest_session() {
    let house = house_with(AccountSettings { max_sessions: 2, ..settings() });
    house.register("alice").await;
    let mut signed_in = Vec::new();
    for _ in 0..3 {
        signed_in.push(house.log_in("alice", PASSWORD).await.unwrap());
        assert!(house.is_signed_in(&signed_in[0].tokens.access).await || signed_in.len() == 3);
        house.clock.advance(MINUTE);
    }
    assert!(!house.is_signed_in(&signed_in[0].tokens.access).await);
    assert_eq!(house.revoked.all(), [signed_in[0].session.id.clone()]);
    assert!(house.is_signed_in(&signed_in[1].tokens.access).await);
}

#[tokio::test]
async fn a_refresh_renews_the_session_and_spends_its_token() {
    let house = house();
    house.register("alice").await;
    let first = house.log_in("alice", PASSWORD).await.unwrap();
    house.clock.advance(20 * 24 * 60 * MINUTE);
    let second = house.accounts.refresh(&first.tokens.refresh).await.unwrap();
    assert_eq!(second.session.id, first.session.id);
    assert_ne!(second.tokens.refresh, first.tokens.refresh);
    assert!(second.tokens.refresh_expires_at > first.tokens.refresh_expires_at);
    house.clock.advance(20 * 24 * 60 * MINUTE);
    let third = house.accounts.refresh(&second.tokens.refresh).await.unwrap();
    assert!(house.is_signed_in(&third.tokens.access).await);
}

#[tokio::test]
async fn a_session_ends_for_good_however_often_it_is_refreshed() {
    let house = house();
    house.register("alice").await;
    let first = house.log_in("alice", PASSWORD).await.unwrap();
    let mut tokens = first.tokens;
    for _ in 0..13 {
        house.clock.advance(29 * 24 * 60 * MINUTE);
        match house.accounts.refresh(&tokens.refresh).await {
            Ok(renewed) => tokens = renewed.tokens,
            Err(AccountError::Unauthenticated) => return,
            Err(other) => panic!("{other:?}"),
        }
    }
    panic!("alive after {} days", 13 * 29);
}

#[tokio::test]
async fn a_spent_refresh_token_ends_the_session_however_old_it_is() {
    for generations in 1..4 {
        let house = house();
        house.register("alice").await;
        let first = house.log_in("alice", PASSWORD).await.unwrap();
        let mut newest = first.tokens.clone();
        for _ in 0..generations {
            newest = house.accounts.refresh(&newest.refresh).await.unwrap().tokens;
        }
        let reused = house.accounts.refresh(&first.tokens.refresh).await;
        assert!(matches!(reused, Err(AccountError::Unauthenticated)));
        assert!(!house.is_signed_in(&newest.access).await);
        assert!(house.accounts.refresh(&newest.refresh).await.is_err());
        assert_eq!(house.revoked.all(), [first.session.id]);
    }
}

#[tokio::test]
async fn an_invented_refresh_token_ends_nothing() {
    let house = house();
    house.register("alice").await;
    let SignedIn { session, tokens, .. } = house.log_in("alice", PASSWORD).await.unwrap();
    let invented = format!("{}.{}.{}", session.id, "A".repeat(32), "B".repeat(32));
    let long = "a".repeat(1 << 20);
    for token in [invented.as_str(), "", "a.b", "a.b.c.d", &tokens.access, &long] {
        let refused = house.accounts.refresh(token).await;
        assert!(matches!(refused, Err(AccountError::Unauthenticated)));
    }
    assert!(house.is_signed_in(&tokens.access).await);
    house.accounts.refresh(&tokens.refresh).await.unwrap();
}

#[tokio::test]
async fn a_refresh_token_opens_nothing_else() {
    let house = house();
    house.register("alice").await;
    let SignedIn { tokens, session, .. } = house.log_in("alice", PASSWORD).await.unwrap();
    let ticket = house.accounts.issue_ticket(&session.id).await.unwrap();
    assert!(!house.is_signed_in(&tokens.refresh).await);
    assert!(!house.is_signed_in(&ticket).await);
    for token in [&tokens.refresh, &tokens.access] {
        house.accounts.redeem_ticket(token, &device("laptop")).await.unwrap_err();
    }
}

#[tokio::test]
async fn of_two_who_refresh_with_one_token_at_once_one_is_served_and_the_session_ends() {
    let house = house();
    house.register("alice").await;
    let token = house.log_in("alice", PASSWORD).await.unwrap().tokens.refresh;
    let (a, b) = tokio::join!(house.accounts.refresh(&token), house.accounts.refresh(&token));
    assert_eq!(usize::from(a.is_ok()) + usize::from(b.is_ok()), 1);
    let served = a.or(b).unwrap();
    assert!(!house.is_signed_in(&served.tokens.access).await);
}

#[tokio::test]
async fn a_ticket_resumes_once_on_its_device() {
    let house = house();
    let id = house.register("alice").await.id;
    let SignedIn { session, .. } = house.log_in("alice", PASSWORD).await.unwrap();
    let issue = async || house.accounts.issue_ticket(&session.id).await.unwrap();
    let redeem = async |ticket: &str, on: &str| {
        house.accounts.redeem_ticket(ticket, &device(on)).await.map_err(|error| error.code())
    };
    let refused = Err(crate::Code::Unauthenticated);

    let ticket = issue().await;
    let check = async |on: &str| {
        let checked = house.accounts.check_ticket(&ticket, &device(on)).await;
        checked.map_err(|error| error.code())
    };
    assert_eq!(check("phone").await, refused);
    let foreseen = check("laptop").await.unwrap();
    let identity = redeem(&ticket, "laptop").await.unwrap();
    assert_eq!(foreseen, identity);
    assert_eq!(check("laptop").await, refused, "it is spent");
    assert_eq!((&identity.user, identity.session.as_ref()), (&id, Some(&session.id)));
    assert_eq!(identity.expires_at.unwrap().0, NOW + 15 * 60 * 1000);
    assert_eq!(redeem(&ticket, "laptop").await, refused);

    let ticket = issue().await;
    assert_eq!(redeem(&ticket, "phone").await, refused);
    assert_eq!(redeem(&ticket, "laptop").await, refused, "spent by the wrong device");

    let ticket = issue().await;
    house.clock.advance(15 * MINUTE);
    assert_eq!(redeem(&ticket, "laptop").await, refused);
    assert_eq!(redeem("", "laptop").await, refused);

    let ticket = issue().await;
    house.accounts.revoke(&id, &session.id).await.unwrap();
    assert_eq!(redeem(&ticket, "laptop").await, refused);
    let dead = house.accounts.issue_ticket(&session.id).await;
    assert!(matches!(dead, Err(AccountError::Unauthenticated)));
}

#[tokio::test]
async fn a_live_session_is_not_read_for_each_request() {
    let house = house();
    house.register("alice").await;
    let SignedIn { session, tokens, account } = house.log_in("alice", PASSWORD).await.unwrap();
    assert!(house.is_signed_in(&tokens.access).await);
    // Gone behind our back, as another node would do it: known here after the recheck at the latest.
    assert!(house.store.remove_session(&account.id, &session.id).await.unwrap());
    assert!(house.is_signed_in(&tokens.access).await);
    house.clock.advance(Duration::from_secs(2));
    assert!(!house.is_signed_in(&tokens.access).await);
}

#[tokio::test]
async fn what_has_expired_is_swept() {
    let house = house();
    let id = house.register("alice").await.id;
    let session = house.log_in("alice", PASSWORD).await.unwrap().session;
    house.accounts.issue_ticket(&session.id).await.unwrap();
    house.accounts.register(NewAccount::email("a@b.c", PASSWORD)).await.unwrap();
    assert_eq!(house.accounts.sweep().await.unwrap(), 0);
    house.clock.advance(16 * MINUTE);
    assert_eq!(house.accounts.sweep().await.unwrap(), 2, "the ticket and the code");
    house.clock.advance(30 * 24 * 60 * MINUTE);
    assert_eq!(house.accounts.sweep().await.unwrap(), 1);
    assert!(house.store.sessions_of(&id).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_session_for_nobody_is_not_opened() {
    let nobody = UserId::parse("nobody").unwrap();
    let refused = house().accounts.start_session(&nobody, NewSession::default()).await;
    assert!(matches!(refused, Err(AccountError::NotFound)));
}
