use super::*;
use crate::account::{Password, PasswordReset};

fn reset(email: &str, code: &str, password: &str) -> PasswordReset {
    let (email, code) = (email.into(), code.into());
    PasswordReset { email, code, password: password.into(), addr: None }
}

const NEW: &str = "battery staple";

#[tokio::test]
async fn a_new_password_ends_all_other_sessions() {
    let house = house();
    let id = house.register("alice").await.id;
    let (here, there) = (
        house.log_in("alice", PASSWORD).await.unwrap(),
        house.log_in("alice", PASSWORD).await.unwrap(),
    );
    let change = async |current: &str, new: &str| {
        let (current, new) = (Password::from(current), Password::from(new));
        house.accounts.change_password(&id, &current, &new, Some(&here.session.id)).await
    };
    assert!(matches!(change("wrong horse", NEW).await, Err(AccountError::WrongPassword)));
    assert_eq!(change(PASSWORD, "short").await.unwrap_err().field(), Some("new"));
    assert!(house.is_signed_in(&there.tokens.access).await);

    change(PASSWORD, NEW).await.unwrap();
    assert!(house.is_signed_in(&here.tokens.access).await);
    assert!(!house.is_signed_in(&there.tokens.access).await);
    assert_eq!(house.revoked.all(), [there.session.id]);
    house.log_in("alice", PASSWORD).await.unwrap_err();
    house.log_in("alice", NEW).await.unwrap();
}

#[tokio::test]
async fn of_two_who_change_a_password_at_once_one_succeeds() {
    let house = house();
    let id = house.register("alice").await.id;
    let (current, a, b) =
        (Password::from(PASSWORD), "first new one".into(), "second new one".into());
    let (first, second) = tokio::join!(
        house.accounts.change_password(&id, &current, &a, None),
        house.accounts.change_password(&id, &current, &b, None),
    );
    assert_ne!(first.is_ok(), second.is_ok());
    let (good, bad) = if first.is_ok() { (a, b) } else { (b, a) };
    house.log_in("alice", good.expose()).await.unwrap();
    house.log_in("alice", bad.expose()).await.unwrap_err();
}

#[tokio::test]
async fn a_mailed_code_sets_a_new_password_and_ends_all_sessions() {
    let house = house();
    house.register_email("a@b.c").await;
    let before = house.log_in("a@b.c", PASSWORD).await.unwrap();
    house.accounts.request_password_reset("A@B.c", None).await.unwrap();
    let code = house.mailed("a@b.c");
    assert_eq!(code.len(), 8);

    let weak = house.accounts.reset_password(reset("a@b.c", &code, "short")).await;
    assert_eq!(weak.unwrap_err().field(), Some("password"));
    let user = house.accounts.reset_password(reset("a@b.c", &code, NEW)).await.unwrap();
    assert_eq!(user, before.account.id);
    assert!(!house.is_signed_in(&before.tokens.access).await);
    house.log_in("a@b.c", PASSWORD).await.unwrap_err();
    house.log_in("a@b.c", NEW).await.unwrap();
}

#[tokio::test]
async fn asking_for_another_code_does_not_void_the_one_at_hand() {
    let house = house();
    house.register_email("a@b.c").await;
    house.accounts.request_password_reset("a@b.c", None).await.unwrap();
    let first = house.mailed("a@b.c");
    house.accounts.request_password_reset("a@b.c", None).await.unwrap();
    let second = house.mailed("a@b.c");
    house.accounts.reset_password(reset("a@b.c", &first, NEW)).await.unwrap();
    let stale = house.accounts.reset_password(reset("a@b.c", &second, "third one's charm")).await;
    assert!(matches!(stale, Err(AccountError::WrongCode)));
}

#[tokio::test]
async fn of_many_who_use_one_code_at_once_one_succeeds() {
    let house = house();
    house.register_email("a@b.c").await;
    house.accounts.request_password_reset("a@b.c", None).await.unwrap();
    let code = house.mailed("a@b.c");
    let tasks: Vec<_> = (0..4)
        .map(|n| {
            let (accounts, code) = (house.accounts.clone(), code.clone());
            let reset = reset("a@b.c", &code, &format!("password of {n}"));
            tokio::spawn(async move { accounts.reset_password(reset).await })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += usize::from(task.await.unwrap().is_ok());
    }
    assert_eq!(done, 1);
}
