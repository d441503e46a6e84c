use crate::folder::Folder;

#[test]
fn a_minted_token_says_what_was_asked_for() {
    let folder = Folder::furnished();
    let token = folder.mint(&[
        "--claim",
        "roles=[\"admin\"]",
        "--claim",
        "team=red",
        "--audience",
        "urn:b",
        "--at",
        "2027-01-01T00:00:00Z",
        "--ttl",
        "1h",
        "--kid",
        "k1",
    ]);
    let json = folder
        .run_with(&["token", "inspect", "--json"], &token)
        .expect(0);
    assert!(json.err.starts_with("NOT VERIFIED"), "{}", json.err);
    let json = json.json();
    assert_eq!(json["verified"], false);
    assert_eq!(
        (&json["header"]["typ"], &json["header"]["kid"]),
        (&"at+jwt".into(), &"k1".into())
    );
    assert_eq!(
        json["claims"]["aud"],
        serde_json::json!(["urn:api", "urn:b"])
    );
    assert_eq!(json["claims"]["roles"][0], "admin");
    assert_eq!(json["claims"]["team"], "red");
    assert_eq!(json["claims"]["exp"], 1_798_765_200);
}

#[test]
fn inspecting_shows_times_and_no_signature() {
    let folder = Folder::furnished();
    let token = folder.read("token.txt");
    let ran = folder
        .run(&["token", "inspect", "--file", "token.txt"])
        .expect(0);
    assert!(ran.out.contains("\"sub\": \"alice\"") && ran.out.contains("exp: expires 20"));
    assert!(
        !ran.shown()
            .contains(token.trim().rsplit('.').next().unwrap())
    );
    let ran = folder
        .run_with(&["token", "inspect"], "swordfish")
        .expect(1);
    assert!(!ran.shown().contains("swordfish"), "{}", ran.err);
}

#[test]
fn a_terminal_is_not_at_the_mercy_of_a_token() {
    let folder = Folder::furnished();
    let token = folder.mint(&["--claim", "name=\"\u{9b}31mred\u{202e}\""]);
    let ran = folder.run_with(&["token", "inspect"], &token).expect(0);
    assert!(!ran.out.contains('\u{9b}'), "{}", ran.out);
}

#[test]
fn verifying_names_the_check_that_fails_and_the_setting_that_would_accept() {
    let folder = Folder::furnished();
    let verify = |more: &[&str]| {
        let token = folder.mint(more);
        folder.run_with(&["token", "verify", "palisade.toml"], &token)
    };
    let good = verify(&["--scope", "a b"]).expect(0);
    assert!(good.out.starts_with("accepted by main\n"), "{}", good.out);
    assert_eq!(good.line(&["scopes"]), ["scopes", "a,", "b"]);

    let other = verify(&["--claim", "aud=urn:other"]).expect(1);
    assert!(
        other.out.starts_with("not accepted by main\n"),
        "{}",
        other.out
    );
    assert_eq!(other.line(&["because"]), ["because", "audience"]);
    assert_eq!(other.line(&["claim"]), ["claim", "aud"]);
    assert_eq!(other.line(&["expected"]), ["expected", "urn:api"]);
    assert_eq!(other.line(&["found"]), ["found", "\"urn:other\""]);
    assert!(
        other.line(&["setting"]).contains(&"`audience`"),
        "{}",
        other.out
    );
    let old = verify(&["--at", "1000"]).expect(1);
    assert_eq!(old.line(&["because"]), ["because", "expired"]);
    assert_eq!(old.line(&["found"]), ["found", "1970-01-01T00:26:40Z"]);
    let missing = verify(&["--claim", "sub=7"]).expect(1);
    assert_eq!(missing.line(&["claim"]), ["claim", "sub"]);
    let early = folder.run_with(
        &[
            "token",
            "verify",
            "palisade.toml",
            "--at",
            "2000-01-01T00:00:00Z",
        ],
        &folder.read("token.txt"),
    );
    early.expect(1);
}

#[test]
fn dates_in_milliseconds_and_claims_that_count_as_absent_are_told() {
    let folder = Folder::furnished();
    let run = |command: &[&str], claims: &[&str]| {
        let claims = claims.iter().flat_map(|claim| ["--claim", claim]);
        let token = folder.mint(&claims.collect::<Vec<_>>());
        folder.run_with(&[&["token"], command].concat(), &token)
    };
    let verify = ["verify", "palisade.toml"];
    let endless = run(&verify, &["exp=1900000000000"]).expect(0);
    let note = endless.line(&["note"]);
    assert!(note.contains(&"milliseconds,"), "{}", endless.out);
    let future = run(&verify, &["iat=1900000000000"]).expect(1);
    assert_eq!(future.line(&["because"]), ["because", "milliseconds"]);
    assert!(future.out.contains("seconds since 1970"), "{}", future.out);
    let shown = run(&["inspect"], &["exp=1900000000000"]).expect(0);
    assert!(
        shown
            .out
            .contains("it is in milliseconds and not in seconds"),
        "{}",
        shown.out
    );
    let odd = run(&verify, &["acr=7", "auth_time=\"yesterday\""]).expect(0);
    assert_eq!(odd.line(&["absent"]), ["absent", "acr,", "auth_time"]);
}

