use crate::folder::{Folder, Ran};

const STORE: [&str; 2] = ["--store", "sqlite:keys.db"];

/// The key that was shown: on standard error, so that it does not go where the entry goes.
fn key_of(made: &Ran) -> &str {
    assert!(!made.out.contains("shop_"), "{}", made.out);
    let mut lines = made.err.lines();
    let key = lines.find(|line| line.starts_with("shop_"));
    key.unwrap_or_else(|| panic!("no key in {}", made.err))
}

fn id_of(key: &str) -> &str {
    key.split('_').nth(1).unwrap()
}

#[test]
fn a_key_for_a_policy_is_accepted_by_it() {
    let folder = Folder::new();
    let made = folder.run(&[
        "key",
        "create",
        "--owner",
        "service \"1\"",
        "--scheme",
        "partners",
        "--prefix",
        "shop",
        "--scopes",
        "a,b",
        "--roles",
        "admin",
        "--tenant",
        "acme",
        "--expires",
        "2090-01-01T00:00:00Z",
        "--quota",
        "10/second; 1000/day",
    ]);
    let made = made.expect(0);
    assert!(made.out.contains("quota = \"10/second; 1000/day\"\n"));
    folder.write(
        "p.toml",
        &format!("[api_key.partners]\nprefix = 'shop'\n\n{}", made.out),
    );
    let key = key_of(&made);
    assert_eq!(made.shown().matches(key).count(), 1);
    let verified = folder
        .run_with(&["token", "verify", "p.toml"], key)
        .expect(0);
    assert_eq!(verified.line(&["scopes"]), ["scopes", "a,", "b"]);
    assert_eq!(verified.line(&["tenant"]), ["tenant", "acme"]);
    assert!(!verified.shown().contains(key));
}

#[test]
fn a_key_can_go_into_a_file_instead() {
    let folder = Folder::new();
    let create = [
        "key",
        "create",
        "--owner",
        "a",
        "--prefix",
        "shop",
        "--key-file",
        "key.txt",
    ];
    let made = folder.run(&create).expect(0);
    let key = folder.read("key.txt");
    assert!(made.out.starts_with("[[api_key.main.key]]\n") && !made.shown().contains(key.trim()));
    folder.run(&create).expect(3);
    assert_eq!(folder.read("key.txt"), key);

    let lost = [&create[..], &["--store", "sqlite:no/such/folder.db"]].concat();
    std::fs::remove_file(folder.path().join("key.txt")).unwrap();
    folder.run(&lost).expect(3);
    assert!(!folder.path().join("key.txt").exists());
}

#[test]
fn a_database_keeps_keys_from_their_making_to_their_end() {
    let folder = Folder::new();
    let run = |arguments: &[&str]| folder.run(&[&["key"], arguments, &STORE].concat());
    let made = run(&[
        "create", "--owner", "service1", "--scheme", "partners", "--prefix", "shop", "--scopes",
        "a", "--quota", "7/day",
    ]);
    let made = made.expect(0);
    let key = key_of(&made);
    folder.write(
        "p.toml",
        "[api_key.partners]\nprefix = 'shop'\nstore = 'sqlite:keys.db'\n",
    );
    let verify = |key: &str| folder.run_with(&["token", "verify", "p.toml"], key);
    verify(key).expect(0);

    let id = id_of(key);
    assert_eq!(
        run(&["list"]).expect(0).line(&[id])[1..4],
        ["partners", "service1", "a"]
    );
    let rotated = run(&["rotate", id, "--overlap", "1h"]).expect(0);
    let new = key_of(&rotated);
    verify(new).expect(0);
    verify(key).expect(0);
    run(&["rotate", id]).expect(1);
    run(&["revoke", id_of(new)]).expect(0);
    assert_eq!(verify(new).expect(1).line(&["because"])[0], "because");
    let json = run(&["list", "--json", "--active"]).expect(0).json();
    assert_eq!(json["keys"].as_array().unwrap().len(), 1);
    assert_eq!(json["keys"][0]["replaced_by"], id_of(new));
    assert_eq!(json["keys"][0]["quota"], "7/day");
    run(&["create", "--owner", "a", "--quota", "often"]).expect(2);
    assert!(!run(&["list"]).shown().contains(&key[22..]));
    let ran = run(&["revoke", "0000000000000000"]).expect(1);
    assert!(ran.err.contains("there is no key"), "{}", ran.err);
}

#[test]
fn to_explain_is_not_to_use() {
    let folder = Folder::new();
    let run = |arguments: &[&str]| folder.run(&[arguments, &STORE].concat()).expect(0);
    let made = run(&["key", "create", "--owner", "a", "--prefix", "shop"]);
    let key = key_of(&made);
    folder.write(
        "p.toml",
        "[api_key.main]\nprefix = 'shop'\nstore = 'sqlite:keys.db'\n\
         [[rule]]\npath = '/items'\nrequire = 'authenticated'\n",
    );
    folder
        .run_with(&["token", "verify", "p.toml"], key)
        .expect(0);
    let explain = ["explain", "p.toml", "-p", "/items", "--headers-file", "-"];
    let told = folder.run_with(&explain, &format!("X-Api-Key: {key}"));
    assert_eq!(told.expect(0).line(&["ending"]), ["ending", "admit"]);
    let kept = run(&["key", "list", "--json"]).json();
    assert!(kept["keys"][0]["last_used"].is_null(), "{kept}");
}

