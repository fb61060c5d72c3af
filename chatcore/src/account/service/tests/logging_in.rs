use super::*;
use crate::account::Directory as _;
use crate::account::ExternalId;
use crate::store::AccountStore as _;

#[tokio::test]
async fn whoever_has_several_names_logs_in_by_each() {
    let house = house();
    let new = NewAccount {
        email: Some("a@b.c".into()),
        ..NewAccount::handle("alice", PASSWORD).external_id("0123456789abcdef01234567")
    };
    let id = house.accounts.register(new).await.unwrap().account().unwrap().id;
    house.confirm("a@b.c", &house.mailed("a@b.c")).await.unwrap();
    for name in [
        LoginName::Handle("ALICE".into()),
        LoginName::Email("A@B.c".into()),
        LoginName::ExternalId("0123456789abcdef01234567".into()),
        LoginName::Any("alice".into()),
        LoginName::Any("a@b.c".into()),
    ] {
        assert_eq!(house.accounts.find(&name).await.unwrap().unwrap().id, id, "{name:?}");
        let login = Login::new(name, PASSWORD, NewSession::default());
        assert_eq!(house.accounts.login(login).await.unwrap().account.id, id);
    }
    let account = house.accounts.account(&id).await.unwrap();
    assert_eq!(account.external_id, ExternalId::parse("0123456789abcdef01234567").ok());
    for name in [id.as_str(), "Alice", "a@B.C", "0123456789abcdef01234567"] {
        assert!(account.is_called(name), "{name}");
    }
    assert!(!account.is_called("\u{430}lice") && !account.is_called(""));
}

#[tokio::test]
async fn those_who_ask_are_told_what_is_wrong() {
    let house = house();
    house.register("alice").await;
    let told = |name, password| house.accounts.login(login(name, password).telling());
    assert!(matches!(told("nobody", PASSWORD).await, Err(AccountError::UnknownAccount)));
    assert!(matches!(told("a b c", PASSWORD).await, Err(AccountError::UnknownAccount)));
    assert!(matches!(told("alice", "wrong horse").await, Err(AccountError::WrongPassword)));
}

#[tokio::test]
async fn a_weaker_hash_is_replaced_at_login() {
    let dear = settings();
    let house = house_with(dear.clone());
    let id = house.register("alice").await.id;
    let stored = async || house.store.account(&id).await.unwrap().unwrap();
    assert!(stored().await.password.as_str().contains("ln=2,"));

    let params = PasswordParams::new(3, 1, 1).unwrap();
    let passwords = PasswordSettings { params, ..dear.passwords };
    let parts = house.accounts.inner.parts.clone();
    let dearer = Accounts::new(parts, AccountSettings { passwords, ..dear });
    dearer.login(login("alice", "wrong horse")).await.unwrap_err();
    assert!(stored().await.password.as_str().contains("ln=2,"));
    let signed_in = dearer.login(login("alice", PASSWORD)).await.unwrap();
    assert!(stored().await.password.as_str().contains("ln=3,"));
    assert_eq!(stored().await.generation, 0, "no session ends for it");
    assert!(dearer.authenticate(&signed_in.tokens.access).await.is_ok());
    dearer.login(login("alice", PASSWORD)).await.unwrap();
}

#[tokio::test]
async fn a_disabled_account_is_told_so_only_to_its_owner() {
    let house = house();
    let account = house.register("alice").await;
    house.accounts.set_disabled(&account.id, true).await.unwrap();
    assert!(matches!(house.log_in("alice", PASSWORD).await, Err(AccountError::Disabled)));
    let stranger = house.log_in("alice", "wrong horse").await;
    assert!(matches!(stranger, Err(AccountError::BadCredentials)));
    let session = house.accounts.start_session(&account.id, NewSession::default()).await;
    assert!(matches!(session, Err(AccountError::Disabled)));
    house.accounts.set_disabled(&account.id, false).await.unwrap();
    house.log_in("alice", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn the_directory_shows_profiles_and_finds_names() {
    let house = house();
    let (alice, bob) = (house.register("alice").await, house.register("bob").await);
    house.accounts.set_display_name(&bob.id, " Bob B. ").await.unwrap();
    let nobody = crate::id::UserId::parse("nobody").unwrap();
    let asked = [alice.id.clone(), bob.id.clone(), nobody, bob.id.clone()];
    let mut profiles = house.accounts.profiles(&asked).await.unwrap();
    profiles.sort_by(|a, b| a.handle.cmp(&b.handle));
    let shown: Vec<_> = profiles.iter().map(|profile| profile.display_name.as_str()).collect();
    assert_eq!(shown, ["alice", "Bob B."]);
    let directory: &dyn crate::account::Directory = &house.accounts;
    assert_eq!(directory.find("BOB").await.unwrap(), Some(bob.id));
    assert_eq!(directory.find("\u{430}lice").await.unwrap(), None);
}

#[tokio::test]
async fn a_profile_changes_and_is_checked() {
    let house = house();
    let id = house.register("alice").await.id;
    house.accounts.set_display_name(&id, "  ").await.unwrap_err();
    let avatar = crate::id::AttachmentId::parse("pic").unwrap();
    house.accounts.set_avatar(&id, Some(avatar.clone())).await.unwrap();
    let account = house.accounts.set_display_name(&id, "Alice A.").await.unwrap();
    assert_eq!((account.display_name.as_str(), account.avatar), ("Alice A.", Some(avatar)));
    let account = house.accounts.set_avatar(&id, None).await.unwrap();
    assert_eq!(account.avatar, None);
    let nobody = crate::id::UserId::parse("nobody").unwrap();
    let missing = house.accounts.set_avatar(&nobody, None).await;
    assert!(matches!(missing, Err(AccountError::NotFound)));
}
