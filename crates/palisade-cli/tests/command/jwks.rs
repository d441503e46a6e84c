use crate::folder::Folder;
use serde_json::Value;

fn generate<'a>(alg: &'a str, private: &'a str, public: &'a str) -> [&'a str; 8] {
    [
        "jwks",
        "generate",
        "--alg",
        alg,
        "--private",
        private,
        "--public",
        public,
    ]
}

fn kids(folder: &Folder) -> Vec<String> {
    let set: Value = serde_json::from_str(&folder.read("set.json")).unwrap();
    let keys = set["keys"].as_array().unwrap();
    keys.iter()
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_kind_of_key_signs_what_its_set_verifies() {
    for alg in ["ES256", "ES384", "EdDSA", "RS256", "PS256"] {
        let folder = Folder::furnished();
        folder.run(&generate(alg, "own.pem", "own.json")).expect(0);
        folder.write(
            "palisade.toml",
            &folder
                .read("palisade.toml")
                .replace("jwks.json", "own.json"),
        );
        let token = folder.run(&[
            "token",
            "mint",
            "--key",
            "own.pem",
            "--alg",
            alg,
            "--issuer",
            "https://id.example.com",
            "--audience",
            "urn:api",
            "--subject",
            "alice",
        ]);
        let verified = folder.run_with(&["token", "verify", "palisade.toml"], &token.expect(0).out);
        assert_eq!(
            verified.expect(0).line(&["subject"]),
            ["subject", "alice", "(user)"],
            "{alg}"
        );
        let shown = folder.run(&["jwks", "show", "own.json"]).expect(0);
        assert!(
            shown.out.contains(alg) && shown.out.contains("sig"),
            "{}",
            shown.out
        );
    }
}

#[cfg(unix)]
#[test]
fn a_private_key_is_its_owners_alone_and_never_printed() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let ran = folder.run(&generate("ES256", "a.pem", "a.json")).expect(0);
    let mode = std::fs::metadata(folder.path().join("a.pem"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let pem = folder.read("a.pem");
    assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
    let secret = pem.lines().nth(1).unwrap();
    assert!(!ran.shown().contains(secret) && !folder.read("a.json").contains("\"d\""));
}

#[test]
fn a_file_that_is_there_stays() {
    let folder = Folder::new();
    folder.run(&generate("ES256", "a.pem", "a.json")).expect(0);
    let before = folder.read("a.pem");
    let ran = folder.run(&generate("ES256", "a.pem", "b.json")).expect(3);
    assert!(ran.err.contains("a.pem is there already"), "{}", ran.err);
    assert_eq!(folder.read("a.pem"), before);
    folder.run(&generate("ES256", "b.pem", "a.json")).expect(3);
    assert!(!folder.path().join("b.pem").exists());
    folder
        .run(&[&generate("ES256", "a.pem", "a.json")[..], &["--force"]].concat())
        .expect(0);
    assert_ne!(folder.read("a.pem"), before);
}

#[test]
fn rotation_keeps_the_old_public_key_until_it_is_removed() {
    let folder = Folder::new();
    folder
        .run(&generate("ES256", "1.pem", "set.json"))
        .expect(0);
    let first = kids(&folder);
    folder
        .run(&[
            "jwks",
            "rotate",
            "--private",
            "2.pem",
            "--public",
            "set.json",
        ])
        .expect(0);
    let both = kids(&folder);
    assert_eq!((both.len(), &both[1]), (2, &first[0]));
    let rotate = [
        "jwks",
        "rotate",
        "--private",
        "3.pem",
        "--public",
        "set.json",
        "--remove",
        &first[0],
    ];
    folder.run(&rotate).expect(0);
    assert_eq!(kids(&folder)[1..], both[..1]);
    let ran = folder.run(&rotate).expect(2);
    assert!(ran.err.contains("the set has no key"), "{}", ran.err);
}

#[test]
fn what_is_wrong_with_a_set_is_told_without_its_secrets() {
    let folder = Folder::new();
    let oct = r#"{"keys":[{"kty":"oct","k":"c3dvcmRmaXNo","kid":"a"},{"kty":"EC","crv":"P-256","kid":"b"}]}"#;
    folder.write("bad.json", oct);
    let ran = folder.run(&["jwks", "show", "bad.json"]).expect(1);
    assert_eq!(ran.line(&["a", "oct"])[5..8], ["a", "secret", "(kty"]);
    assert!(!ran.shown().contains("c3dvcmRmaXNo"));
    let json = folder
        .run(&["jwks", "show", "bad.json", "--json"])
        .expect(1)
        .json();
    assert_eq!(json["keys"][1]["kid"], "b");
    assert!(json["keys"][1]["problem"].is_string());
    let ran = folder
        .run_with(&["jwks", "show", "-"], "swordfish")
        .expect(3);
    assert!(
        ran.err.contains("no key set") && !ran.err.contains("swordfish"),
        "{}",
        ran.err
    );
}
