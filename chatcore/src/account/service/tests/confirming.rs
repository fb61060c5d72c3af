use super::*;
use crate::account::{ConfirmBy, Disclosure, NameKind};

#[tokio::test]
async fn nobody_logs_in_before_the_address_is_confirmed() {
    let house = house();
    house.accounts.register(NewAccount::email("a@b.c", PASSWORD)).await.unwrap();
    let error = house.log_in("a@b.c", PASSWORD).await.unwrap_err();
    assert!(matches!(error, AccountError::BadCredentials));
    let told = |password| house.accounts.login(login("a@b.c", password).telling());
    assert!(matches!(told(PASSWORD).await.unwrap_err(), AccountError::Unconfirmed));
    assert!(matches!(told("wrong horse").await.unwrap_err(), AccountError::WrongPassword));
    assert_eq!(house.accounts.count().await.unwrap(), 0);

    let account = house.confirm("A@B.C", &house.mailed("a@b.c")).await.unwrap();
    assert_eq!(account.display_name.as_str(), "a");
    assert_eq!(house.log_in("a@b.c", PASSWORD).await.unwrap().account, account);
}

#[tokio::test]
async fn a_code_works_once() {
    let house = house();
    house.register_email("a@b.c").await;
    let code = house.mailed("a@b.c");
    assert!(matches!(house.confirm("a@b.c", &code).await, Err(AccountError::WrongCode)));
    let telling = CodeAttempt { disclosure: Disclosure::Tell, ..CodeAttempt::new("a@b.c", code) };
    let error = house.accounts.confirm_code(telling).await.unwrap_err();
    assert!(matches!(error, AccountError::AlreadyConfirmed));
}

#[tokio::test]
async fn a_code_expires() {
    let house = house();
    house.accounts.register(NewAccount::email("a@b.c", PASSWORD)).await.unwrap();
    house.clock.advance(15 * MINUTE);
    let late = house.confirm("a@b.c", &house.mailed("a@b.c")).await;
    assert!(matches!(late, Err(AccountError::WrongCode)));
    house.register_email("a@b.c").await;
}

#[tokio::test]
async fn after_five_wrong_tries_the_right_code_is_wrong_too() {
    let house = house();
    house.accounts.register(NewAccount::email("a@b.c", PASSWORD)).await.unwrap();
    let code = house.mailed("a@b.c");
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..5 {
        assert!(matches!(house.confirm("a@b.c", wrong).await, Err(AccountError::WrongCode)));
    }
    assert!(matches!(house.confirm("a@b.c", &code).await, Err(AccountError::WrongCode)));
    house.register_email("a@b.c").await;
}

#[tokio::test]
async fn guesses_made_at_once_are_counted_each() {
    let house = house();
    house.accounts.register(NewAccount::email("a@b.c", PASSWORD)).await.unwrap();
    let right = house.mailed("a@b.c");
    let guesses: Vec<_> = (0..200)
        .map(|n| format!("{n:06}"))
        .filter(|guess| *guess != right)
        .map(|guess| {
            let accounts = house.accounts.clone();
            tokio::spawn(
                async move { accounts.confirm_code(CodeAttempt::new("a@b.c", guess)).await },
            )
        })
        .collect();
    for guess in guesses {
        assert!(matches!(guess.await.unwrap(), Err(AccountError::WrongCode)));
    }
    assert!(matches!(house.confirm("a@b.c", &right).await, Err(AccountError::WrongCode)));
}

#[tokio::test]
async fn a_link_works_once_and_expires() {
    let house = house();
    let by_link = |email: &str| NewAccount {
        confirm_by: ConfirmBy::Link,
        ..NewAccount::email(email, PASSWORD)
    };
    house.accounts.register(by_link("a@b.c")).await.unwrap();
    let token = house.mailed_token("a@b.c");
    assert!(token.len() >= 22, "at least 128 bits");
    assert!(matches!(house.accounts.confirm_link("x", None).await, Err(AccountError::WrongCode)));
    let account = house.accounts.confirm_link(&token, None).await.unwrap();
    assert_eq!(house.log_in("a@b.c", PASSWORD).await.unwrap().account, account);
    let again = house.accounts.confirm_link(&token, None).await;
    assert!(matches!(again, Err(AccountError::WrongCode)));

    house.accounts.register(by_link("d@e.f")).await.unwrap();
    house.clock.advance(24 * 60 * MINUTE);
    let late = house.accounts.confirm_link(&house.mailed_token("d@e.f"), None).await;
    assert!(matches!(late, Err(AccountError::WrongCode)));
}

#[tokio::test]
async fn an_unconfirmed_address_blocks_nobody_and_takes_nobodys_password() {
    let house = house();
    let attacker = NewAccount::email("a@b.c", "attacker's own");
    house.accounts.register(attacker.clone()).await.unwrap();
    house.accounts.register(NewAccount::email("A@b.c", PASSWORD)).await.unwrap();
    let owners = house.mailed("a@b.c");
    // Whoever registers it again later does not put their password behind the owner's code.
    house.accounts.register(attacker).await.unwrap();
    house.confirm("a@b.c", &owners).await.unwrap();
    house.log_in("a@b.c", PASSWORD).await.unwrap();
    house.log_in("a@b.c", "attacker's own").await.unwrap_err();
    let attackers = house.mailed("a@b.c");
    assert!(matches!(house.confirm("a@b.c", &attackers).await, Err(AccountError::WrongCode)));
}

#[tokio::test]
async fn a_name_that_was_taken_while_the_mail_was_on_its_way_is_told() {
    let house = house();
    let pending = NewAccount::email("a@b.c", PASSWORD).external_id("x1");
    house.accounts.register(pending).await.unwrap();
    let faster = NewAccount::handle("bob", PASSWORD).external_id("x1");
    house.accounts.register(faster).await.unwrap();
    let error = house.confirm("a@b.c", &house.mailed("a@b.c")).await.unwrap_err();
    assert!(matches!(&error, AccountError::Taken(kinds) if *kinds == [NameKind::ExternalId]));
}

#[tokio::test]
async fn of_many_who_confirm_one_address_at_once_one_account_is_made() {
    let house = house();
    house.accounts.register(NewAccount::email("a@b.c", PASSWORD)).await.unwrap();
    let code = house.mailed("a@b.c");
    let tasks: Vec<_> = (0..5)
        .map(|_| {
            let (accounts, attempt) = (house.accounts.clone(), CodeAttempt::new("a@b.c", &code));
            tokio::spawn(async move { accounts.confirm_code(attempt).await })
        })
        .collect();
    let mut confirmed = 0;
    for task in tasks {
        confirmed += usize::from(task.await.unwrap().is_ok());
    }
    assert_eq!(confirmed, 1);
    assert_eq!(house.accounts.count().await.unwrap(), 1);
}

#[tokio::test]
async fn a_reset_code_confirms_nothing_and_a_confirm_code_resets_nothing() {
    let house = house();
    house.register_email("a@b.c").await;
    house.accounts.request_password_reset("a@b.c", None).await.unwrap();
    let reset = house.mailed("a@b.c");
    assert!(matches!(house.confirm("a@b.c", &reset).await, Err(AccountError::WrongCode)));
}
