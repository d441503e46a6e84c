use super::*;
use crate::config::document;

fn mistakes(text: &str, read: impl FnOnce(&mut Section<'_, '_>)) -> Vec<String> {
    let mut mistakes = Mistakes::default();
    let table = document::parse(text, &mut mistakes).unwrap();
    Section::root(&table, &mut mistakes, read);
    let error = mistakes.into_error();
    error.mistakes().iter().map(ToString::to_string).collect()
}

#[test]
fn a_wrong_type_says_what_is_there_and_what_is_needed() {
    let text = "a = 1\nb = 'x'\nc = [1, 'y']\nd = {}\ne = 'z'\nf = [1]\ng = 1.5\n";
    let found = mistakes(text, |section| {
        assert_eq!(section.string("a"), None);
        assert_eq!(section.boolean("b"), None);
        assert_eq!(section.strings("c"), Some(vec!["y".to_owned()]));
        assert_eq!(section.strings("d"), None);
        assert!(section.table("e", |_| ()).is_none());
        assert!(section.tables("f", |_| ()).is_empty());
        assert_eq!(section.size::<u64>("g"), None);
        assert_eq!(section.string("h"), None);
    });
    let expected = [
        "h: is missing; a string is needed",
        "1: a: is an integer; a string is needed",
        "2: b: is a string; true or false is needed",
        "3: c[0]: is an integer; a string is needed",
        "4: d: is a table; a list of strings is needed",
        "5: e: is a string; a table [e] is needed",
        "6: f[0]: is an integer; a table is needed",
        "7: g: is a number with a fraction; a number of bytes or a text such as \"16 KiB\" \
         is needed",
    ];
    assert_eq!(found, expected);
}

#[test]
fn an_unknown_key_gets_a_guess_only_if_one_is_near() {
    let found = mistakes("alowed = 1\nzzz = 2\n", |section| {
        section.strings("allowed");
    });
    assert_eq!(
        found[0],
        "1: alowed: is unknown; did you mean `allowed`? (keys here: allowed)"
    );
    assert_eq!(found[1], "2: zzz: is unknown (keys here: allowed)");
}

#[test]
fn of_two_near_keys_the_one_that_begins_alike_is_guessed() {
    let found = mistakes("rules = 1\n", |section| {
        section.strings("roles");
        section.strings("rule");
    });
    assert!(found[0].contains("did you mean `rule`?"), "{found:?}");
}

#[test]
fn a_choice_lists_its_words() {
    let found = mistakes("a = 'htlm'\nb = 3\n", |section| {
        section.choice("a", &[("api", 1), ("html", 2)]);
        section.choice("b", &[("api", 1)]);
    });
    let near = "1: a: is \"htlm\"; one of \"api\", \"html\" is needed; did you mean \"html\"?";
    assert_eq!(
        found,
        [near, "2: b: is an integer; one of \"api\" is needed"]
    );
}

#[test]
fn a_secret_is_never_repeated() {
    let text = "a = 'hunter2'\nb = ['hunter2']\n";
    let found = mistakes(text, |section| {
        assert!(section.secret("a").is_none());
        assert!(section.secret("b").is_none());
        assert!(!format!("{section:?}").contains("hunter2"));
    });
    assert_eq!(found.len(), 2);
    assert!(!found.concat().contains("hunter2"), "{found:?}");
}

#[test]
fn a_table_without_its_name_says_how_to_name_it() {
    let found = mistakes("[jwt]\nissuer = 'x'\n[jwt.a]\nb = 1\n", |section| {
        let names = section.named_tables("jwt", |name, inner| {
            inner.optional_string("issuer");
            name.to_owned()
        });
        assert_eq!(names, ["a"]);
    });
    let unknown = "4: jwt.a.b: is unknown (keys here: issuer)";
    assert_eq!(found, ["1: jwt: has no name; write [jwt.NAME]", unknown]);
}
