//! The floors of core and of the conformance suite, as ARCHITECTURE.md draws them: a module uses what is beneath it, and
//! nothing else of its crate.
//!
//! ```text
//! 1 config reply
//! 0 ports secret
//! ```

use super::tree::{File, assert_none, file, files};
use std::collections::BTreeMap;

/// A crate that is built in floors.
struct House {
    /// The heading in ARCHITECTURE.md, above a block with a line for each floor.
    heading: &'static str,
    /// Where its modules are.
    sources: &'static str,
}

const CORE: House = House {
    heading: "### Floors of core",
    sources: "crates/palisade-core/src/",
};

const CONFORMANCE: House = House {
    heading: "### Floors of the conformance suite",
    sources: "crates/palisade-conformance/src/",
};

/// Modules by name, with the number of their floor.
type Floors = BTreeMap<String, usize>;

#[test]
fn core_is_built_in_floors() {
    CORE.stands();
}

#[test]
fn the_conformance_suite_is_built_in_floors() {
    CONFORMANCE.stands();
}

#[test]
fn a_use_of_a_higher_floor_is_found() {
    for house in [CORE, CONFORMANCE] {
        let floors = house.floors(&format!(
            "### Floors of another\n```text\n0 head\n```\n{}\n```text\n1 engine\n0 ports head\n```\n",
            house.heading
        ));
        let source = |name: &str, text: &str| File {
            path: format!("{}{name}", house.sources),
            text: text.to_owned(),
        };
        let of = |name: &str, text: &str| house.broken(&floors, &[source(name, text)]);
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
        assert_eq!(
            house.vacant(
                &floors,
                &[source("ports.rs", ""), source("engine/open.rs", "")]
            ),
            ["head is on floor 0, and there is no such module"]
        );
    }
}

impl House {
    /// Fails with every use of a module that is not beneath.
    fn stands(&self) {
        let floors = self.floors(&file("ARCHITECTURE.md").text);
        let mut sources = files();
        sources.retain(|file| self.holds(file));
        let mut wrong = self.broken(&floors, &sources);
        wrong.extend(self.vacant(&floors, &sources));
        assert_none(wrong, &format!("ARCHITECTURE.md, \"{}\"", self.heading));
    }

    fn holds(&self, file: &File) -> bool {
        let name = file.name_in(self.sources);
        file.path.starts_with(self.sources)
            && name.ends_with(".rs")
            && name != "lib.rs"
            && name != "main.rs"
            && !file.is_of_tests()
    }

    fn floors(&self, architecture: &str) -> Floors {
        let after = architecture
            .split_once(&format!("{}\n", self.heading))
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

    fn broken(&self, floors: &Floors, sources: &[File]) -> Vec<String> {
        let mut broken = Vec::new();
        for source in sources {
            let name = source.name_in(self.sources);
            let module = self.module(source);
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

    /// The modules of the table that the crate does not have.
    fn vacant(&self, floors: &Floors, sources: &[File]) -> Vec<String> {
        let exists = |module: &str| sources.iter().any(|source| self.module(source) == module);
        let vacant = floors.iter().filter(|(module, _)| !exists(module));
        vacant
            .map(|(module, floor)| {
                format!("{module} is on floor {floor}, and there is no such module")
            })
            .collect()
    }

    /// The module at the root of the crate that `source` belongs to.
    fn module<'f>(&self, source: &'f File) -> &'f str {
        let name = source.name_in(self.sources);
        name.split(['/', '.']).next().unwrap_or_default()
    }
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
