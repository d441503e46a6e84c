//! No type shows a secret that it holds.
//!
//! Every type of the shipped crates is read, public or not. A field is a secret by its name, or that of its type
//! ([`NAMES`]), and by being plain text or bytes ([`PLAIN`]); what wraps a secret (`Secret`, `SecretString`) hides it by
//! itself. A type with such a field derives no `Debug`, and no `Debug` or `Display` written for it, nor the message of an
//! error, looks at the field.

use super::tree::{File, assert_none, shipped_source};

/// What a field with a secret is called: one of these words is in the name.
const NAMES: [&str; 14] = [
    "secret",
    "password",
    "passphrase",
    "token",
    "credential",
    "authorization",
    "cookie",
    "cookies",
    "bearer",
    "pem",
    "phc",
    "hash",
    "private",
    "query",
];

/// The types that show all they hold.
const PLAIN: [&str; 12] = [
    "String",
    "str",
    "u8",
    "Bytes",
    "BytesMut",
    "HeaderValue",
    "Value",
    "char",
    "PathBuf",
    "Zeroizing",
    "SmallVec",
    "Cow",
];

/// Fields that are called like a secret and are none: the type, the field, and what is in it.
const NONE: [(&str, &str, &str); 18] = [
    ("Bearer", "name", "the name of the scheme"),
    ("Carrier", "authorization", "the name of a scheme"),
    ("Carrier", "cookie", "its name"),
    ("Carrier", "query", "the name of a parameter"),
    ("Challenges", "invalid_token", "what asks for another one"),
    ("Outgoing", "private", "networks"),
    ("PairArguments", "private", "where the file is to be"),
    (
        "PasswordError",
        "password_error",
        "what is wrong with a hash, without it",
    ),
    ("Place", "query", "the name of a parameter"),
    ("Places", "authorization", "the names of schemes"),
    ("Places", "cookie", "its name"),
    ("Places", "query", "the name of a parameter"),
    (
        "PrincipalReport",
        "credential",
        "the id of a key or a token",
    ),
    (
        "SecretError",
        "secret_error",
        "why one cannot be read, without it",
    ),
    (
        "TokenPolicy",
        "accepted_token_uses",
        "words such as `access`",
    ),
    ("VerifiedToken", "issuer", "who made it"),
    ("VerifiedToken", "kid", "the name of the key that signed"),
    ("Verify", "hash_file", "where the file is"),
];

/// A type as it is declared.
#[derive(Debug, PartialEq, Eq)]
struct Type {
    name: String,
    derives_debug: bool,
    /// Names and types; those of a tuple have the name of the type they are in.
    fields: Vec<(String, String)>,
    /// The messages of its errors.
    messages: String,
}

#[test]
fn no_type_shows_a_secret_that_it_holds() {
    let (secrets, wrong) = check(&shipped_source());
    assert_none(
        wrong,
        "wrap the secret in `Secret` or `SecretString`, or write a `Debug` without it",
    );
    assert!(
        secrets > 10,
        "only {secrets} fields: the names have changed"
    );
}

/// How many fields with secrets there are, and those that can be seen.
fn check(source: &[File]) -> (usize, Vec<String>) {
    let mut wrong = Vec::new();
    let mut secrets = 0;
    for file in source {
        for kind in types(file) {
            // All of a `Credential` is one, whatever its fields are called.
            let last = snake(&kind.name);
            let is_one = NAMES.contains(&last.rsplit('_').next().unwrap_or_default());
            let is_secret =
                |(name, of): &&(String, String)| is_plain(of) && (is_one || is_called_so(name));
            for (field, of) in kind.fields.iter().filter(is_secret) {
                if NONE
                    .iter()
                    .any(|(name, own, _)| (*name, *own) == (&*kind.name, &**field))
                {
                    continue;
                }
                secrets += 1;
                let place = format!("{}: {}.{field}: {of}", file.path, kind.name);
                if kind.derives_debug {
                    wrong.push(format!("{place}, and `Debug` is derived"));
                }
                if kind.messages.contains(&format!("{{{field}")) {
                    wrong.push(format!("{place}, and an error's message says it"));
                }
                let looks = |shown: &&str| shown.contains(&format!("self.{field}"));
                if shows(source, file, &kind.name).iter().any(looks) {
                    wrong.push(format!("{place}, and its `Debug` or `Display` looks at it"));
                }
            }
        }
    }
    (secrets, wrong)
}

fn is_called_so(name: &str) -> bool {
    // `token_id` names a token.
    !name.ends_with("_id") && name.split('_').any(|word| NAMES.contains(&word))
}

fn is_plain(of: &str) -> bool {
    let mut types = of.split(|char: char| !char.is_alphanumeric());
    !of.contains("Secret") && types.any(|word| PLAIN.contains(&word))
}

