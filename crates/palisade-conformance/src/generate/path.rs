//! Random requests: paths from a grammar of tricks over the literals of a table.

use super::policy::{Caller, Policy};
use super::random::Random;
use super::table::{LITERALS, Placed, Table};
use super::template::{Dialect, Segment, Spelling, Template, canonical, encoded};

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) caller: Caller,
    /// Whether the header is there that guards of actix-web want.
    pub(super) guard: bool,
    /// The route that a plain request is meant for.
    pub(super) meant: Option<usize>,
}

/// The host that all requests name.
pub(super) const HOST: &str = "api.example.com";

/// Values that no literal has.
const FRESH: [&str; 4] = ["x9", "q-1", "long_value", "k~"];

/// Values on which routers and rules may differ.
const ODD: [&str; 12] = [
    "", "7", "a.b", "a%2Fb", "%40me", "%40", "a%2Bb", "a%2bb", "100%25", "v", "v1", "v%C3%BC",
];

impl Sent {
    /// A plain request for a route: canonical, with values that no literal has.
    pub(super) fn plain(random: &mut Random, placed: &Placed<'_>) -> Self {
        let segments: Vec<String> = placed
            .template
            .0
            .iter()
            .map(|segment| match segment {
                Segment::Literal(text, Spelling::Plain) => canonical(text),
                Segment::Literal(text, spelling) => encoded(text, *spelling),
                Segment::Digits => (1000 + random.below(1000)).to_string(),
                Segment::Letters => "qqq".to_owned(),
                Segment::Prefixed => format!("v{}", 10 + random.below(90)),
                Segment::Parameter => random.pick(&FRESH).to_owned(),
                Segment::Wildcard if random.chance(50) => "x9/y8".to_owned(),
                Segment::Wildcard => random.pick(&FRESH).to_owned(),
            })
            .collect();
        Self {
            method: match placed.route.methods.is_empty() {
                true => "GET".to_owned(),
                false => random.pick(&placed.route.methods).to_owned(),
            },
            target: format!("/{}", segments.join("/")),
            caller: random.pick(&Caller::ALL),
            guard: true,
            meant: Some(placed.route.id),
        }
    }

    /// A request that tries something.
    pub(super) fn tricky(random: &mut Random, table: &Table, policy: &Policy) -> Self {
        let routes = table.placed(Dialect::Actix);
        let mounts = table.mounts();
        let (template, methods) = match random.below(20) {
            0..=3 if !policy.rules.is_empty() => {
                let rule = random.pick(&policy.rules);
                (rule.template, rule.methods)
            }
            4 if !mounts.is_empty() => (random.pick(&mounts), Vec::new()),
            _ if !routes.is_empty() => {
                let placed = random.pick(&routes);
                (placed.template, placed.route.methods.clone())
            }
            _ => (Template::default(), Vec::new()),
        };
        let mut segments: Vec<String> = template
            .0
            .iter()
            .map(|segment| value(random, segment))
            .collect();
        for _ in 0..random.pick(&[0, 1, 1, 1, 2, 2, 3]) {
            trick(random, &mut segments);
        }
        let mut target = format!("/{}", segments.join("/"));
        if random.chance(8) {
            target.push_str(random.pick(&["?a=1", "?a=/b", "?"]));
        }
        if random.chance(3) {
            target = format!("http://{HOST}{target}");
        }
        let method = match random.below(20) {
            0 => "HEAD",
            1 => "OPTIONS",
            2 => "DELETE",
            3 => "POST",
            4 => "PATCH",
            _ if !methods.is_empty() => random.pick(&methods),
            _ => random.pick(&["GET", "GET", "POST"]),
        };
        Self {
            method: method.to_owned(),
            target,
            caller: random.pick(&[
                Caller::Anonymous,
                Caller::User,
                Caller::Writer,
                Caller::Admin,
                Caller::Admin,
            ]),
            guard: random.chance(50),
            meant: None,
        }
    }

    /// The path, without scheme, authority and query.
    pub(super) fn path(&self) -> &str {
        let rest = match self.target.split_once("://") {
            Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
            None => &self.target,
        };
        rest.split('?').next().unwrap_or(rest)
    }
}

