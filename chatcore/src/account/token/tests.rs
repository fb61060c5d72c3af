use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use serde_json::{Value, json};

use super::*;
use crate::testing::SeededRandom;

const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn secret() -> Secret {
    Secret::new([7; 32]).unwrap()
}

fn tokens() -> Tokens {
    Tokens::new(&secret(), "chat.example")
}

fn claims() -> Value {
    let now = NOW.0 / 1000;
    json!({
        "iss": "chatcore", "aud": "chat.example", "sub": "u1", "sid": "s1",
        "typ": "access", "iat": now, "exp": now + 900, "jti": "x",
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

/// A token put together by hand, signed with the right key.
fn forge(header: &Value, claims: &Value) -> String {
    let key = secret().key_for("chatcore token");
    let body = format!("{}.{}", B64.encode(header.to_string()), B64.encode(claims.to_string()));
    let signature = Hs256::new(&key).try_sign(body.as_bytes()).unwrap();
    format!("{body}.{}", B64.encode(signature))
}

fn hs256() -> Value {
    json!({ "alg": "HS256", "typ": "JWT" })
}

fn accepts(header: &Value, claims: &Value) -> bool {
    tokens().verify(&forge(header, claims), NOW).is_some()
}

#[test]
fn a_signed_token_says_who_and_until_when() {
    let random = SeededRandom::new(1);
    let (user, session) = (UserId::parse("u1").unwrap(), SessionId::parse("s1").unwrap());
    let until = NOW.after(Duration::from_secs(900));
    let token = tokens().sign(TokenKind::Access, &user, &session, NOW, until, &random).unwrap();
    let verified = tokens().verify(&token, NOW).unwrap();
    assert_eq!(verified, Verified { user, session, expires_at: until });
    assert!(tokens().verify(&token, until).is_none());
}

#[test]
fn the_hand_made_token_is_sound_before_it_is_bent() {
    assert!(accepts(&hs256(), &claims()));
    assert!(accepts(&hs256(), &with("typ", json!("session"))));
    assert!(accepts(&hs256(), &with("nbf", json!(NOW.0 / 1000))));
}

#[test]
fn other_algorithms_are_refused() {
    for alg in ["none", "None", "HS384", "HS512", "RS256", "ES256", "hs256", ""] {
        assert!(!accepts(&json!({ "alg": alg }), &claims()), "{alg}");
    }
    let unsigned = format!(
        "{}.{}.",
        B64.encode(json!({ "alg": "none" }).to_string()),
        B64.encode(claims().to_string())
    );
    assert!(tokens().verify(&unsigned, NOW).is_none());
}

#[test]
fn a_token_signed_with_another_key_is_refused_whatever_key_id_it_names() {
    for key in [b"-----BEGIN PUBLIC KEY-----".as_slice(), b"", &[0; 32], &[7; 32]] {
        let header = json!({ "alg": "HS256", "kid": "../../../../dev/null" });
        let body =
            format!("{}.{}", B64.encode(header.to_string()), B64.encode(claims().to_string()));
        let signature = B64.encode(Hs256::new(key).try_sign(body.as_bytes()).unwrap());
        assert!(tokens().verify(&format!("{body}.{signature}"), NOW).is_none());
    }
}

#[test]
fn a_header_that_asks_for_extensions_is_refused() {
    let header = json!({ "alg": "HS256", "crit": ["exp"], "exp": 1 });
    assert!(!accepts(&header, &claims()));
}

#[test]
fn claims_of_a_wrong_type_are_refused() {
    let later = NOW.0 / 1000 + 900;
    for (name, value) in [
        ("exp", json!(later.to_string())),
        ("exp", json!([later])),
        ("exp", json!(null)),
        ("exp", json!(1e300)),
        ("exp", json!(i64::MAX)),
        ("nbf", json!("0")),
        ("nbf", json!({})),
        ("nbf", json!(i64::MIN)),
        ("aud", json!(["chat.example"])),
        ("aud", json!({ "chat.example": 1 })),
        ("iss", json!(["chatcore"])),
        ("sub", json!(1)),
        ("sid", json!("a b")),
        ("typ", json!(["access"])),
        ("iat", json!("now")),
    ] {
        assert!(!accepts(&hs256(), &with(name, value.clone())), "{name}: {value}");
    }
}

#[test]
fn missing_claims_are_refused() {
    for name in ["iss", "aud", "sub", "sid", "typ", "iat", "exp", "jti"] {
        assert!(!accepts(&hs256(), &without(name)), "{name}");
    }
}

#[test]
fn times_out_of_bounds_are_refused() {
    let now = NOW.0 / 1000;
    assert!(!accepts(&hs256(), &with("exp", json!(now))));
    assert!(!accepts(&hs256(), &with("exp", json!(0))));
    assert!(!accepts(&hs256(), &with("exp", json!(-1))));
    assert!(!accepts(&hs256(), &with("nbf", json!(now + 60))));
}

#[test]
fn tokens_for_others_or_for_other_uses_are_refused() {
    for (name, value) in [
        ("aud", "other.example"),
        ("aud", ""),
        ("iss", "someone"),
        ("typ", "refresh"),
        ("typ", "ticket"),
        ("typ", "Access"),
        ("sid", ""),
        ("sub", ""),
    ] {
        assert!(!accepts(&hs256(), &with(name, json!(value))), "{name}: {value}");
    }
}

#[test]
fn a_changed_byte_anywhere_breaks_the_token() {
    let token = forge(&hs256(), &claims());
    for at in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let bent = String::from_utf8(bytes).unwrap();
        assert!(tokens().verify(&bent, NOW).is_none(), "byte {at}");
    }
}

#[test]
fn what_is_no_token_is_refused() {
    let long = "a".repeat(1 << 20);
    for junk in ["", ".", "..", "...", "a.b.c", "é.é.é", "null", "{}", long.as_str()] {
        assert!(tokens().verify(junk, NOW).is_none());
    }
}

#[test]
fn a_secret_must_be_long_and_is_never_shown() {
    assert!(Secret::new([0; 31]).is_err());
    assert_eq!(format!("{:?}", secret()), "Secret(…)");
}

#[test]
fn an_independent_implementation_agrees_on_the_signature() {
    // RFC 7515, appendix A.1.
    let key = B64
        .decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
        .unwrap();
    let message = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let signature = Hs256::new(&key).try_sign(message.as_bytes()).unwrap();
    assert_eq!(B64.encode(signature), "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
}
