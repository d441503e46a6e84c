use super::*;
use crate::head::RequestHead;
use std::net::SocketAddr;

struct Head<'a>(&'a [(&'a str, &'a str)]);

impl RequestHead for Head<'_> {
    fn method(&self) -> &[u8] {
        b"GET"
    }
    fn target(&self) -> &[u8] {
        b"/"
    }
    fn headers<'h>(&'h self, each: &mut dyn FnMut(&'h str, &'h [u8])) {
        for &(name, value) in self.0 {
            each(name, value.as_bytes());
        }
    }
    fn peer(&self) -> Option<SocketAddr> {
        None
    }
    fn tls(&self) -> bool {
        false
    }
}

fn compile(places: &Places) -> (Carriers, Vec<String>) {
    let mut mistakes = Mistakes::default();
    let usual = Carrier::Authorization("Bearer".into());
    let carriers = places.compile(usual, 16, "jwt.main", &mut mistakes);
    let error = mistakes.into_error();
    let found = error.mistakes().iter().map(ToString::to_string).collect();
    (carriers, found)
}

fn named(authorization: &[&str]) -> Places {
    Places {
        authorization: authorization.iter().map(|&name| name.into()).collect(),
        ..Places::default()
    }
}

/// The credential and its place, or the fault.
fn read(places: &Places, lines: &[(&str, &str)]) -> String {
    let head = Head(lines);
    match compile(places).0.read(&View::of(&head)) {
        Presented::Nothing => "nothing".to_owned(),
        Presented::Malformed(fault) => fault.to_owned(),
        Presented::Credential(credential) => {
            let text = String::from_utf8_lossy(&credential.bytes);
            format!("{text}@{}", credential.carrier)
        }
    }
}

#[test]
fn without_a_name_the_usual_place_is_read() {
    let read = |line| read(&Places::default(), &[("authorization", line)]);
    for good in ["Bearer abc", "bearer abc", "BEARER   abc"] {
        assert_eq!(read(good), "abc@0", "{good}");
    }
    for other in ["Bearerish abc", "Token abc", "Bearer\tabc", "", "abc"] {
        assert_eq!(read(other), "nothing", "{other}");
    }
    for bad in [
        "Bearer",
        "Bearer ",
        "Bearer a b",
        "Bearer a, Bearer b",
        "Bearer =",
    ] {
        assert_eq!(read(bad), "bearer_malformed", "{bad}");
    }
    assert_eq!(read("Bearer 12345678901234567"), "too_long");
}

#[test]
fn scheme_names_are_the_users_and_compared_without_case() {
    let places = named(&["Token", "Zoho-oauthtoken"]);
    let read = |line| read(&places, &[("authorization", line)]);
    assert_eq!(read("token abc"), "abc@0");
    assert_eq!(read("zoho-OAuthtoken 1000.ab.cd"), "1000.ab.cd@1");
    assert_eq!(read("Bearer abc"), "nothing");
    assert_eq!(read("Token abc def"), "bearer_malformed");
    let (carriers, mistakes) = compile(&places);
    assert!(mistakes.is_empty(), "{mistakes:?}");
    let challenge = carriers.challenge("api");
    assert_eq!(challenge.to_value(), r#"Token realm="api""#);
}

#[test]
fn a_header_of_its_own_takes_the_place_of_authorization() {
    let mut places = Places {
        header: Some("X-Auth-Token".to_owned()),
        ..Places::default()
    };
    let bearer = ("authorization", "Bearer abc");
    let own = ("x-auth-token", "def");
    assert_eq!(read(&places, &[bearer]), "nothing");
    assert_eq!(read(&places, &[bearer, own]), "def@0");
    let (carriers, _) = compile(&places);
    assert_eq!(
        carriers.challenge("api").to_value(),
        r#"ApiKey realm="api""#
    );
    places.authorization.push("Bearer".to_owned());
    assert_eq!(read(&places, &[bearer]), "abc@0");
    assert_eq!(read(&places, &[own]), "def@1");
    assert_eq!(read(&places, &[bearer, own]), "repeated");
}

#[test]
fn names_that_nobody_could_send_are_mistakes() {
    for bad in [
        "",
        "Tok en",
        "Token:",
        "T\u{f6}ken",
        "Token\r\n",
        "Basic",
        "DIGEST",
    ] {
        let (_, mistakes) = compile(&named(&[bad]));
        assert_eq!(mistakes.len(), 1, "{bad}");
        assert!(mistakes[0].starts_with("jwt.main.authorization: "));
    }
    assert_eq!(compile(&named(&["Token", "token"])).1.len(), 1);
    for header in ["Authorization", "cookie", "x auth", ""] {
        let places = Places {
            header: Some(header.to_owned()),
            ..Places::default()
        };
        assert_eq!(compile(&places).1.len(), 1, "{header}");
    }
}

#[test]
fn bearer_tokens_travel_in_headers_alone() {
    let places = Places {
        query: Some("access_token".to_owned()),
        cookie: Some("token".to_owned()),
        ..Places::default()
    };
    let mut mistakes = Mistakes::default();
    places.compile_for_tokens("jwt.main", &mut mistakes);
    assert!(mistakes.has("jwt.main.query") && mistakes.has("jwt.main.cookie"));
}
