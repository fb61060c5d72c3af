use super::*;
use crate::testing::SeededRandom;

fn hasher(settings: PasswordSettings) -> PasswordHasher {
    PasswordHasher::new(settings, Arc::new(SeededRandom::new(7)))
}

fn cheap() -> PasswordSettings {
    PasswordSettings { params: PasswordParams::cheap(), ..PasswordSettings::default() }
}

#[tokio::test]
async fn a_hash_knows_its_password_and_no_other() {
    let hasher = hasher(cheap());
    let hash = hasher.hash(&"correct horse".into()).await.unwrap();
    assert!(hash.as_str().starts_with("$scrypt$ln=2,r=1,p=1$"));
    let check = async |typed: &str| hasher.check(&typed.into(), Some(&hash)).await.unwrap();
    assert_eq!(check("correct horse").await, Checked::Right);
    assert_eq!(check("correct horse ").await, Checked::Wrong);
    assert_eq!(check("Correct horse").await, Checked::Wrong);
}

#[tokio::test]
async fn equal_passwords_have_different_hashes() {
    let hasher = hasher(cheap());
    let (a, b) = (hasher.hash(&"same".into()).await, hasher.hash(&"same".into()).await);
    assert_ne!(a.unwrap(), b.unwrap());
}

#[tokio::test]
async fn a_hash_of_another_cost_is_right_but_outdated() {
    let old = hasher(cheap()).hash(&"correct horse".into()).await.unwrap();
    let params = PasswordParams::new(3, 1, 1).unwrap();
    let dearer = hasher(PasswordSettings { params, ..cheap() });
    let checked = dearer.check(&"correct horse".into(), Some(&old)).await.unwrap();
    assert_eq!(checked, Checked::RightButOutdated);
}

#[tokio::test]
async fn the_published_vector_verifies() {
    // passlib's documentation of its scrypt hash.
    let stored = PasswordHash::from_stored(
        "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E",
    );
    let checked = hasher(cheap()).check(&"password".into(), Some(&stored)).await.unwrap();
    assert_eq!(checked, Checked::RightButOutdated);
}

#[tokio::test]
async fn nobody_has_no_password() {
    assert_eq!(hasher(cheap()).check(&"".into(), None).await.unwrap(), Checked::Wrong);
}

#[test]
fn nobodys_hash_costs_what_a_new_one_does() {
    let nobody = hasher(PasswordSettings::default()).nobody;
    assert!(nobody.as_str().starts_with("$scrypt$ln=15,r=8,p=3$"));
}

#[tokio::test]
async fn those_beyond_the_waiting_line_are_turned_away_at_once() {
    let settings =
        PasswordSettings { parallel: NonZeroUsize::MIN, waiting: 2, ..PasswordSettings::default() };
    let hasher = Arc::new(hasher(settings));
    let (release, held) = std::sync::mpsc::channel::<()>();
    let busy = tokio::spawn({
        let hasher = hasher.clone();
        async move { hasher.run(move || held.recv()).await }
    });
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let hasher = hasher.clone();
            tokio::spawn(async move { hasher.run(|| ()).await })
        })
        .collect();
    while hasher.line.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..500 {
        let refused = hasher.run(|| ()).await.unwrap_err();
        assert!(refused.retry_after().is_some());
    }
    release.send(()).unwrap();
    busy.await.unwrap().unwrap().unwrap();
    for task in waiting {
        task.await.unwrap().unwrap();
    }
    hasher.run(|| ()).await.unwrap();
}

#[test]
fn rules_bound_length_in_characters_and_bytes() {
    let native = PasswordRules::NATIVE;
    assert!(native.check(&"ééééééé".into()).is_err());
    assert!(native.check(&"éééééééé".into()).is_ok());
    assert!(native.check(&"x".repeat(128).into()).is_ok());
    assert!(native.check(&"x".repeat(129).into()).is_err());
    assert!(PasswordRules::LENIENT.check(&"x".into()).is_ok());
    let unbounded = PasswordRules { max_chars: usize::MAX, ..native };
    assert!(unbounded.check(&"x".repeat(1 << 20).into()).is_err());
}

#[test]
fn the_commonest_are_refused_in_any_case() {
    for common in ["password", "Password1", "12345678", "qwertyuiop"] {
        assert!(PasswordRules::NATIVE.check(&common.into()).is_err(), "{common}");
        assert!(PasswordRules::LENIENT.check(&common.into()).is_ok(), "{common}");
    }
}

#[test]
fn the_list_holds_only_what_could_be_chosen() {
    assert!(COMMON.lines().all(|line| line.chars().count() >= 8));
    assert!(COMMON.lines().all(|line| line == line.to_lowercase()));
    assert!(COMMON.lines().is_sorted());
}

#[test]
fn a_password_is_never_shown() {
    assert_eq!(format!("{:?}", Password::from("secret")), "Password(…)");
}
