use super::*;
use crate::account::{Disclosure, Handle, NameKind, PasswordRules};

#[tokio::test]
async fn a_handle_is_usable_at_once() {
    let house = house();
    let account = house.register("Alice").await;
    assert_eq!(account.handle, Some(Handle::parse("Alice").unwrap()));
    assert_eq!(account.display_name.as_str(), "Alice");
    assert_eq!(account.created_at.0, NOW);
    let signed_in = house.log_in("alice", PASSWORD).await.unwrap();
    assert_eq!(signed_in.account, account);
    assert_eq!(house.accounts.count().await.unwrap(), 1);
}

#[tokio::test]
async fn every_bad_field_is_told_at_once() {
    let new = NewAccount {
        handle: Some("a b".into()),
        email: Some("nowhere".into()),
        external_id: Some(String::new()),
        display_name: Some("\n".into()),
        ..NewAccount::handle("", "short")
    };
    let error = house().accounts.register(new).await.unwrap_err();
    assert_eq!(error.code(), crate::Code::BadRequest);
    let AccountError::Invalid(problems) = error else { panic!("{error:?}") };
    let fields: Vec<_> = problems.iter().map(|problem| problem.field.as_ref()).collect();
    assert_eq!(fields, ["handle", "email", "display_name", "external_id", "password"]);
}

#[tokio::test]
async fn every_taken_name_is_told_at_once() {
    let house = house();
    let first = NewAccount::handle("alice", PASSWORD).external_id("0123456789abcdef01234567");
    house.accounts.register(first.clone()).await.unwrap();
    let error = house.accounts.register(first.clone()).await.unwrap_err();
    assert_eq!(error.code(), crate::Code::Conflict);
    let AccountError::Taken(kinds) = error else { panic!("{error:?}") };
    assert_eq!(kinds, [NameKind::Handle, NameKind::ExternalId]);
    let other_handle = NewAccount { handle: Some("bob".into()), ..first };
    let error = house.accounts.register(other_handle).await.unwrap_err();
    assert!(matches!(&error, AccountError::Taken(kinds) if *kinds == [NameKind::ExternalId]));
    assert_eq!(house.accounts.count().await.unwrap(), 1);
}

#[tokio::test]
async fn without_any_name_nothing_is_registered() {
    let new = NewAccount::with_password(PASSWORD.into());
    let error = house().accounts.register(new).await.unwrap_err();
    assert_eq!(error.field(), Some("handle"));
}

#[tokio::test]
async fn a_contract_may_take_passwords_that_ours_does_not() {
    let house = house();
    let short = NewAccount::handle("alice", "abc");
    house.accounts.register(short.clone()).await.unwrap_err();
    let lenient = NewAccount { password_rules: PasswordRules::LENIENT, ..short };
    house.accounts.register(lenient).await.unwrap();
    house.log_in("alice", "abc").await.unwrap();
}

#[tokio::test]
async fn of_a_hundred_who_want_one_handle_one_gets_it() {
    let house = house();
    let tries: Vec<_> = (0..100)
        .map(|n| {
            let (accounts, twin) = (house.accounts.clone(), ["alice", "Alice", "\u{430}lice"]);
            let new = NewAccount::handle(twin[n % 3], PASSWORD);
            tokio::spawn(async move { accounts.register(new).await })
        })
        .collect();
    let mut registered = 0;
    for task in tries {
        match task.await.unwrap() {
            Ok(_) => registered += 1,
            Err(AccountError::Taken(_) | AccountError::RateLimited { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(registered, 1);
    assert_eq!(house.accounts.count().await.unwrap(), 1);
}

#[tokio::test]
async fn an_address_beside_a_handle_is_added_once_it_is_confirmed() {
    let house = house();
    let new =
        NewAccount { email: Some("A@Example.org".into()), ..NewAccount::handle("a", PASSWORD) };
    let registered = house.accounts.register(new).await.unwrap();
    let Registered::Ready { account, confirm: Some(email) } = registered else {
        panic!("{registered:?}")
    };
    assert_eq!((email.as_str(), &account.email), ("A@example.org", &None));
    house.log_in("a", PASSWORD).await.unwrap();
    house.log_in("a@example.org", PASSWORD).await.unwrap_err();

    let confirmed = house.confirm("a@example.org", &house.mailed("a@example.org")).await.unwrap();
    assert_eq!((&confirmed.id, confirmed.email), (&account.id, Some(email)));
    house.log_in("a@example.org", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn an_address_is_replaced_once_the_new_one_is_confirmed() {
    let house = house();
    let account = house.register_email("old@example.org").await;
    house.accounts.add_email(&account.id, "new@example.org", Default::default()).await.unwrap();
    house.log_in("old@example.org", PASSWORD).await.unwrap();
    house.confirm("new@example.org", &house.mailed("new@example.org")).await.unwrap();
    house.log_in("new@example.org", PASSWORD).await.unwrap();
    house.log_in("old@example.org", PASSWORD).await.unwrap_err();
    house.register_email("old@example.org").await;
}

#[tokio::test]
async fn a_mail_that_was_not_sent_is_told_and_can_be_asked_for_again() {
    let house = house();
    house.mailer.fail(true);
    let new = NewAccount::email("a@b.c", PASSWORD);
    let error = house.accounts.register(new.clone()).await.unwrap_err();
    assert!(matches!(error, AccountError::Mail(_)));
    assert_eq!(error.code(), crate::Code::Unavailable);
    // With a handle the account is there all the same.
    let both = NewAccount { handle: Some("a".into()), ..new.clone() };
    let ready = house.accounts.register(both).await.unwrap();
    assert!(matches!(ready, Registered::Ready { confirm: None, .. }));
    house.mailer.fail(false);
    house.accounts.register(new).await.unwrap();
    house.confirm("a@b.c", &house.mailed("a@b.c")).await.unwrap();
}

#[tokio::test]
async fn whoever_asks_to_be_told_is_told_that_an_address_is_used() {
    let house = house();
    house.register_email("a@b.c").await;
    let telling =
        NewAccount { disclosure: Disclosure::Tell, ..NewAccount::email("A@B.c", PASSWORD) };
    let error = house.accounts.register(telling).await.unwrap_err();
    assert!(matches!(&error, AccountError::Taken(kinds) if *kinds == [NameKind::Email]));
}
