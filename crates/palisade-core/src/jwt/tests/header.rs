//! The outer form of a token and its header.

use super::*;

fn refusal(token: &str) -> Option<&'static str> {
    verifier(policy())
        .verify(token.as_bytes(), NOW)
        .err()
        .map(TokenError::reason)
}

#[test]
fn shape_of_the_token() {
    let good = hs256(HEADER, &claims(&[]));
    let (head, rest) = good.split_once('.').unwrap();
    let (body, signature) = rest.split_once('.').unwrap();
    assert_eq!(refusal(&good), None);
    for (token, reason) in [
        (String::new(), "parts"),
        (".".into(), "parts"),
        ("..".into(), "json"),
        (head.into(), "parts"),
        (format!("{head}.{body}"), "parts"),
        (format!("{head}.{body}.{signature}.x"), "parts"),
        (format!("{head}.{body}.{signature}.x.y"), "encrypted"),
        (format!("{head}.{body}."), "signature"),
        (format!("{head}=.{body}.{signature}"), "base64url"),
        (format!("{head}.{body}.{signature}="), "base64url"),
        (format!("{head}.{body}.{signature}\n"), "base64url"),
        (format!(" {head}.{body}.{signature}"), "base64url"),
        (format!("{head}.{body}.{}", &signature[1..]), "base64url"),
        (format!("{head}.{body}.{}", "A".repeat(4000)), "signature"),
        (
            format!("{}.{body}.{signature}", head.replace('J', "+")),
            "base64url",
        ),
        (format!("{head}.{body}.{}", "/".repeat(43)), "base64url"),
        (
            format!("{head}.{body}.{}", "\u{e9}".repeat(43)),
            "base64url",
        ),
    ] {
        assert_eq!(refusal(&token), Some(reason), "{token}");
    }
}

/// The last character of 43 carries two bits that must be zero, or one signature would have four spellings.
#[test]
fn stray_bits_in_base64url() {
    let good = hs256(HEADER, &claims(&[]));
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = good.chars().last().unwrap();
    let place = alphabet.find(last).unwrap();
    for other in 1..4 {
        let stray = &alphabet[place + other..=place + other];
        assert_eq!(
            refusal(&format!("{}{stray}", &good[..good.len() - 1])),
            Some("base64url")
        );
    }
    let claims = claims(&[("n", "1")]);
    let padded = ["", " ", "  "]
        .iter()
        .map(|space| format!("{claims}{space}"))
        .find(|text| text.len() % 3 == 1)
        .unwrap();
    let mut body = BASE64URL.encode(padded);
    assert!(
        body.ends_with('Q') || body.ends_with('g') || body.ends_with('A'),
        "{body}"
    );
    let last = body.pop().unwrap();
    body.push(char::from(u32::from(last) as u8 + 1));
    let signed = format!("{}.{body}", BASE64URL.encode(HEADER));
    let signature = BASE64URL.encode(Signer::new(Algorithm::HS256).sign(signed.as_bytes()));
    assert_eq!(refusal(&format!("{signed}.{signature}")), Some("base64url"));
}

#[test]
fn length() {
    let at = |bytes: usize| {
        let filler = |length: usize| {
            hs256(
                HEADER,
                &claims(&[("f", &format!("\"{}\"", "x".repeat(length)))]),
            )
        };
        let empty = filler(0).len();
        (0..)
            .map(|more| filler((bytes - empty) * 3 / 4 - 4 + more))
            .find(|token| token.len() >= bytes)
            .unwrap()
    };
    let long = at(8190);
    assert!((8190..=8192).contains(&long.len()));
    assert_eq!(refusal(&long), None);
    assert_eq!(refusal(&at(8193)), Some("too_long"));
    let roomy = verifier(TokenPolicy {
        max_bytes: 10_000,
        ..policy()
    });
    assert!(roomy.verify(at(8193).as_bytes(), NOW).is_ok());
}