/// The bodies of `Debug` and `Display` that are written for the type, in its file or in its crate.
fn shows<'a>(source: &'a [File], file: &File, name: &str) -> Vec<&'a str> {
    let folder = file.path.split("/src/").next().unwrap_or_default();
    let crate_files = source.iter().filter(|it| it.path.starts_with(folder));
    crate_files
        .flat_map(|file| {
            file.text.match_indices("fmt::D").filter_map(|(at, _)| {
                let rest = file.text.get(at..)?;
                let (head, body) = rest.split_once('{')?;
                let of = head.split_once(" for ")?.1;
                let of = of.split(|char: char| !char.is_alphanumeric()).next();
                (of == Some(name)).then(|| body.split("\n}").next().unwrap_or_default())
            })
        })
        .collect()
}

/// The types that a file declares.
fn types(file: &File) -> Vec<Type> {
    let mut types: Vec<Type> = Vec::new();
    let mut attributes = String::new();
    // The type that is open, and how many brackets within it are.
    let mut depth = 0_i32;
    for (_, line) in file.code() {
        let text = line.trim();
        if depth == 0 {
            if text.starts_with("#[") || !attributes.is_empty() && !attributes.ends_with(']') {
                attributes.push_str(text);
                continue;
            }
            let declared = ["struct ", "enum "].iter().find_map(|word| {
                let (before, after) = text.split_once(word)?;
                let visible = before.is_empty() || before.starts_with("pub");
                visible.then_some(after)
            });
            let Some(after) = declared else {
                attributes.clear();
                continue;
            };
            let end = after.find(|char: char| !char.is_alphanumeric());
            let (name, rest) = after.split_at(end.unwrap_or(after.len()));
            let mut kind = Type {
                name: name.to_owned(),
                derives_debug: attributes.contains("derive(") && attributes.contains("Debug"),
                fields: Vec::new(),
                messages: std::mem::take(&mut attributes),
            };
            if let Some((_, inner)) = rest.split_once('(') {
                kind.fields.push((snake(name), inner.to_owned()));
            }
            types.push(kind);
            depth = brackets(text);
            continue;
        }
        depth += brackets(text);
        let Some(kind) = types.last_mut() else {
            continue;
        };
        if text.starts_with("#[") {
            kind.messages.push_str(text);
        } else if let Some((name, of)) = text.split_once(": ") {
            let name = name.rsplit([' ', '{', '(']).next().unwrap_or_default();
            kind.fields.push((name.to_owned(), of.to_owned()));
        } else if let Some((variant, of)) = text.split_once('(') {
            kind.fields.push((snake(variant), of.to_owned()));
        }
    }
    types
}

fn brackets(text: &str) -> i32 {
    text.chars()
        .map(|char| match char {
            '{' | '(' | '[' => 1,
            '}' | ')' | ']' => -1,
            _ => 0,
        })
        .sum()
}

/// `ClientSecret` as `client_secret`.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for char in name.chars() {
        if char.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(char.to_lowercase());
    }
    snake
}

#[test]
fn finds_secrets_that_can_be_seen() {
    let wrong = |text: &str| {
        let file = File {
            path: "crates/a/src/a.rs".to_owned(),
            text: text.to_owned(),
        };
        check(&[file]).1.len()
    };
    for (text, found) in [
        ("#[derive(Debug)]\nstruct A {\n    password: String,\n}", 1),
        (
            "#[derive(\n    Clone,\n    Debug,\n)]\npub struct A {\n    pub(crate) client_secret: Box<[u8]>,\n}",
            1,
        ),
        ("#[derive(Debug)]\nstruct ApiToken(String);", 1),
        (
            "#[derive(Debug)]\nstruct Credential<'h> {\n    bytes: Cow<'h, [u8]>,\n    carrier: usize,\n}",
            1,
        ),
        (
            "#[derive(Debug)]\nenum A {\n    Bearer(Vec<u8>),\n    Other { cookie: &'a str },\n}",
            2,
        ),
        (
            "#[derive(Debug)]\nstruct A {\n    password: SecretString,\n    token_id: String,\n    max_tokens: usize,\n}",
            0,
        ),
        (
            "struct A {\n    password: String,\n}\nimpl fmt::Debug for A {\n    fn fmt() {\n        self.name;\n    }\n}",
            0,
        ),
        (
            "struct A<'a> {\n    password: &'a str,\n}\nimpl fmt::Debug for A<'_> {\n    fn fmt() {\n        self.password;\n    }\n}",
            1,
        ),
        (
            "enum A {\n    #[error(\"not {token}\")]\n    Wrong { token: String },\n}",
            1,
        ),
    ] {
        assert_eq!(wrong(text), found, "{text}");
    }
}

/// Each field of the list is still there.
#[test]
fn the_fields_that_are_no_secrets_exist() {
    let source = shipped_source();
    let all: Vec<Type> = source.iter().flat_map(types).collect();
    let missing = NONE.iter().filter(|(name, field, _)| {
        let has = |kind: &&Type| kind.name == *name && kind.fields.iter().any(|it| it.0 == *field);
        !all.iter().any(|kind| has(&kind))
    });
    assert_none(
        missing.map(|it| format!("{it:?}")).collect(),
        "no type has these fields",
    );
}
