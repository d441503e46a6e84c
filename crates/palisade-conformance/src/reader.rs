//! Reads one case file and the policy it names.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use crate::case::{CaseText, FileText, Row, RowTable};
use crate::fields::explained;
use crate::lint::lint;
use crate::model::{App, Case, Defaults, Expectation, File, Mistake, join};

/// One file while it is read.
pub(crate) struct Reader<'a> {
    root: &'a Path,
    /// The path, as mistakes show it.
    shown: String,
    source: String,
}

impl<'a> Reader<'a> {
    pub(crate) fn open(root: &'a Path, path: &Path) -> Result<Self, Vec<Mistake>> {
        let source = fs::read_to_string(path);
        let source = source.map_err(|error| vec![Mistake::unreadable(path, &error)])?;
        Ok(Self {
            root,
            shown: path.display().to_string(),
            source,
        })
    }

    /// The case file called `name`.
    pub(crate) fn read(&self, name: String) -> Result<File, Vec<Mistake>> {
        let text: FileText = self.parse()?;
        let (policy, defaults) = self.policy(&text.policy)?;
        let found = lint(&text).into_iter();
        let mut mistakes: Vec<_> = found
            .map(|(at, message)| self.mistake(at.start, message))
            .collect();
        let cases: Vec<_> = text
            .cases
            .iter()
            .flat_map(|case| self.write_out(case, &text))
            .collect();
        let mut names = BTreeSet::new();
        for case in cases.iter().filter(|case| !names.insert(&case.name)) {
            let message = format!("a case of this file is already called `{}`", case.name);
            mistakes.push(Mistake {
                file: self.shown.clone(),
                line: case.line,
                message,
            });
        }
        if cases.is_empty() {
            mistakes.push(self.mistake(0, "has no [[case]]".to_owned()));
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        Ok(File {
            name,
            about: text.about,
            app: text.app,
            policy: join(&of_app(text.app, policy), &text.policy_add),
            defaults,
            http2: text.http2,
            tokens: text.token,
            cases,
        })
    }

    fn parse<T: for<'de> Deserialize<'de>>(&self) -> Result<T, Vec<Mistake>> {
        toml::from_str(&self.source).map_err(|error| {
            let at = error.span().unwrap_or_default().start;
            vec![self.mistake(at, explained(error.message()))]
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
        let path = self.root.join("policies").join(format!("{name}.toml"));
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
        let line = self.line(spanned.span().start);
        let guards = file
            .guards
            .iter()
            .chain(&text.guards)
            .cloned()
            .collect::<BTreeSet<_>>();
        let mut except = file.except.clone();
        except.extend(text.except.clone());
        let build = |name: String, row: Option<&RowTable>| Case {
            name,
            line,
            guards: guards.iter().cloned().collect(),
            parser: text.parser.clone(),
            except: except.clone(),
            fresh: text.fresh,
            policy_add: text.policy_add.clone(),
            each: row.map(|row| row.value.clone()),
            steps: if text.steps.is_empty() {
                let (mut step, _) = text.step();
                with_row(&mut step.expect, row);
                vec![step]
            } else {
                let steps = text.steps.iter();
                steps.map(|step| step.get_ref().step().0).collect()
            },
        };
        if text.each.is_empty() {
            return vec![build(name, None)];
        }
        let rows = text.each.iter().map(|Row(row)| row);
        rows.map(|row| {
            build(
                format!("{name} [{}]", row.name.as_ref().unwrap_or(&row.value)),
                Some(row),
            )
        })
        .collect()
    }

    fn mistake(&self, at: usize, message: String) -> Mistake {
        Mistake {
            file: self.shown.clone(),
            line: self.line(at),
            message,
        }
    }

    /// The line, from 1, in which the byte `at` stands.
    fn line(&self, at: usize) -> usize {
        self.source
            .bytes()
            .take(at)
            .filter(|byte| *byte == b'\n')
            .count()
            + 1
    }
}

/// What a row of `each` says instead.
fn with_row(expect: &mut Expectation, row: Option<&RowTable>) {
    if let Some(row) = row.cloned() {
        expect.status = row.status.or(expect.status);
        expect.code = row.code.or(expect.code.take());
        expect.handler = row.handler.or(expect.handler);
        expect.principal = row.principal.or(expect.principal.take());
        expect.body_is = row.body_is.or(expect.body_is.take());
        expect.audit = row.audit.or(expect.audit.take());
    }
}

/// The example application comes with its policy; a file of the case tree adds the keys to it.
fn of_app(app: App, policy: String) -> String {
    match app {
        App::Demo => join(palisade_example_demo::POLICY, &policy),
        _ => policy,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::model::Guard;
    use crate::suite::Suite;

    const POLICY: &str = "\
[defaults]
host = 'api.example'
[defaults.token]
key = 'ed'
[host]
allowed = ['api.example']
";

    /// A tree with one policy and one case file.
    struct Tree(PathBuf);

    impl Tree {
        fn new(test: &str, cases: &str) -> Self {
            let root = format!("palisade-reader-{}-{test}", std::process::id());
            let root = std::env::temp_dir().join(root);
            fs::create_dir_all(root.join("policies")).unwrap();
            fs::create_dir_all(root.join("deep")).unwrap();
            fs::write(root.join("policies/standard.toml"), POLICY).unwrap();
            fs::write(root.join("deep/file.toml"), cases).unwrap();
            Self(root)
        }

        /// The mistakes, without the folder.
        fn mistakes(test: &str, cases: &str) -> Vec<String> {
            let tree = Self::new(test, cases);
            let folder = format!("{}/", tree.0.display());
            let mistakes = Suite::read(&tree.0).err().unwrap_or_default();
            mistakes
                .iter()
                .map(|mistake| mistake.to_string().replace(&folder, ""))
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
            "\
about = 'x'
guards = ['STANDARDS 1']
policy_add = '[cors]'
[token.a]
claims.sub = 'alice'
[[case]]
name = 'one'
guards = ['PITFALLS 19', 'STANDARDS 1']
request = 'GET /{each} HTTP/1.1'
status = 200
each = ['a', { value = 'b', status = 404 }]
",
        );
        let suite = Suite::read(&tree.0).unwrap();
        let file = &suite.files[0];
        assert_eq!(file.name, "deep/file");
        assert_eq!(file.defaults.host, "api.example");
        assert_eq!(file.defaults.token.key.as_deref(), Some("ed"));
        assert_eq!(
            file.policy,
            "\n\n\n\n[host]\nallowed = ['api.example']\n[cors]"
        );
        let cases = file.cases.iter();
        let cases: Vec<_> = cases
            .map(|case| (case.name.as_str(), case.line, case.steps[0].expect.status))
            .collect();
        assert_eq!(
            cases,
            [("one [a]", 6, Some(200)), ("one [b]", 6, Some(404))]
        );
        let guards: Vec<_> = file.cases[0].guards.iter().map(Guard::to_string).collect();
        assert_eq!(guards, ["PITFALLS 19", "STANDARDS 1"]);
    }

    #[test]
    fn unknown_keys_name_file_line_and_key() {
        for (test, case, line, message) in [
            (
                "case",
                "statsu = 200",
                4,
                "there is no key `statsu`; did you mean `status`?",
            ),
            (
                "row",
                "each = [{ valeu = 'x' }]",
                4,
                "unknown field `valeu`",
            ),
            (
                "rare",
                "events = 2",
                4,
                "there is no key `events`; write `expect.events`",
            ),
            (
                "nested",
                "[case.send]\nrequest = 'GET /'\nevents = 2",
                6,
                "there is no key `send.events`; write `expect.events`",
            ),
            (
                "form",
                "[case.headers]\nvary = { match = 'x' }",
                5,
                "unknown field `match`, expected `matches`",
            ),
            (
                "step",
                "[[case.step]]\nreqest = 'x'",
                5,
                "there is no key `reqest`; did you mean `request`?",
            ),
            (
                "token",
                "[token.a]\nclaim = {}",
                5,
                "unknown field `claim`, expected one of `text`, `key`",
            ),
        ] {
            let mistakes = Tree::mistakes(
                test,
                &format!("about = 'x'\n[[case]]\nname = 'one'\n{case}\n"),
            );
            assert!(
                mistakes[0].starts_with(&format!("deep/file.toml:{line}: {message}")),
                "{mistakes:?}"
            );
        }
    }

    #[test]
    fn values_that_cannot_be_are_named() {
        for (test, text, mistake) in [
            (
                "advance",
                "[[case]]\nadvance = '3 weeks'",
                "3: `3 weeks` is no duration; write `30s`, `500ms`, `2m`, `1h` or `1d`",
            ),
            (
                "guard",
                "guards = ['PITFALL 3']",
                "2: `PITFALL 3` is no guard; write `PITFALLS 19`, `STANDARDS 1` or `INVARIANT 4`",
            ),
            ("empty", "", "1: has no [[case]]"),
        ] {
            let mistakes = Tree::mistakes(test, &format!("about = 'x'\n{text}\n"));
            assert_eq!(mistakes, [format!("deep/file.toml:{mistake}")]);
        }
    }

    #[test]
    fn names_are_unique() {
        let case = "[[case]]\nname = 'a'\nrequest = 'GET /'\nstatus = 200\n";
        let mistakes = Tree::mistakes("names", &format!("about = 'x'\n{case}{case}"));
        assert_eq!(
            mistakes,
            ["deep/file.toml:6: a case of this file is already called `a`"]
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
