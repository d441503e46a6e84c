//! Reads the tree of case files, and refuses what would silently prove nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use crate::case::{CaseText, Except, FRAMEWORKS, FileText, Guard, Row, RowTable};
use crate::harness::App;
use crate::request;
use crate::text;
use crate::token::Token;

/// All case files, read and checked.
#[derive(Debug)]
pub struct Suite {
    pub(crate) files: Vec<File>,
}

/// A mistake in a case file or a policy beside it.
#[derive(Debug, PartialEq, Eq)]
pub struct Mistake {
    file: String,
    line: usize,
    message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

/// One file: the cases that share a server.
#[derive(Debug)]
pub(crate) struct File {
    /// Relative to the root, without the ending.
    pub(crate) name: String,
    pub(crate) about: String,
    pub(crate) app: App,
    /// The policy's text with the file's additions; macros are not yet expanded.
    pub(crate) policy: String,
    pub(crate) defaults: Defaults,
    pub(crate) http2: bool,
    pub(crate) tokens: BTreeMap<String, Token>,
    pub(crate) cases: Vec<Case>,
}

/// One case as it runs: its `each` has been written out.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) guards: Vec<Guard>,
    pub(crate) parser: Vec<String>,
    pub(crate) except: BTreeMap<String, Except>,
    pub(crate) fresh: bool,
    pub(crate) policy_add: String,
    pub(crate) each: Option<String>,
    /// One at least.
    pub(crate) steps: Vec<CaseText>,
}

/// The `[defaults]` of a policy in the case tree: what cases need not repeat.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Defaults {
    /// The `Host` that is added to requests.
    pub(crate) host: String,
    /// What every token starts from.
    pub(crate) token: Token,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            host: "localhost".to_owned(),
            token: Token::default(),
        }
    }
}

impl Suite {
    /// Reads every `*.toml` under `root`; policies lie in `root/policies`.
    ///
    /// # Errors
    /// The mistakes of all files, each with file and line.
    pub fn read(root: &Path) -> Result<Self, Vec<Mistake>> {
        let mut paths = Vec::new();
        find(root, &mut paths)
            .map_err(|error| vec![whole_file(root, &format!("cannot be read: {error}"))])?;
        let (mut files, mut mistakes) = (Vec::new(), Vec::new());
        for path in paths {
            let name = path.strip_prefix(root).unwrap_or(&path).with_extension("");
            if name.starts_with("policies") {
                continue;
            }
            match Reader::open(root, &path).and_then(|reader| reader.read(&name.to_string_lossy()))
            {
                Ok(file) => files.push(file),
                Err(found) => mistakes.extend(found),
            }
        }
        if mistakes.is_empty() {
            Ok(Self { files })
        } else {
            Err(mistakes)
        }
    }

    /// How many cases there are, with every value of `each` counted.
    pub fn len(&self) -> usize {
        self.files.iter().map(|file| file.cases.len()).sum()
    }

    /// Whether there are no cases.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn find(folder: &Path, paths: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut entries = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            find(&path, paths)?;
        } else if path.extension().is_some_and(|ending| ending == "toml") {
            paths.push(path);
        }
    }
    Ok(())
}

fn whole_file(path: &Path, message: &str) -> Mistake {
    Mistake {
        file: path.display().to_string(),
        line: 1,
        message: message.to_owned(),
    }
}

/// One file while it is read.
struct Reader<'a> {
    root: &'a Path,
    shown: String,
    source: String,
}

impl<'a> Reader<'a> {
    fn open(root: &'a Path, path: &Path) -> Result<Self, Vec<Mistake>> {
        let source = fs::read_to_string(path)
            .map_err(|error| vec![whole_file(path, &format!("cannot be read: {error}"))])?;
        Ok(Self {
            root,
            shown: path.display().to_string(),
            source,
        })
    }

    fn mistake(&self, span: &Range<usize>, message: impl Into<String>) -> Mistake {
        Mistake {
            file: self.shown.clone(),
            line: line(&self.source, span.start),
            message: message.into(),
        }
    }

    fn parse<T: for<'de> Deserialize<'de>>(&self) -> Result<T, Vec<Mistake>> {
        toml::from_str(&self.source)
            .map_err(|error| vec![self.mistake(&error.span().unwrap_or_default(), error.message())])
    }