fn value(random: &mut Random, segment: &Segment) -> String {
    match segment {
        Segment::Literal(text, _) => match random.below(12) {
            0 => text.clone(),
            1..=3 => encoded(text, Spelling::Upper),
            4 | 5 => encoded(text, Spelling::Lower),
            _ => canonical(text),
        },
        Segment::Digits if random.chance(70) => random.below(20).to_string(),
        Segment::Prefixed if random.chance(60) => {
            format!("v{}", random.pick(&["1", "", "x9", "%40"]))
        }
        Segment::Wildcard if random.chance(30) => {
            let (one, two) = (random.pick(&LITERALS), random.pick(&FRESH));
            format!("{}/{two}", canonical(one))
        }
        _ => match random.below(10) {
            0..=3 => random.pick(&FRESH).to_owned(),
            4 | 5 => random.pick(&ODD).to_owned(),
            _ => canonical(random.pick(&LITERALS)),
        },
    }
}

/// Changes a path in one way.
fn trick(random: &mut Random, segments: &mut Vec<String>) {
    let place = random.below(segments.len());
    let spot = random.below(segments.len() + 1);
    match random.below(20) {
        0..=3 => match segments.last() {
            Some(last) if last.is_empty() => {
                segments.pop();
            }
            _ => segments.push(String::new()),
        },
        4 if random.chance(40) => segments.insert(spot, String::new()),
        5 if random.chance(30) => {
            segments.insert(spot, random.pick(&[".", "..", "%2e%2e", "..;"]).to_owned())
        }
        6 => segments.push(canonical(random.pick(&LITERALS))),
        7 => {
            segments.pop();
        }
        8 if segments.len() > 1 => {
            let tail = segments.pop().unwrap_or_default();
            if let Some(last) = segments.last_mut() {
                last.push_str(random.pick(&["%2F", "%2f", "%252F", "%5C"]));
                last.push_str(&tail);
            }
        }
        9 => random.shuffle(segments),
        choice => {
            if let Some(segment) = segments.get_mut(place) {
                *segment = changed(random, segment, choice);
            }
        }
    }
}

/// Changes a segment in one way.
fn changed(random: &mut Random, segment: &str, choice: usize) -> String {
    match choice {
        10..=12 => encode_one(random, segment),
        13 => canonical(random.pick(&LITERALS)),
        14 => random.pick(&ODD).to_owned(),
        15 => format!(
            "{segment}{}",
            random.pick(&[";x=1", "%3Bx", "%00", "%20", "%20", ".", "@", "+"])
        ),
        16 => segment.chars().map(swap_case).collect(),
        17 => segment.replace('%', "%25"),
        18 => percent_encoding::percent_decode_str(segment)
            .decode_utf8_lossy()
            .into_owned(),
        _ => String::new(),
    }
}

fn swap_case(character: char) -> char {
    match character.is_ascii_lowercase() {
        true => character.to_ascii_uppercase(),
        false => character.to_ascii_lowercase(),
    }
}

/// Encodes one character, in small or large hex digits; mostly one that the firewall lets pass encoded.
fn encode_one(random: &mut Random, segment: &str) -> String {
    let odd = |c: &(usize, char)| !c.1.is_ascii_alphanumeric() && c.1 != '%';
    let characters: Vec<(usize, char)> = segment.char_indices().collect();
    let reserved: Vec<(usize, char)> = characters.iter().copied().filter(odd).collect();
    // Whatever else is encoded, the firewall refuses.
    let choices = match random.chance(15) {
        true => characters,
        false => reserved,
    };
    if choices.is_empty() {
        return random
            .pick(&["%40me", "a%2Bb", "a%2bb", "a%3Ab", "%c3%bc", "x%20y"])
            .to_owned();
    }
    let (at, character) = random.pick(&choices);
    let mut bytes = [0; 4];
    let hex: String = character
        .encode_utf8(&mut bytes)
        .bytes()
        .map(|byte| match random.chance(50) {
            true => format!("%{byte:02X}"),
            false => format!("%{byte:02x}"),
        })
        .collect();
    let (before, after) = segment.split_at_checked(at).unwrap_or((segment, ""));
    let after = after.strip_prefix(character).unwrap_or(after);
    format!("{before}{hex}{after}")
}
