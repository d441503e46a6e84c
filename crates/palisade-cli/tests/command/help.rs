use crate::folder::Folder;
use std::collections::BTreeSet;

/// Every command, by its words.
const COMMANDS: &[&[&str]] = &[
    &["check"],
    &["explain"],
    &["key", "create"],
    &["key", "list"],
    &["key", "rotate"],
    &["key", "revoke"],
    &["key", "import"],
    &["password", "hash"],
    &["password", "verify"],
    &["token", "mint"],
    &["token", "inspect"],
    &["token", "verify"],
    &["jwks", "generate"],
    &["jwks", "rotate"],
    &["jwks", "show"],
    &["schema"],
    &["completions"],
];

/// The lines beneath `Examples:`, with those joined that the shell would join.
fn examples(help: &str) -> Vec<String> {
    let (_, rest) = help
        .split_once("\nExamples:\n")
        .unwrap_or_else(|| panic!("{help}"));
    let mut examples: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in rest.lines().take_while(|line| !line.trim().is_empty()) {
        let line = line.trim();
        match examples.last_mut().filter(|_| goes_on) {
            Some(last) => {
                last.push('\n');
                last.push_str(line);
            }
            None => examples.push(line.to_owned()),
        }
        goes_on = line.ends_with(['\\', '|']);
    }
    examples
}

#[test]
fn every_example_works_as_it_is_printed() {
    for words in COMMANDS {
        let folder = match words {
            // These make the files that the others find.
            ["jwks", "generate" | "rotate"] | ["token", "mint"] => Folder::new(),
            _ => Folder::furnished(),
        };
        for place in [
            ".local/share/bash-completion/completions",
            ".zfunc",
            ".config/fish/completions",
        ] {
            std::fs::create_dir_all(folder.path().join(place)).unwrap();
        }
        let help = folder.run(&[words, &["--help"][..]].concat()).expect(0).out;
        for example in examples(&help) {
            let made = [
                "key",
                "create",
                "--owner",
                "a",
                "--store",
                "sqlite:palisade.db",
                "--json",
            ];
            let id = match words {
                ["key", "rotate" | "revoke"] => folder.run(&made).expect(0).json()["id"].clone(),
                _ => "".into(),
            };
            let token = match words {
                ["explain"] | ["token", "inspect"] => folder.read("token.txt"),
                _ => String::new(),
            };
            let variables = [("KEY_ID", id.as_str().unwrap()), ("TOKEN", token.trim())];
            let ran = folder.shell(&example, &variables);
            assert_eq!(ran.code, Some(0), "{example}\n{}", ran.shown());
        }
    }
}

#[test]
fn the_list_of_commands_is_whole_and_each_has_one_line() {
    let folder = Folder::new();
    let help = folder.run(&["--help"]).expect(0).out;
    assert!(
        help.contains("Exit codes:") && help.contains("never from the command line"),
        "{help}"
    );
    let known: BTreeSet<&str> = COMMANDS.iter().map(|words| words[0]).collect();
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| !line.is_empty());
    let listed: BTreeSet<&str> = listed
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let name = words.next()?;
            assert!(words.count() > 1, "{line} has no purpose");
            Some(name)
        })
        .collect();
    assert_eq!(listed, known);
}

#[test]
fn a_wrong_command_line_is_exit_code_2() {
    let folder = Folder::new();
    for wrong in [
        &["chek"][..],
        &["check"],
        &["explain", "p.toml"],
        &["key", "create"],
        &[],
    ] {
        let ran = folder.run(wrong).expect(2);
        assert!(ran.out.is_empty() && !ran.err.is_empty(), "{wrong:?}");
    }
}

#[test]
fn the_schema_is_one_and_completions_name_the_commands() {
    let folder = Folder::new();
    let schema = folder.run(&["schema"]).expect(0).json();
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    assert!(schema["properties"]["rule"]["items"]["properties"]["require"].is_object());
    for shell in ["bash", "zsh", "fish"] {
        let ran = folder.run(&["completions", shell]).expect(0);
        assert!(
            ran.out.contains("explain") && ran.out.contains("jwks"),
            "{shell}"
        );
    }
}
