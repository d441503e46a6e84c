use crate::folder::Folder;

#[test]
fn a_good_policy_is_told_with_every_path_and_default() {
    let folder = Folder::furnished();
    let ran = folder.run(&["check", "palisade.toml"]).expect(0);
    assert!(
        ran.out.starts_with("palisade.toml is good (version "),
        "{}",
        ran.out
    );
    assert_eq!(
        ran.line(&["/health"]),
        ["/health", "all", "public", "-", "burst"]
    );
    let items = [
        "/items",
        "GET,",
        "POST",
        "scope",
        "items:write",
        "main",
        "burst",
    ];
    assert_eq!(ran.line(&["/items"]), items);
    let item = ran.line(&["/items/{id}"]);
    assert_eq!(
        item[..5],
        ["/items/{id}", "GET", "scope", "items:read", "main"]
    );
    assert_eq!(item[5..], ["burst", "body", "up", "to", "1024", "bytes"]);
    assert_eq!(
        ran.line(&["(any"])[..5],
        ["(any", "other)", "all", "not", "found"]
    );
    assert_eq!(
        ran.line(&["main"])[..3],
        ["main", "jwt", "https://id.example.com"]
    );
    assert_eq!(
        ran.line(&["burst"]),
        ["burst", "100/minute", "address", "default"]
    );
    assert_eq!(
        ran.line(&["firewall.max_target"]),
        ["firewall.max_target", "8192"]
    );
    assert_eq!(
        ran.line(&["host.allowed"]),
        ["host.allowed", "[\"api.example.com\"]"]
    );
    assert_eq!(ran.line(&["x-frame-options"]), ["x-frame-options", "DENY"]);
    assert_eq!(ran.err, "");

    let json = folder
        .run(&["check", "palisade.toml", "--json"])
        .expect(0)
        .json();
    assert_eq!(json["ok"], true);
    assert_eq!(
        json["policy"]["rules"][1]["requirement"],
        "scope items:write"
    );
    assert_eq!(
        json["policy"]["schemes"][0]["carriers"][0],
        "Authorization: Bearer"
    );
    assert_eq!(json["policy"]["settings"]["https"]["mode"], "off");
}

#[test]
fn every_mistake_has_its_line() {
    let folder = Folder::new();
    folder.write(
        "broken.toml",
        "relm = 'a'\n\n[[rule]]\npath = '/a'\nrequire = 'publik'\n",
    );
    let ran = folder.run(&["check", "broken.toml"]).expect(1);
    let starts = [
        "broken.toml:1: relm: is unknown; did you mean `realm`?",
        "broken.toml:5: rule[0].require: is \"publik\"",
    ];
    for (line, start) in ran.out.lines().zip(starts) {
        assert!(line.starts_with(start), "{line}");
    }
    assert_eq!(
        (ran.out.lines().count(), ran.err.as_str()),
        (2, "2 mistakes\n")
    );

    let json = folder
        .run(&["check", "broken.toml", "--json"])
        .expect(1)
        .json();
    assert_eq!(json["ok"], false);
    assert_eq!(json["mistakes"][1]["line"], 5);
    assert_eq!(json["mistakes"][1]["key"], "rule[0].require");
}

#[test]
fn a_warning_is_shown_and_the_policy_is_good_all_the_same() {
    let folder = Folder::new();
    folder.write("empty.toml", "realm = 'a'\n");
    let ran = folder.run(&["check", "empty.toml"]).expect(0);
    let mut lines = ran.out.lines();
    assert!(
        lines.next().unwrap().ends_with("), with 1 warning:"),
        "{}",
        ran.out
    );
    let warning = lines.next().unwrap();
    assert!(warning.contains("every request is refused"), "{}", ran.out);

    let json = folder.run(&["check", "empty.toml", "--json"]).expect(0);
    let json = json.json();
    let message = json["warnings"][0]["message"].as_str().unwrap();
    assert!(json["ok"] == true && message.contains("add a [[rule]]"));
}

#[test]
fn what_a_rule_means_beside_others_is_noted() {
    let folder = Folder::new();
    let rule = |path, require| format!("[[rule]]\npath = '{path}'\nrequire = '{require}'\n");
    let rules = rule("/files/{name}", "authenticated") + &rule("/files/public", "public");
    folder.write("p.toml", &format!("[api_key.a]\nprefix = 'pk'\n{rules}"));
    let note =
        "rule[0]: rules with fewer demands lie within /files/{name}: /files/public. Each needs";
    let ran = folder.run(&["check", "p.toml"]).expect(0);
    assert!(ran.out.contains(&format!("\nNotes\n{note}")), "{}", ran.out);

    let json = folder.run(&["check", "p.toml", "--json"]).expect(0).json();
    assert_eq!(json["policy"]["notes"][0]["key"], "rule[0]");
}

#[test]
fn a_limit_may_be_counted_by_a_store_that_only_the_program_has() {
    let folder = Folder::new();
    let limit = "[[limit]]\nname = 'a'\nquota = '9/minute'\ndefault = true\nstore = 'redis'\n";
    let rule = "[[rule]]\npath = '/a'\nrequire = 'public'\n";
    folder.write("p.toml", &format!("{limit}{rule}"));
    let ran = folder.run(&["check", "p.toml"]).expect(0);
    assert!(ran.out.contains("counted by redis"), "{}", ran.out);
    let ran = folder.run(&["explain", "p.toml", "--path", "/a"]).expect(0);
    assert!(ran.out.contains("a (9/minute): 9 left"), "{}", ran.out);
}

#[test]
fn a_secret_written_into_a_policy_is_not_repeated() {
    let folder = Folder::new();
    folder.write(
        "p.toml",
        "[jwt.a]\nissuer = 'i'\naudience = 'b'\nsecret = 'swordfish'\n",
    );
    let shown = folder.run(&["check", "p.toml"]).expect(1).shown();
    assert!(
        shown.contains("never the secret itself") && !shown.contains("swordfish"),
        "{shown}"
    );
}

#[test]
fn a_missing_file_is_no_mistake_of_the_policy() {
    let ran = Folder::new().run(&["check", "nowhere.toml"]).expect(3);
    assert!(
        ran.err
            .starts_with("palisade: nowhere.toml cannot be read: "),
        "{}",
        ran.err
    );
}

/// Nobody listens there: without `--online` it does not matter, and the file is not made.
#[test]
fn issuers_and_databases_are_asked_only_where_that_is_wanted() {
    let folder = Folder::new();
    folder.write(
        "p.toml",
        "[outgoing]\nplain_http = ['127.0.0.1']\ntimeout = 1\n\
         [jwt.a]\nissuer = 'http://127.0.0.1:9'\naudience = 'b'\nkeys = 'discover'\n\
         [api_key.b]\nstore = 'sqlite:keys.db'\n",
    );
    folder.run(&["check", "p.toml"]).expect(0);
    assert!(!folder.path().join("keys.db").exists());
    let ran = folder.run(&["check", "p.toml", "--online"]).expect(3);
    assert!(ran.err.contains("the policy is good, but"), "{}", ran.err);
}

#[test]
fn an_address_that_must_not_be_asked_is_a_mistake_offline_too() {
    let folder = Folder::new();
    folder.write(
        "p.toml",
        "[jwt.a]\nissuer = 'http://id.example.com'\naudience = 'b'\nkeys = 'discover'\n",
    );
    let ran = folder.run(&["check", "p.toml"]).expect(1);
    assert!(ran.out.starts_with("p.toml:"), "{}", ran.out);
}