#[test]
fn header_members() {
    for (header, reason) in [
        (r#"{"alg":"HS256"}"#, None),
        (r#"{"alg":"HS256","kid":"any","cty":"x","x5t":"y"}"#, None),
        (
            r#"{"alg":"HS256","jku":"https://evil.example","x5u":"https://evil.example"}"#,
            None,
        ),
        (r#"{"\u0061lg":"HS256","typ":"at\u002bjwt"}"#, None),
        (r#"{"alg":"HS256","crit":["exp"]}"#, Some("crit")),
        (r#"{"alg":"HS256","crit":[]}"#, Some("crit")),
        (r#"{"alg":"HS256","crit":null}"#, Some("crit")),
        (r#"{"alg":"HS256","b64":false,"crit":["b64"]}"#, Some("b64")),
        (r#"{"alg":"HS256","b64":true}"#, Some("b64")),
        (r#"{"alg":"HS256","zip":"DEF"}"#, Some("zip")),
        (r#"{"alg":"dir","enc":"A128GCM"}"#, Some("encrypted")),
        (r#"{"alg":"HS256","alg":"HS256"}"#, Some("duplicate_member")),
        (
            r#"{"alg":"HS256","\u0061lg":"none"}"#,
            Some("duplicate_member"),
        ),
        (r#"{"alg":"HS256","x":1,"x":1}"#, Some("duplicate_member")),
        (
            r#"{"alg":"HS256","jwk":{"kty":"oct","kty":"RSA"}}"#,
            Some("duplicate_member"),
        ),
        (
            r#"{"alg":"HS256","a":[[{"b":1,"b":2}]]}"#,
            Some("duplicate_member"),
        ),
        (r#"{"alg":256}"#, Some("header_type")),
        (r#"{"alg":["HS256"]}"#, Some("header_type")),
        (r#"{"alg":"HS256","kid":7}"#, Some("header_type")),
        (r#"{"alg":"HS256","kid":null}"#, Some("header_type")),
        (r#"{"alg":"HS256","typ":["at+jwt"]}"#, Some("header_type")),
        (r#"{"typ":"at+jwt"}"#, Some("algorithm")),
        (r#"{"alg":"none"}"#, Some("algorithm")),
        (r#"{"alg":"None"}"#, Some("algorithm")),
        (r#"{"alg":"hs256"}"#, Some("algorithm")),
        (r#"{"alg":"HS384"}"#, Some("algorithm")),
        (r#"{"alg":"RS256"}"#, Some("algorithm")),
        (r#"{"alg":""}"#, Some("algorithm")),
        ("", Some("json")),
        ("[]", Some("json")),
        (r#""HS256""#, Some("json")),
        (r#"{"alg":"HS256"} x"#, Some("json")),
        (r#"{"alg":"HS256"}{}"#, Some("json")),
        (r#"{"alg":"HS256",}"#, Some("json")),
        ("{\"alg\":\"HS256\",\"x\":\"\u{0}\"}", Some("json")),
    ] {
        assert_eq!(refusal(&hs256(header, &claims(&[]))), reason, "{header}");
    }
}

#[test]
fn large_headers_are_read_like_small_ones() {
    let chain = format!(r#"{{"alg":"HS256","x5c":["{}"]}}"#, "M".repeat(2000));
    assert_eq!(refusal(&hs256(&chain, &claims(&[]))), None);
    let many: String = (0..200)
        .map(|number| format!(r#","m{number}":{number}"#))
        .collect();
    assert_eq!(
        refusal(&hs256(&format!(r#"{{"alg":"HS256"{many}}}"#), &claims(&[]))),
        None
    );
    let twice = hs256(&format!(r#"{{"alg":"HS256"{many},"m7":7}}"#), &claims(&[]));
    assert_eq!(refusal(&twice), Some("duplicate_member"));
    let deep = format!(
        r#"{{"alg":"HS256","x":{}{}}}"#,
        "[".repeat(1000),
        "]".repeat(1000)
    );
    assert_eq!(refusal(&hs256(&deep, &claims(&[]))), Some("json"));
}

#[test]
fn header_that_is_not_utf8() {
    let header = BASE64URL.encode(b"{\"alg\":\"HS256\",\"x\":\"\xff\"}");
    assert_eq!(refusal(&format!("{header}.e30.AAAA")), Some("json"));
}

/// `typ` decides which other checks tell an access token from its siblings.
#[test]
fn type_matrix() {
    let header = |typ: &str| match typ {
        "" => r#"{"alg":"HS256"}"#.to_owned(),
        typ => format!(r#"{{"alg":"HS256","typ":"{typ}"}}"#),
    };
    let full = claims(&[
        ("client_id", "\"web\""),
        ("iat", "1800000000"),
        ("jti", "\"1\""),
    ]);
    for (typ, auto, strict, widened) in [
        ("at+jwt", true, true, true),
        ("AT+JWT", true, true, true),
        ("application/at+jwt", true, true, true),
        ("Application/AT+jwt", true, true, true),
        ("JWT", true, false, true),
        ("jwt", true, false, true),
        ("application/jwt", true, false, true),
        ("", true, false, true),
        ("acme+jwt", false, false, true),
        ("application/acme+jwt", false, false, true),
        ("logout+jwt", false, false, false),
        ("secevent+jwt", false, false, false),
        ("dpop+jwt", false, false, false),
        ("text/at+jwt", false, false, false),
        ("at+jwt ", false, false, false),
    ] {
        let token = hs256(&header(typ), &full);
        let accepts = |policy: TokenPolicy| match verifier(policy).verify(token.as_bytes(), NOW) {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(
                    (error.reason(), error.setting()),
                    ("type", Some("accepted_types"))
                );
                false
            }
        };
        assert_eq!(accepts(policy()), auto, "auto: {typ}");
        assert_eq!(
            accepts(TokenPolicy {
                profile: Profile::Rfc9068,
                ..policy()
            }),
            strict,
            "rfc9068: {typ}"
        );
        assert_eq!(
            accepts(TokenPolicy {
                accepted_types: vec!["acme+jwt".into()],
                ..policy()
            }),
            widened,
            "wide: {typ}"
        );
    }
}
