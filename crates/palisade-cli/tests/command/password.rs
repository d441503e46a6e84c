use crate::folder::Folder;

#[test]
fn a_hash_is_of_its_password_alone() {
    let folder = Folder::furnished();
    let hash = folder
        .run(&["password", "hash", "--file", "password.txt"])
        .expect(0);
    assert!(
        hash.out.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{}",
        hash.out
    );
    assert!(!hash.shown().contains("correct horse"));
    folder.write("hash.txt", &hash.out);
    let verify = ["password", "verify", "--hash-file", "hash.txt"];
    folder
        .run_with(&verify, "correct horse battery\n")
        .expect(0);
    let wrong = folder.run_with(&verify, "swordfish").expect(1);
    assert!(!wrong.shown().contains("swordfish"));
    let other = folder
        .run_with(&["password", "hash"], "correct horse battery")
        .expect(0);
    assert_ne!(other.out, hash.out);
}

#[test]
fn hashes_of_bcrypt_are_known_and_others_are_not() {
    let folder = Folder::new();
    folder.write(
        "bcrypt.txt",
        "$2b$04$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui\n",
    );
    let verify = |hash: &str| folder.run_with(&["password", "verify", "--hash-file", hash], "x");
    assert!(matches!(verify("bcrypt.txt").code, Some(0 | 1)));
    folder.write("none.txt", "swordfish");
    let ran = verify("none.txt").expect(3);
    assert!(!ran.shown().contains("swordfish"), "{}", ran.err);
}

#[test]
fn a_hash_that_is_too_cheap_and_a_password_that_is_missing_are_refused() {
    let folder = Folder::new();
    let cheap = folder
        .run_with(&["password", "hash", "--memory", "64"], "x")
        .expect(2);
    assert!(
        cheap.err.contains("costs an attacker too little"),
        "{}",
        cheap.err
    );
    folder.run(&["password", "hash"]).expect(3);
    folder
        .run(&["password", "hash", "--env", "PALISADE_UNSET"])
        .expect(3);
    let ran = folder.run(&["password", "hash", "swordfish"]).expect(2);
    assert!(ran.out.is_empty());
}
