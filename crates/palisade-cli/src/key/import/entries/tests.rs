use super::*;

const DIGEST: &str = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// Each key's line and owner, or what is wrong.
fn read(format: Format, text: &str) -> Vec<(u64, Result<String, String>)> {
    let listed = format.read(text).into_iter();
    listed
        .map(|one| (one.line, one.key.map(|key| key.owner)))
        .collect()
}

/// The lines with mistakes, and how each begins.
fn mistakes(format: Format, text: &str) -> Vec<(u64, String)> {
    let all = read(format, text).into_iter();
    let wrong = all.filter_map(|(line, key)| Some((line, key.err()?)));
    let words = |text: String| text.split(' ').take(3).collect::<Vec<_>>().join(" ");
    wrong
        .map(|(line, message)| (line, words(message)))
        .collect()
}

#[test]
fn the_same_key_in_both_formats_is_the_same() {
    let json = format!(
        r#"[{{ "digest": "{DIGEST}", "id": "0123456789abcdef", "owner": "a, \"b\"", "scopes": ["x", "y:z"],
            "roles": ["r"], "tenant": "acme", "expires": "2027-01-01T00:00:00Z", "active": false }}]"#
    );
    let csv = format!(
        "tenant,owner,digest,id,scopes,roles,active,expires\r\n\
         acme,\"a, \"\"b\"\"\" ,{DIGEST},0123456789abcdef,x  y:z,r,false,2027-01-01T00:00:00Z\r\n"
    );
    for (format, text) in [(Format::Json, json), (Format::Csv, csv)] {
        let listed = format.read(&text).remove(0).key.unwrap();
        assert_eq!(
            (&*listed.digest, listed.id.as_deref()),
            (DIGEST, Some("0123456789abcdef"))
        );
        assert_eq!(listed.owner, "a, \"b\"", "{format:?}");
        assert_eq!(listed.scopes, ["x", "y:z"]);
        assert_eq!(
            (listed.roles, listed.tenant.as_deref()),
            (vec!["r".to_owned()], Some("acme"))
        );
        assert_eq!(
            (listed.expires, listed.active),
            (Some(1_798_761_600), false)
        );
    }
}

#[test]
fn a_key_is_kept_by_its_digest() {
    let csv = Format::Csv
        .read("key,owner\ntest,a\n")
        .remove(0)
        .key
        .unwrap();
    assert_eq!(csv.digest, DIGEST);
    assert!(csv.active && csv.scopes.is_empty() && csv.tenant.is_none());
}

#[test]
fn every_key_has_the_line_it_begins_in() {
    for end in ["\n", "\r\n"] {
        let csv = "\u{feff}key,owner\n\nk1,a\nk2,b\n\n\nk3,\"c\"\n";
        let lines = read(Format::Csv, &csv.replace('\n', end));
        let expected = [(3, "a"), (4, "b"), (7, "c")];
        assert_eq!(
            lines,
            expected.map(|(line, owner)| (line, Ok(owner.to_owned())))
        );

        let json = "\n[\n{\"key\": \"k1\", \"owner\": \"a\"}, {\n\"key\": \"k2\",\n\"owner\": \"b\" }\n\n, {\"key\": \"k3\", \"owner\": \"c\"}\n]\n";
        let lines = read(Format::Json, &json.replace('\n', end));
        let expected = [(3, "a"), (3, "b"), (7, "c")];
        assert_eq!(
            lines,
            expected.map(|(line, owner)| (line, Ok(owner.to_owned())))
        );
    }
    for empty in ["[]", " [ ]\n"] {
        assert!(Format::Json.read(empty).is_empty());
    }
    assert!(Format::Csv.read("key,owner\n").is_empty());
}

#[test]
fn all_mistakes_of_a_csv_are_found() {
    let csv = "key,digest,owner,expires,active\n\
               swordfish,,a,,\n\
               swordfish,swordfish,a,,\n\
               ,,a,,\n\
               swordfish,,a,swordfish,\n\
               swordfish,,a,,swordfish\n\
               swordfish,a\n\
               swordfish,,\"a,,\n\
               swordfish,,a\",,\n";
    let expected = [
        (3, "either its key"),
        (4, "either its key"),
        (5, "its expires is"),
        (6, "its active is"),
        (7, "it has 2"),
        (8, "a field goes"),
    ];
    let expected = expected.map(|(line, words)| (line, words.to_owned()));
    assert_eq!(mistakes(Format::Csv, csv), expected);
    assert!(!format!("{:?}", read(Format::Csv, csv)).contains("swordfish"));
}

#[test]
fn a_csv_without_names_is_refused_and_not_repeated() {
    for (csv, words) in [
        ("swordfish,a\nk2,b\n", "column 1 is"),
        ("key,owner,key\nk1,a,k2\n", "column 3 has"),
        ("key;owner\nk1;a\n", "column 1 is"),
    ] {
        assert_eq!(mistakes(Format::Csv, csv), [(1, words.to_owned())]);
        assert!(!format!("{:?}", read(Format::Csv, csv)).contains("swordfish"));
    }
}

#[test]
fn all_mistakes_of_a_json_are_found_up_to_where_it_ends_to_be_one() {
    let json = r#"[
        { "key": "swordfish", "owner": "a" },
        { "kee": "swordfish", "owner": "a" },
        { "key": 7, "owner": "a" },
        { "owner": "a" },
        { "key": "swordfish", "owner": "a", "scopes": "swordfish" },
        {
            "key": "swordfish" "owner": "a" },
        { "key": 7 }
    ]"#;
    let expected = [
        (3, "the fields of"),
        (4, "the fields of"),
        (5, "either its key"),
        (6, "the fields of"),
        (8, "this is no"),
    ];
    let expected = expected.map(|(line, words)| (line, words.to_owned()));
    assert_eq!(mistakes(Format::Json, json), expected);
    assert!(!format!("{:?}", read(Format::Json, json)).contains("swordfish"));
    for none in [
        "",
        "swordfish",
        "{}",
        "[",
        "[1]",
        "[,]",
        "[{}",
        "[] []",
        "[{\"owner\": \"a\"},",
    ] {
        let last = mistakes(Format::Json, none).pop();
        assert_eq!(last, Some((1, "this is no".to_owned())), "{none}");
    }
}

#[test]
fn the_name_of_a_file_says_what_it_is_written_in() {
    for (name, format) in [
        ("keys.csv", Format::Csv),
        ("KEYS.CSV", Format::Csv),
        ("keys.json", Format::Json),
        ("keys", Format::Json),
        ("-", Format::Json),
    ] {
        assert_eq!(Format::of(Path::new(name)), format, "{name}");
    }
}
