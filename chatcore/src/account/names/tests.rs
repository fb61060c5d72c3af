use proptest::prelude::*;

use super::*;

fn clash(a: &str, b: &str) -> bool {
    let (a, b) = (Handle::parse(a).unwrap().keys(), Handle::parse(b).unwrap().keys());
    a.iter().any(|key| b.contains(key))
}

#[test]
fn handles_that_look_alike_clash() {
    for twin in [
        "Admin",
        "ADMIN",
        "\u{430}dmin",
        "ad\u{200b}min",
        "\u{202e}admin",
        "ad\u{2066}min",
        "\u{ff41}\u{ff44}min",
        "adm\u{131}n",
        "\u{1d41a}dmin",
        "\u{feff}admin",
    ] {
        assert!(clash("admin", twin), "{twin:?}");
    }
    assert!(clash("paypal", "paypaI"));
    assert!(clash("strasse", "STRAẞE"));
    assert!(clash("caf\u{e9}", "cafe\u{301}"));
}

#[test]
fn handles_that_differ_do_not_clash() {
    for (a, b) in [("mall", "mali"), ("anna", "anne"), ("u1", "u2"), ("café", "cafe")] {
        assert!(!clash(a, b), "{a} {b}");
    }
}

#[test]
fn a_handle_is_shown_as_typed_without_what_cannot_be_seen() {
    assert_eq!(Handle::parse(" \u{200b}Ann\u{202e}a ").unwrap().as_str(), "Anna");
    assert_eq!(Handle::parse("\u{ff21}nna").unwrap().as_str(), "\u{ff21}nna");
}

#[test]
fn a_twin_is_not_the_same_to_log_in_by_but_another_case_is() {
    let admin = Handle::parse("admin").unwrap();
    assert!(admin.same_as(&Handle::parse("\u{ff21}DMIN").unwrap()));
    assert!(!admin.same_as(&Handle::parse("\u{430}dmin").unwrap()));
}

#[test]
fn handles_out_of_bounds_are_refused() {
    let long = "a".repeat(65);
    for bad in ["", " ", "\u{200b}", "a b", "a@b", "a\0", "-a", ".a", "a/b", "<b>", "👍", &long] {
        assert!(Handle::parse(bad).is_err(), "{bad:?}");
    }
    assert!(Handle::parse(&"a".repeat(64)).is_ok());
    assert!(Handle::parse(&"\u{301}".repeat(100_000)).is_err());
}

#[test]
fn addresses_are_compared_in_lower_case() {
    let email = Email::parse("Ann.A@Example.ORG").unwrap();
    assert_eq!(email.as_str(), "Ann.A@example.org");
    assert_eq!(email.key(), Email::parse("ann.a@example.org").unwrap().key());
}

#[test]
fn what_is_no_address_is_refused() {
    let long = format!("{}@example.org", "a".repeat(65));
    for bad in [
        "",
        "a",
        "@b",
        "a@",
        "a@b@c",
        "a b@c.d",
        "a@b\r\nBcc: c@d",
        "a@-b.c",
        "a@b..c",
        "\u{430}@b.c",
        "\"a b\"@c.d",
        "a@[127.0.0.1]",
        &long,
    ] {
        assert!(Email::parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn a_display_name_must_be_seen() {
    assert!(DisplayName::parse("Ann 👍").is_ok());
    for bad in ["", "  ", "\u{200b}", "a\nb", "\u{202e} \u{200b}", &"a".repeat(65)] {
        assert!(DisplayName::parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn any_name_with_an_at_sign_is_an_address() {
    assert!(matches!(LoginName::Any("a@b.c".into()).parse(), Some(ParsedName::Email(_))));
    assert!(matches!(LoginName::Any("ab".into()).parse(), Some(ParsedName::Handle(_))));
    assert!(LoginName::Any("a@b@c".into()).parse().is_none());
}

proptest! {
    #[test]
    fn what_was_parsed_parses_to_itself(typed in ".{0,70}", name in "[\\p{L}\\p{M}\\p{N}]{1,70}") {
        for typed in [typed, name] {
            if let Ok(handle) = Handle::parse(&typed) {
                let again = Handle::parse(handle.as_str()).unwrap();
                prop_assert_eq!(handle.keys(), again.keys());
                prop_assert_eq!(&handle, &again);
                prop_assert!(handle.same_as(&again));
                DisplayName::parse(handle.as_str()).unwrap();
            }
        }
    }

    #[test]
    fn any_case_of_a_latin_name_is_the_same_name(name in "[a-zA-Z0-9_][a-zA-Z0-9._+-]{0,40}") {
        let handle = Handle::parse(&name).unwrap();
        for other in [name.to_lowercase(), name.to_uppercase()] {
            let other = Handle::parse(&other).unwrap();
            prop_assert!(handle.same_as(&other));
            prop_assert_eq!(handle.key(), other.key());
        }
    }

    #[test]
    fn hidden_characters_change_nothing(name in "[a-z]{1,20}", at in 0_usize..20, n in 0_usize..6) {
        let hidden = ['\u{200b}', '\u{200d}', '\u{202e}', '\u{2066}', '\u{ad}', '\u{feff}'][n];
        let mut typed = name.clone();
        typed.insert(at.min(name.len()), hidden);
        prop_assert_eq!(Handle::parse(&typed).unwrap(), Handle::parse(&name).unwrap());
    }
}
