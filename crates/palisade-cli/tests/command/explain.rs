use crate::folder::Folder;

#[test]
fn a_refusal_is_told_with_its_stage_its_reason_and_its_answer() {
    let folder = Folder::furnished();
    let ran = folder
        .run(&["explain", "palisade.toml", "--path", "/items/7?a=b"])
        .expect(0);
    assert_eq!(ran.line(&["1"])[..4], ["1", "firewall", "passed", "GET"]);
    let judge = ran.line(&["10", "judge"]);
    assert_eq!(
        judge[..5],
        ["10", "judge", "refused", "scope", "items:read,"]
    );
    assert_eq!(ran.line(&["ending"]), ["ending", "refuse"]);
    assert_eq!(ran.line(&["status"]), ["status", "401"]);
    assert_eq!(ran.line(&["because"]), ["because", "no_credential"]);
    assert_eq!(ran.line(&["www-authenticate"])[1], "Bearer");
    assert!(
        ran.out.contains("\"code\":\"credentials_required\""),
        "{}",
        ran.out
    );
    assert!(
        ran.err.contains("taken to be api.example.com"),
        "{}",
        ran.err
    );
}

#[test]
fn a_good_token_is_admitted_and_not_shown() {
    let folder = Folder::furnished();
    let token = folder.read("token.txt");
    let signature = token.trim().rsplit('.').next().unwrap();
    let lines = format!("authorization: Bearer {token}\nhost: api.example.com\n");
    let arguments = [
        "explain",
        "palisade.toml",
        "--path",
        "/items/7",
        "--headers-file",
        "-",
    ];
    let text = folder.run_with(&arguments, &lines).expect(0);
    assert_eq!(text.line(&["ending"]), ["ending", "admit"]);
    assert_eq!(text.line(&["caller"])[..2], ["caller", "alice"]);
    assert_eq!(
        text.line(&["scopes"]),
        ["scopes", "items:read,", "items:write"]
    );
    assert_eq!(text.err, "");
    let json = folder
        .run_with(&[&arguments[..], &["--json"]].concat(), &lines)
        .expect(0);
    assert_eq!(json.json()["principal"]["subject"], "alice");
    assert_eq!(json.json()["stages"][0]["stage"], "firewall");
    for shown in [text.shown(), json.shown()] {
        assert!(!shown.contains(signature), "{shown}");
    }
}

#[test]
fn the_request_is_what_the_arguments_say() {
    let folder = Folder::furnished();
    let explain = |more: &[&str]| {
        let start = [
            "explain",
            "palisade.toml",
            "--json",
            "-H",
            "Host: api.example.com",
        ];
        folder.run(&[&start[..], more].concat()).expect(0)
    };
    let told = explain(&["-X", "PUT", "-p", "/items/7"]).json();
    assert_eq!(
        (told["status"].as_u64(), &told["code"]),
        (Some(405), &"method_not_allowed".into())
    );
    let told = explain(&["-p", "/health", "--peer", "[2001:db8::1]:7", "--tls"]).json();
    assert_eq!(told["stages"][1]["saw"], "the peer [2001:db8::1]:7");
    assert_eq!(told["stages"][3]["saw"], "TLS");
    let told = explain(&["-p", "/health", "-H", "host: evil.example.com"]).json();
    assert_eq!(told["cause"], "host_repeated");
    let told = explain(&["-p", "/health", "--http2"]).json();
    assert_eq!(told["ending"], "admit");

    let late = [
        "-p",
        "/items/7",
        "--at",
        "2040-01-01T00:00:00Z",
        "--headers-file",
        "-",
    ];
    let start = ["explain", "palisade.toml", "--json"];
    let lines = format!("Authorization: Bearer {}", folder.read("token.txt"));
    let told = folder
        .run_with(&[&start[..], &late].concat(), &lines)
        .expect(0)
        .json();
    assert_eq!(told["cause"], "expired");
}

#[test]
fn a_credential_on_the_command_line_is_warned_of_and_not_repeated() {
    let folder = Folder::furnished();
    let ran = folder.run(&[
        "explain",
        "palisade.toml",
        "-p",
        "/health",
        "-H",
        "Authorization: Bearer swordfish",
    ]);
    let shown = ran.expect(0).shown();
    assert!(
        shown.contains("process lists") && !shown.contains("swordfish"),
        "{shown}"
    );
    let ran = folder.run(&[
        "explain",
        "palisade.toml",
        "-p",
        "/health",
        "-H",
        "Authorization swordfish",
    ]);
    let shown = ran.expect(2).shown();
    assert!(
        shown.contains("name: value") && !shown.contains("swordfish"),
        "{shown}"
    );
}

#[test]
fn a_broken_policy_explains_nothing() {
    let folder = Folder::new();
    folder.write("p.toml", "relm = 'a'");
    let ran = folder.run(&["explain", "p.toml", "-p", "/"]).expect(1);
    assert!(
        ran.out.starts_with("p.toml:1: relm: is unknown"),
        "{}",
        ran.out
    );
}

#[test]
fn a_method_before_the_path_is_named() {
    let folder = Folder::furnished();
    let ran = folder.run(&["explain", "palisade.toml", "--path", "GET /items/7"]);
    let ran = ran.expect(2);
    assert!(
        ran.err.contains("write -X GET --path /items/7"),
        "{}",
        ran.err
    );
}
