//! What must outlive the process, over a store in a file.

use super::*;
use crate::account::PasswordReset;
use crate::store::sqlite::SqliteStore;

async fn open(
    folder: &std::path::Path,
    mailer: &Arc<MemoryMailer>,
) -> (Accounts, Arc<SqliteStore>) {
    let url = format!("sqlite:{}", folder.join("chat.db").display());
    let store = Arc::new(SqliteStore::open(&url).await.unwrap());
    let parts = AccountParts {
        accounts: store.clone(),
        sessions: store.clone(),
        verifications: store.clone(),
        mailer: mailer.clone(),
        clock: Arc::new(ManualClock::at(NOW)),
        random: Arc::new(crate::clock::SystemRandom),
        secret: Secret::new([7; 32]).unwrap(),
    };
    (Accounts::new(parts, settings()), store)
}

#[tokio::test]
async fn accounts_sessions_and_mailed_codes_outlive_a_restart() {
    let (folder, mailer) = (tempfile::tempdir().unwrap(), Arc::new(MemoryMailer::new()));
    let key = |email: &str| mailer.last_to(email).unwrap().key.unwrap();
    let (accounts, store) = open(folder.path(), &mailer).await;
    let alice =
        NewAccount { email: Some("alice@b.c".into()), ..NewAccount::handle("alice", PASSWORD) };
    accounts.register(alice).await.unwrap();
    accounts.confirm_code(CodeAttempt::new("alice@b.c", key("alice@b.c"))).await.unwrap();
    let before = accounts.login(login("alice", PASSWORD)).await.unwrap();
    let gone = accounts.login(login("alice", PASSWORD)).await.unwrap();
    accounts.revoke(&gone.account.id, &gone.session.id).await.unwrap();
    let ticket = accounts.issue_ticket(&before.session.id).await.unwrap();
    accounts.register(NewAccount::email("bob@b.c", PASSWORD)).await.unwrap();
    accounts.request_password_reset("alice@b.c", None).await.unwrap();
    store.close().await.unwrap();
    drop((accounts, store));

    let (accounts, _store) = open(folder.path(), &mailer).await;
    let identity = accounts.authenticate(&before.tokens.access).await.unwrap();
    assert_eq!(identity.user, before.account.id);
    assert!(accounts.authenticate(&gone.tokens.session_token).await.is_err());
    accounts.redeem_ticket(&ticket, &before.session.device).await.unwrap();
    accounts.redeem_ticket(&ticket, &before.session.device).await.unwrap_err();
    let renewed = accounts.refresh(&before.tokens.refresh).await.unwrap();
    assert_eq!(renewed.account.email.as_ref().unwrap().as_str(), "alice@b.c");
    accounts.confirm_code(CodeAttempt::new("bob@b.c", key("bob@b.c"))).await.unwrap();
    accounts.login(login("bob@b.c", PASSWORD)).await.unwrap();
    assert_eq!(accounts.count().await.unwrap(), 2);
    let reset = PasswordReset {
        email: "alice@b.c".into(),
        code: key("alice@b.c"),
        password: "battery staple".into(),
        addr: None,
    };
    accounts.reset_password(reset).await.unwrap();
    assert!(accounts.authenticate(&renewed.tokens.access).await.is_err());
    accounts.login(login("alice", "battery staple")).await.unwrap();
}

#[tokio::test]
async fn many_at_once_neither_double_a_name_nor_lose_an_account() {
    let (folder, mailer) = (tempfile::tempdir().unwrap(), Arc::new(MemoryMailer::new()));
    let (accounts, _store) = open(folder.path(), &mailer).await;
    let tasks: Vec<_> = (0..60)
        .map(|n| {
            let accounts = accounts.clone();
            tokio::spawn(async move {
                let handle = format!("person-{}", n % 20);
                loop {
                    match accounts.register(NewAccount::handle(&handle, PASSWORD)).await {
                        Err(AccountError::RateLimited { .. }) => tokio::task::yield_now().await,
                        outcome => return outcome.is_ok(),
                    }
                }
            })
        })
        .collect();
    let mut registered = 0;
    for task in tasks {
        registered += usize::from(task.await.unwrap());
    }
    assert_eq!(registered, 20);
    assert_eq!(accounts.count().await.unwrap(), 20);
}
