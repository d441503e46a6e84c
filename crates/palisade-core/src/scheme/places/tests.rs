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

/// What is in each place that is not empty: the credential and its place, or the fault.
fn read(places: &Places, lines: &[(&str, &str)]) -> String {
    let head = Head(lines);
    let carriers = compile(places).0;
    let view = View::of(&head);
    let all = 0..carriers.as_slice().len();
    let found = all.filter_map(|place| match carriers.read(&view, place) {
        Presented::Nothing => None,
        Presented::Malformed(fault) => Some(fault.to_owned()),
        Presented::Credential(credential) => {
            let text = String::from_utf8_lossy(&credential.bytes);
            Some(format!("{text}@{}", credential.carrier))
        }
    });
    match found.collect::<Vec<_>>().join(" ") {
        found if found.is_empty() => "nothing".to_owned(),
        found => found,
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
    assert_eq!(read(&places, &[bearer, own]), "abc@0 def@1");
    assert_eq!(
        read(&places, &[bearer, ("x-auth-token", "")]),
        "abc@0 empty"
    );
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
        basic: true,
        ..Places::default()
    };
    let mut mistakes = Mistakes::default();
    places.compile_for_tokens("jwt.main", &mut mistakes);
    for key in ["query", "cookie", "basic"] {
        assert!(mistakes.has(&format!("jwt.main.{key}")), "{key}");
    }
}

#[test]
fn a_key_is_the_name_in_basic_if_the_password_is_empty() {
    let places = Places {
        basic: true,
        ..Places::default()
    };
    let read = |pair: &str| {
        let line = format!("Basic {}", STANDARD.encode(pair));
        read(&places, &[("authorization", &line)])
    };
    assert_eq!(read("abc:"), "abc@0");
    assert_eq!(read("0123456789012345:"), "0123456789012345@0");
    for (pair, fault) in [
        ("abc", "basic_no_colon"),
        ("abc:x", "basic_password"),
        ("abc::", "basic_password"),
        (":", "empty"),
        (":abc", "basic_password"),
        ("01234567890123456:", "too_long"),
        ("012345678901234567890123456789:", "too_long"),
    ] {
        assert_eq!(read(pair), fault, "{pair}");
    }
    for (line, fault) in [
        ("basic YWJjOg", "basic_base64"),
        ("Basic YWJjOh==", "basic_base64"),
        ("Basic", "bearer_malformed"),
        ("Basic a b", "bearer_malformed"),
    ] {
        assert_eq!(
            crate::scheme::places::tests::read(&places, &[("authorization", line)]),
            fault
        );
    }
    let (carriers, mistakes) = compile(&places);
    assert!(mistakes.is_empty(), "{mistakes:?}");
    assert!(carriers.as_slice().iter().all(Carrier::is_ambient));
    let challenge = carriers.challenge("api").to_value();
    assert_eq!(challenge, r#"Basic realm="api", charset="UTF-8""#);
}

#[test]
fn a_browser_is_not_asked_for_a_password_where_something_else_will_do() {
    let mut places = Places {
        basic: true,
        header: Some("x-key".to_owned()),
        ..Places::default()
    };
    let challenge = |places: &Places| compile(places).0.challenge("api").to_value();
    assert_eq!(challenge(&places), r#"ApiKey realm="api""#);
    places.authorization.push("Token".to_owned());
    assert_eq!(challenge(&places), r#"Token realm="api""#);
}

#[test]
fn a_token_among_the_protocols_of_a_handshake() {
    let places = Places {
        websocket_protocol: Some("bearer".to_owned()),
        ..Places::default()
    };
    let handshake = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA=="),
    ];
    let offer = |offers: &[&str]| {
        let offers = offers.iter().map(|&one| ("sec-websocket-protocol", one));
        let lines: Vec<_> = handshake.into_iter().chain(offers).collect();
        read(&places, &lines)
    };
    assert_eq!(offer(&["bearer.a.b_c-d"]), "a.b_c-d@0");
    assert_eq!(offer(&["chat.v1 ,\tbearer.abc"]), "abc@0");
    assert_eq!(offer(&["chat", "bearer.abc", "other"]), "abc@0");
    for none in [
        "chat",
        "Bearer.abc",
        "bearer",
        "bearer-abc",
        "xbearer.abc",
        "",
    ] {
        assert_eq!(offer(&[none]), "nothing", "{none}");
    }
    assert_eq!(offer(&["bearer.a, bearer.a"]), "repeated");
    assert_eq!(offer(&["bearer.a", "bearer.b"]), "repeated");
    assert_eq!(offer(&["bearer."]), "empty");
    assert_eq!(offer(&["bearer.a b"]), "websocket_protocol_malformed");
    assert_eq!(offer(&["bearer.12345678901234567"]), "too_long");
    // Any other request may say what it likes.
    for missing in 0..handshake.len() {
        let mut lines = handshake.to_vec();
        lines.remove(missing);
        lines.push(("sec-websocket-protocol", "bearer.abc"));
        assert_eq!(read(&places, &lines), "nothing", "{missing}");
    }
    assert!(
        !compile(&places)
            .0
            .as_slice()
            .iter()
            .any(Carrier::is_ambient)
    );
    for bad in ["", "a b", "a,b", "b\u{e4}"] {
        let places = Places {
            websocket_protocol: Some(bad.to_owned()),
            ..Places::default()
        };
        assert_eq!(compile(&places).1.len(), 1, "{bad}");
    }
}