#[test]
fn an_issuer_that_gives_no_answer_is_no_verdict() {
    let folder = Folder::furnished();
    let policy = "[outgoing]\nplain_http = ['127.0.0.1']\ntimeout = 1\n\
        [jwt.main]\nissuer = 'https://id.example.com'\naudience = 'urn:api'\n\
        keys = 'http://127.0.0.1:9/jwks'\n";
    folder.write("remote.toml", policy);
    let ran = folder.run_with(
        &["token", "verify", "remote.toml"],
        &folder.read("token.txt"),
    );
    let ran = ran.expect(3);
    assert!(ran.out.is_empty() && !ran.err.is_empty(), "{}", ran.shown());
}

#[test]
fn a_shared_secret_signs_too_and_is_not_shown() {
    let folder = Folder::new();
    folder.write("secret", "swordfish-swordfish-swordfish-swordfish\n");
    folder.write(
        "p.toml",
        "[jwt.a]\nissuer = 'i'\naudience = 'b'\nsecret = 'file:secret'\n",
    );
    let mint = [
        "token",
        "mint",
        "--key",
        "secret",
        "--alg",
        "HS256",
        "--issuer",
        "i",
        "--audience",
        "b",
        "--subject",
        "s",
    ];
    let token = folder.run(&mint).expect(0);
    let verified = folder
        .run_with(&["token", "verify", "p.toml"], &token.out)
        .expect(0);
    assert!(!(token.shown() + &verified.shown()).contains("swordfish"));
}

/// Of several schemes, each speaks for itself, with what it expected and found.
#[test]
fn every_scheme_of_a_policy_is_told_why() {
    let folder = Folder::furnished();
    let more = "\n[jwt.second]\nissuer = 'https://two.example.com'\naudience = 'urn:two'\n\
        audience_claim = '/for/whom'\nroles_claim = 'roles'\njwks = 'file:jwks.json'\n\
        [api_key.partners]\n";
    folder.write("two.toml", &(folder.read("palisade.toml") + more));
    let verify = |token: &str, json: &[&str]| {
        folder.run_with(
            &[&["token", "verify", "two.toml"][..], json].concat(),
            token,
        )
    };
    let good = verify(&folder.read("token.txt"), &[]).expect(0);
    assert!(good.out.starts_with("accepted by main\n"), "{}", good.out);

    let token = folder.mint(&["--claim", "iss=https://three.example.com"]);
    let refused = verify(&token, &[]).expect(1);
    for scheme in ["main", "second", "partners"] {
        let line = format!("not accepted by {scheme}\n");
        assert!(refused.out.contains(&line), "{scheme}: {}", refused.out);
    }
    let json = verify(&token, &["--json"]).expect(1).json();
    assert_eq!(json["accepted"], false);
    let scheme = |json: &serde_json::Value, name: &str| {
        let mut schemes = json["schemes"].as_array().unwrap().iter();
        schemes.find(|own| own["scheme"] == name).unwrap().clone()
    };
    for (name, issuer) in [
        ("main", "https://id.example.com"),
        ("second", "https://two.example.com"),
    ] {
        let own = scheme(&json, name);
        assert_eq!(
            (&own["because"], &own["claim"]),
            (&"issuer".into(), &"iss".into())
        );
        assert_eq!(own["expected"], issuer);
        assert_eq!(own["found"], "\"https://three.example.com\"");
    }
    let token = folder.mint(&[
        "--claim",
        "iss=https://two.example.com",
        "--claim",
        "for={\"whom\":\"us\"}",
    ]);
    let json = verify(&token, &["--json"]).expect(1).json();
    let own = scheme(&json, "second");
    assert_eq!(
        (&own["claim"], &own["expected"]),
        (&"/for/whom".into(), &"urn:two".into())
    );
    assert_eq!(own["found"], "\"us\"");
}

#[test]
fn what_is_pasted_along_with_a_token_is_named() {
    let folder = Folder::furnished();
    let token = folder.read("token.txt");
    let signature = token.trim().rsplit('.').next().unwrap().to_owned();
    for (before, after, part) in [
        ("Bearer ", "", "without `Authorization: Bearer`"),
        (
            "Authorization: Bearer ",
            "",
            "without `Authorization: Bearer`",
        ),
        ("\"", "\"", "stands in quotes"),
        ("a ", "", "in one piece"),
    ] {
        for command in [
            &["token", "verify", "palisade.toml"][..],
            &["token", "inspect"],
        ] {
            let ran = folder.run_with(command, &format!("{before}{}{after}\n", token.trim()));
            let ran = ran.expect(3);
            assert!(ran.err.contains(part), "{before}: {}", ran.err);
            assert!(!ran.shown().contains(&signature), "{}", ran.err);
        }
    }
}

#[test]
fn a_key_in_the_wrong_wrapping_says_which_one_is_right() {
    let folder = Folder::furnished();
    let pem = folder.read("signing.pem").replace('\n', "\\n");
    folder.write("one_line.pem", &pem);
    let mint = [
        "token",
        "mint",
        "--key",
        "one_line.pem",
        "--issuer",
        "i",
        "--audience",
        "a",
    ];
    let ran = folder
        .run(&[&mint[..], &["--subject", "s"]].concat())
        .expect(3);
    assert!(ran.err.contains("two characters \\n"), "{}", ran.err);
    std::fs::write(folder.path().join("packed.json"), [0x1f, 0x8b, 8, 0]).unwrap();
    let ran = folder.run(&["jwks", "show", "packed.json"]).expect(3);
    assert!(ran.err.contains("packed by gzip"), "{}", ran.err);
    folder.write(
        "p.toml",
        "[jwt.a]\nissuer = 'i'\naudience = 'b'\njwks = 'file:packed.json'\n",
    );
    let ran = folder.run(&["check", "p.toml"]).expect(1);
    assert!(ran.out.contains("packed by gzip"), "{}", ran.out);
}