    fn read(&self, name: &str) -> Result<File, Vec<Mistake>> {
        let text: FileText = self.parse()?;
        let (policy, defaults) = self.policy(&text.policy)?;
        let mut mistakes = Vec::new();
        self.check_names(text.except.keys(), &(0..0), "except", &mut mistakes);
        let mut cases = Vec::new();
        let mut names = BTreeSet::new();
        for case in &text.cases {
            self.check_case(case, &text.token, &mut mistakes);
            for case in self.write_out(case, &text) {
                if !names.insert(case.name.clone()) {
                    let message = format!("a case of this file is already called `{}`", case.name);
                    mistakes.push(Mistake {
                        file: self.shown.clone(),
                        line: case.line,
                        message,
                    });
                }
                cases.push(case);
            }
        }
        if cases.is_empty() {
            mistakes.push(self.mistake(&(0..0), "has no [[case]]"));
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let policy = join(&policy, &text.policy_add);
        let name = name.replace('\\', "/");
        Ok(File {
            name,
            about: text.about,
            app: text.app,
            policy,
            defaults,
            http2: text.http2,
            tokens: text.token,
            cases,
        })
    }

    /// The policy's text without its `[defaults]`, and these. Lines keep their numbers, so that the server's own
    /// messages about the policy point to the right ones.
    fn policy(&self, name: &str) -> Result<(String, Defaults), Vec<Mistake>> {
        #[derive(Deserialize)]
        struct Outline {
            #[serde(default)]
            defaults: Defaults,
        }
        let path = self.root.join("policies").join(name).with_extension("toml");
        let reader = Reader::open(self.root, &path)?;
        let Outline { defaults } = reader.parse()?;
        let mut skipping = false;
        let kept = reader.source.lines().map(|line| {
            if line.starts_with('[') {
                skipping = line.starts_with("[defaults]") || line.starts_with("[defaults.");
            }
            if skipping { "" } else { line }
        });
        Ok((kept.collect::<Vec<_>>().join("\n"), defaults))
    }

    /// One case for every value of `each`.
    fn write_out(&self, spanned: &Spanned<CaseText>, file: &FileText) -> Vec<Case> {
        let text = spanned.get_ref();
        let name = text.name.clone().unwrap_or_default();
        let build = |name: String, row: Option<&RowTable>| {
            let mut steps: Vec<_> = text
                .steps
                .iter()
                .map(|step| step.get_ref().clone())
                .collect();
            if steps.is_empty() {
                steps.push(with_row(text, row));
            }
            let mut except = file.except.clone();
            except.extend(text.except.clone());
            Case {
                name,
                line: line(&self.source, spanned.span().start),
                guards: file
                    .guards
                    .iter()
                    .chain(&text.guards)
                    .cloned()
                    .collect::<BTreeSet<_>>()
                    .into_iter()
                    .collect(),
                parser: text.parser.clone(),
                except,
                fresh: text.fresh,
                policy_add: text.policy_add.clone(),
                each: row.map(|row| row.value.clone()),
                steps,
            }
        };
        if text.each.is_empty() {
            return vec![build(name, None)];
        }
        text.each
            .iter()
            .map(|Row(row)| {
                build(
                    format!("{name} [{}]", row.name.as_ref().unwrap_or(&row.value)),
                    Some(row),
                )
            })
            .collect()
    }

    fn check_case(
        &self,
        case: &Spanned<CaseText>,
        tokens: &BTreeMap<String, Token>,
        mistakes: &mut Vec<Mistake>,
    ) {
        let (text, span) = (case.get_ref(), case.span());
        if text.name.is_none() {
            mistakes.push(self.mistake(&span, "a case needs a `name`"));
        }
        self.check_names(text.parser.iter(), &span, "parser", mistakes);
        self.check_names(text.except.keys(), &span, "except", mistakes);
        if text.steps.is_empty() {
            let all_parsers = FRAMEWORKS
                .iter()
                .all(|name| text.parser.iter().any(|parser| parser == name));
            let rows_say =
                !text.each.is_empty() && text.each.iter().all(|Row(row)| row.status.is_some());
            self.check_exchange(text, &span, all_parsers || rows_say, tokens, mistakes);
        } else if text.request.is_some() || text.status.is_some() {
            mistakes.push(self.mistake(&span, "a case has either a `request` or steps, not both"));
        }
        for step in &text.steps {
            let (text, span) = (step.get_ref(), step.span());
            let of_case = !text.guards.is_empty()
                || !text.parser.is_empty()
                || !text.except.is_empty()
                || !text.steps.is_empty();
            if of_case || text.fresh || !text.policy_add.is_empty() || !text.each.is_empty() {
                let keys = "`guards`, `parser`, `except`, `fresh`, `policy_add`, `each` and `step`";
                mistakes.push(self.mistake(
                    &span,
                    format!("a step cannot have {keys}: they belong to the case"),
                ));
            }
            self.check_exchange(text, &span, false, tokens, mistakes);
        }
    }

    fn check_exchange(
        &self,
        text: &CaseText,
        span: &Range<usize>,
        status_given: bool,
        tokens: &BTreeMap<String, Token>,
        mistakes: &mut Vec<Mistake>,
    ) {
        let mut wrong = |message: String| mistakes.push(self.mistake(span, message));
        let Some(head) = &text.request else {
            return wrong("`request` is missing".to_owned());
        };
        let each = text.each.iter().map(|Row(row)| row.value.as_str());
        for text in each.chain([head.as_str()]).chain(text.body_raw.as_deref()) {
            if !text
                .bytes()
                .all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\t'))
            {
                wrong("a request is written in printable ASCII; write other bytes as \\xNN in a '''literal''' string".to_owned());
            } else if let Err(message) = request::lines(text) {
                wrong(message);
            }
        }
        let bodies = [
            text.body.is_some(),
            text.body_raw.is_some(),
            text.body_repeat.is_some(),
            text.chunked.is_some(),
        ];
        if bodies.into_iter().filter(|given| *given).count() > 1 {
            wrong(
                "only one of `body`, `body_raw`, `body_repeat` and `chunked` can be given"
                    .to_owned(),
            );
        }
        if text.status.is_none() && !status_given && !text.hang_up {
            wrong("`status` is missing".to_owned());
        }
        if text.repeat == Some(0) {
            wrong("`repeat = 0` would send nothing".to_owned());
        }
        let texts = [Some(head), text.body.as_ref()]
            .into_iter()
            .flatten()
            .chain(text.chunked.iter().flatten())
            .chain(&text.body_lacks.0);
        for name in texts
            .flat_map(|text| text::token_names(text))
            .filter(|name| !tokens.contains_key(*name))
        {
            wrong(format!("there is no [token.{name}]"));
        }
    }

    fn check_names<'n>(
        &self,
        names: impl Iterator<Item = &'n String>,
        span: &Range<usize>,
        key: &str,
        mistakes: &mut Vec<Mistake>,
    ) {
        for name in names.filter(|name| !FRAMEWORKS.contains(&name.as_str())) {
            mistakes.push(self.mistake(
                span,
                format!(
                    "`{key}` names the framework `{name}`; there are {}",
                    FRAMEWORKS.join(", ")
                ),
            ));
        }
    }
}