#[test]
fn keys_of_an_earlier_system_are_taken_over() {
    let folder = Folder::furnished();
    let import = [
        "key",
        "import",
        "keys.json",
        "--scheme",
        "main",
        "--split-scopes",
    ];
    let run = || folder.run(&[&import[..], &STORE].concat());
    assert_eq!(run().expect(0).out, "keys added: 1, there already: 0\n");
    assert_eq!(run().expect(0).out, "keys added: 0, there already: 1\n");
    folder.write("p.toml", "[api_key.main]\nstore = 'sqlite:keys.db'\n");
    let verified = folder
        .run_with(&["token", "verify", "p.toml"], "old-swordfish")
        .expect(0);
    assert_eq!(verified.line(&["scopes"]), ["scopes", "read,", "write"]);

    let known = |out: &str| out.starts_with("keys added: 0, there already: 1");
    folder.write("keys.csv", "key,owner,scopes\nold-swordfish,service2,\n");
    let csv = ["key", "import", "keys.csv"];
    assert!(known(
        &folder.run(&[&csv[..], &STORE].concat()).expect(0).out
    ));
    let piped = ["key", "import", "-", "--format", "csv"];
    let piped = folder.run_with(&[&piped[..], &STORE].concat(), &folder.read("keys.csv"));
    assert!(known(&piped.expect(0).out));
}

#[test]
fn every_mistake_in_a_list_of_keys_is_told_with_its_line() {
    let folder = Folder::new();
    let import = |name: &str| folder.run(&[&["key", "import", name][..], &STORE].concat());
    folder.write(
        "keys.csv",
        "key,owner,expires\nswordfish,a,\nswordfish,b,\nswordfish 2,,\nswordfish 3,a,swordfish\n\
         swordfish 4,a,1800000000000\n",
    );
    folder.write(
        "keys.json",
        "[{ \"key\": \"swordfish\", \"owner\": \"a\" },\n { \"digest\": \"swordfish\", \"owner\": \"a\" },\n\
         { \"kee\": \"swordfish\", \"owner\": \"a\" },\n swordfish]",
    );
    for (name, starts) in [
        (
            "keys.csv",
            &[
                "keys.csv:3: it is the same key",
                "keys.csv:4: its owner is empty",
                "keys.csv:5: its expires is no moment",
                "keys.csv:6: its expires is in milliseconds; write Unix seconds",
            ][..],
        ),
        (
            "keys.json",
            &[
                "keys.json:2: its digest is no digest",
                "keys.json:3: the fields of a key are",
                "keys.json:4: this is no list",
            ],
        ),
    ] {
        let ran = import(name).expect(1);
        let lines: Vec<_> = ran.out.lines().collect();
        assert_eq!(lines.len(), starts.len(), "{}", ran.out);
        for (line, start) in lines.iter().zip(starts) {
            assert!(line.starts_with(start), "{}", ran.out);
        }
        let count = format!("{} mistakes; no key was imported", starts.len());
        assert!(ran.err.contains(&count), "{}", ran.err);
        assert!(!ran.shown().contains("swordfish"), "{}", ran.out);
    }
    let list = folder
        .run(&[&["key", "list", "--json"][..], &STORE].concat())
        .expect(0);
    assert_eq!(list.json()["keys"], serde_json::json!([]));
    import("missing.csv").expect(3);
}

/// Every list on the command line and in CSV takes commas and spaces; in JSON a list is a list.
#[test]
fn scopes_are_separated_by_commas_or_spaces_everywhere() {
    let folder = Folder::furnished();
    for list in ["a,b", "a b", "a, b"] {
        let made = folder.run(&["key", "create", "--owner", "o", "--scopes", list]);
        let made = made.expect(0);
        assert!(
            made.out.contains("scopes = [\"a\",\"b\"]"),
            "{list}: {}",
            made.out
        );
        let token = folder.mint(&["--scope", list]);
        let told = folder.run_with(&["token", "inspect", "--json"], &token);
        assert_eq!(told.expect(0).json()["claims"]["scope"], "a b", "{list}");
    }
    let import = |name: &str| {
        let import = ["key", "import", name, "--scheme", "main"];
        folder.run(&[&import[..], &STORE].concat())
    };
    folder.write("keys.csv", "key,owner,scopes\none,o,\"a,b\"\ntwo,o,a b\n");
    import("keys.csv").expect(0);
    let list = folder.run(&[&["key", "list", "--json"][..], &STORE].concat());
    for key in list.expect(0).json()["keys"].as_array().unwrap() {
        assert_eq!(key["scopes"], serde_json::json!(["a", "b"]), "{key}");
    }
    folder.write(
        "keys.json",
        "[{ \"key\": \"three\", \"owner\": \"o\", \"scopes\": [\"a,b\"] }]",
    );
    let ran = import("keys.json").expect(1);
    assert!(ran.out.contains("list each by itself"), "{}", ran.out);
}

#[test]
fn a_database_is_named_without_its_password() {
    let folder = Folder::new();
    let list = |url: &str| folder.run(&["key", "list", "--store", url]);
    let shown = list("postgres://me:swordfish@127.0.0.1/keys")
        .expect(2)
        .shown();
    assert!(
        shown.contains("env:NAME") && !shown.contains("swordfish"),
        "{shown}"
    );
    list("mysql://db/keys").expect(2);
    list("env:PALISADE_UNSET").expect(3);
    let ran = folder.run(&["key", "list"]).expect(2);
    assert!(ran.err.contains("PALISADE_STORE"), "{}", ran.err);
    let ran = folder
        .shell("palisade key list", &[("PALISADE_STORE", "sqlite:keys.db")])
        .expect(0);
    assert!(ran.out.contains("OWNER"), "{}", ran.out);
    folder.write(
        "url.txt",
        "postgres://me:swordfish@127.0.0.1:9/keys?sslmode=disable\n",
    );
    let shown = list("file:url.txt").expect(3).shown();
    assert!(!shown.contains("swordfish"), "{shown}");
}
