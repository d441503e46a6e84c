//! The floors of core, as ARCHITECTURE.md draws them: a module uses what is beneath it, and nothing else of core.
//!
//! ```text
//! 1 config reply
//! 0 ports secret
//! ```

use super::tree::{File, assert_none, file, files};
use std::collections::BTreeMap;

const SOURCES: &str = "crates/palisade-core/src/";

/// The heading in ARCHITECTURE.md, above a block with a line for each floor.
const HEADING: &str = "### Floors of core";

/// Modules by name, with the number of their floor.
type Floors = BTreeMap<String, usize>;

#[test]
fn core_is_built_in_floors() {
    let floors = floors(&file("ARCHITECTURE.md").text);
    let sources: Vec<File> = files().into_iter().filter(is_source).collect();
    assert_none(
        broken(&floors, &sources),
        "the floors of core in ARCHITECTURE.md",
    );
}

#[test]
fn a_use_of_a_higher_floor_is_found() {
    let floors = floors(&format!(
        "{HEADING}\n```text\n1 engine\n0 ports head\n```\n"
    ));
    let source = |name: &str, text: &str| File {
        path: format!("{SOURCES}{name}"),
        text: text.to_owned(),
    };
    let of = |name: &str, text: &str| broken(&floors, &[source(name, text)]);
    assert_eq!(
        of(
            "engine/open.rs",
            "use crate::{head, ports::{Clock, engine}};"
        ),
        [""; 0]
    );
    assert_eq!(of("engine.rs", "use crate::engine::open;"), [""; 0]);
    assert_eq!(of("ports.rs", "// crate::engine"), [""; 0]);
    assert_eq!(
        of("ports.rs", "fn a(_: crate::engine::Open) {}"),
        ["ports.rs uses engine, which is not beneath it"]
    );
    let several = of(
        "head.rs",
        "use crate::{\n    engine::{Open, Close},\n    ports::Clock,\n};",
    );
    assert_eq!(
        several,
        [
            "head.rs uses engine, which is not beneath it",
            "head.rs uses ports, which is not beneath it"
        ]
    );
    assert_eq!(
        of("head.rs", "use crate::Policy;"),
        ["head.rs uses Policy by its name at the root; name its module"]
    );
    assert_eq!(of("cors.rs", ""), ["cors.rs is on no floor"]);
}

fn is_source(file: &File) -> bool {
    let name = file.name_in(SOURCES);
    file.path.starts_with(SOURCES)
        && name.ends_with(".rs")
        && name != "lib.rs"
        && !file.is_of_tests()
}

fn floors(architecture: &str) -> Floors {
    let after = architecture
        .split_once(HEADING)
        .map_or("", |(_, rest)| rest);
    let block = after.split("```").nth(1).unwrap_or_default();
    let floor = |line: &str| {
        let (number, modules) = line.trim().split_once(' ')?;
        let number: usize = number.parse().ok()?;
        let modules = modules.split_whitespace();
        Some(
            modules
                .map(|module| (module.to_owned(), number))
                .collect::<Vec<_>>(),
        )
    };
    block.lines().filter_map(floor).flatten().collect()
}

fn broken(floors: &Floors, sources: &[File]) -> Vec<String> {
    let mut broken = Vec::new();
    for source in sources {
        let name = source.name_in(SOURCES);
        let module = name.split(['/', '.']).next().unwrap_or_default();
        let Some(own) = floors.get(module) else {
            broken.push(format!("{name} is on no floor"));
            continue;
        };
        for used in used(source) {
            match floors.get(&used) {
                _ if used == module => {}
                Some(floor) if floor < own => {}
                Some(_) => broken.push(format!("{name} uses {used}, which is not beneath it")),
                None if used.starts_with(char::is_uppercase) => {
                    broken.push(format!(
                        "{name} uses {used} by its name at the root; name its module"
                    ));
                }
                // A macro, or a function at the root.
                None => broken.push(format!("{name} uses {used}, which is on no floor")),
            }
        }
    }
    broken.sort();
    broken.dedup();
    broken
}

/// The names right behind `crate::`, one by one or in braces.
fn used(source: &File) -> Vec<String> {
    let code: String = source.code().map(|(_, line)| format!("{line}\n")).collect();
    let mut used = Vec::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            None => used.push(word(rest)),
            Some(group) => used.extend(members(group)),
        }
    }
    used
}

/// The first word of each entry of a group, up to the brace that closes it.
fn members(group: &str) -> Vec<String> {
    let (mut depth, mut members, mut start) = (0_usize, Vec::new(), 0);
    for (place, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' if depth > 0 => {}
            ',' | '}' => {
                members.push(word(group.get(start..place).unwrap_or_default()));
                start = place + 1;
                if character == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    members.retain(|member| !member.is_empty());
    members
}

fn word(text: &str) -> String {
    let text = text.trim_start();
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    text.chars()
        .take_while(|&character| is_part(character))
        .collect()
}