/// The case's own exchange with what a row of `each` says instead.
fn with_row(text: &CaseText, row: Option<&RowTable>) -> CaseText {
    let mut step = text.clone();
    if let Some(row) = row.cloned() {
        step.status = row.status.or(step.status);
        step.code = row.code.or(step.code);
        step.handler = row.handler.or(step.handler);
        step.principal = row.principal.or(step.principal);
        step.body_is = row.body_is.or(step.body_is);
        step.audit = row.audit.or(step.audit);
    }
    step
}

/// A policy with tables added at its end.
pub(crate) fn join(policy: &str, added: &str) -> String {
    if added.is_empty() {
        policy.to_owned()
    } else {
        format!("{}\n{added}", policy.trim_end())
    }
}

/// The line, from 1, in which the byte `at` stands.
fn line(source: &str, at: usize) -> usize {
    source
        .bytes()
        .take(at)
        .filter(|byte| *byte == b'\n')
        .count()
        + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree with one policy and one case file.
    struct Tree(PathBuf);

    impl Tree {
        fn new(test: &str, cases: &str) -> Self {
            let root =
                std::env::temp_dir().join(format!("palisade-suite-{}-{test}", std::process::id()));
            fs::create_dir_all(root.join("policies")).unwrap();
            fs::create_dir_all(root.join("deep")).unwrap();
            let policy = "[defaults]\nhost = 'api.example'\n[defaults.token]\nkey = 'ed'\n[host]\nallowed = ['api.example']\n";
            fs::write(root.join("policies/standard.toml"), policy).unwrap();
            fs::write(root.join("deep/file.toml"), cases).unwrap();
            Self(root)
        }

        /// The mistakes, without the folder.
        fn mistakes(test: &str, cases: &str) -> Vec<String> {
            let tree = Self::new(test, cases);
            let shown = |mistake: &Mistake| {
                mistake
                    .to_string()
                    .replace(&format!("{}/", tree.0.display()), "")
            };
            Suite::read(&tree.0)
                .err()
                .unwrap_or_default()
                .iter()
                .map(shown)
                .collect()
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn reads_a_file_with_its_policy() {
        let tree = Tree::new(
            "sound",
            "about = 'x'\nguards = ['STANDARDS 1']\npolicy_add = '[cors]'\n[token.a]\nclaims.sub = 'alice'\n\n[[case]]\nname = 'one'\nguards = ['PITFALLS 19', 'STANDARDS 1']\nrequest = 'GET /{each} HTTP/1.1'\nstatus = 200\neach = ['a', { value = 'b', status = 404 }]\n",
        );
        let suite = Suite::read(&tree.0).unwrap();
        let file = &suite.files[0];
        assert_eq!(
            (file.name.as_str(), file.defaults.host.as_str()),
            ("deep/file", "api.example")
        );
        assert_eq!(
            file.policy, "\n\n\n\n[host]\nallowed = ['api.example']\n[cors]",
            "lines keep their numbers"
        );
        assert_eq!(file.defaults.token.key.as_deref(), Some("ed"));
        let names: Vec<_> = file
            .cases
            .iter()
            .map(|case| (case.name.as_str(), case.line, case.steps[0].status))
            .collect();
        assert_eq!(
            names,
            [("one [a]", 7, Some(200)), ("one [b]", 7, Some(404))]
        );
        assert_eq!(
            file.cases[0]
                .guards
                .iter()
                .map(Guard::to_string)
                .collect::<Vec<_>>(),
            ["PITFALLS 19", "STANDARDS 1"]
        );
    }

    #[test]
    fn unknown_keys_name_file_line_and_key() {
        let mistakes = Tree::mistakes(
            "unknown",
            "about = 'x'\n\n[[case]]\nname = 'one'\nstatsu = 200\n",
        );
        assert!(
            mistakes[0]
                .starts_with("deep/file.toml:5: unknown field `statsu`, expected one of `name`"),
            "{mistakes:?}"
        );
        let mistakes = Tree::mistakes(
            "unknown-row",
            "about = 'x'\n[[case]]\nname = 'one'\neach = [{ valeu = 'x' }]\n",
        );
        assert!(
            mistakes[0].starts_with("deep/file.toml:4: unknown field `valeu`"),
            "{mistakes:?}"
        );
        let mistakes = Tree::mistakes(
            "unknown-form",
            "about = 'x'\n[[case]]\nname = 'one'\n[case.headers]\nvary = { match = 'x' }\n",
        );
        assert!(
            mistakes[0].starts_with("deep/file.toml:5: unknown field `match`, expected `matches`"),
            "{mistakes:?}"
        );
    }

    #[test]
    fn values_that_cannot_be_are_named() {
        let cases = "about = 'x'\n[[case]]\nname = 'one'\nadvance = '3 weeks'\n";
        assert_eq!(
            Tree::mistakes("advance", cases),
            [
                "deep/file.toml:4: `3 weeks` is no duration; write `30s`, `500ms`, `2m`, `1h` or `1d`"
            ]
        );
        let cases = "about = 'x'\nguards = ['PITFALL 3']\n";
        assert_eq!(
            Tree::mistakes("guard", cases),
            [
                "deep/file.toml:2: `PITFALL 3` is no guard; write `PITFALLS 19`, `STANDARDS 1` or `INVARIANT 4`"
            ]
        );
    }

    #[test]
    fn contradictions_are_reported_all_at_once() {
        let cases = "about = 'x'\n[[case]]\nrequest = 'GET {token:bob} \\q'\nparser = ['warp']\n\n[[case]]\nname = 'two'\nrequest = \"GET /\u{e9}\"\nbody = 'a'\nchunked = ['b']\nstatus = 200\n\n[[case]]\nname = 'two'\n[[case.step]]\nfresh = true\nrequest = 'GET /'\nstatus = 200\n";
        assert_eq!(
            Tree::mistakes("all", cases),
            [
                "deep/file.toml:2: a case needs a `name`",
                "deep/file.toml:2: `parser` names the framework `warp`; there are axum, actix, poem",
                "deep/file.toml:2: a backslash is not followed by x, r, n, t, 0 or a backslash",
                "deep/file.toml:2: `status` is missing",
                "deep/file.toml:2: there is no [token.bob]",
                "deep/file.toml:6: a request is written in printable ASCII; write other bytes as \\xNN in a '''literal''' string",
                "deep/file.toml:6: only one of `body`, `body_raw`, `body_repeat` and `chunked` can be given",
                "deep/file.toml:15: a step cannot have `guards`, `parser`, `except`, `fresh`, `policy_add`, `each` and `step`: they belong to the case",
                "deep/file.toml:13: a case of this file is already called `two`",
            ]
        );
    }

    #[test]
    fn a_missing_policy_is_named() {
        let mistakes = Tree::mistakes("policy", "about = 'x'\npolicy = 'other'\n");
        assert!(
            mistakes[0].starts_with("policies/other.toml:1: cannot be read"),
            "{mistakes:?}"
        );
    }
}
