//! Finds what a case file says in the right form but to no effect, before anything runs.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;

use crate::case::{CaseText, FileText, Row, RowTable};
use crate::model::{Expectation, FRAMEWORKS, IssuerText, Step, Token};
use crate::reasons;
use crate::request;
use crate::text;

/// The mistakes of `file`, each with the place of its table.
pub(crate) fn lint(file: &FileText) -> Vec<(Range<usize>, String)> {
    let mut lint = Lint {
        tokens: &file.token,
        found: Vec::new(),
        at: 0..0,
    };
    lint.frameworks("except", file.except.keys());
    for case in &file.cases {
        lint.case(case);
    }
    lint.found
}

struct Lint<'a> {
    tokens: &'a BTreeMap<String, Token>,
    found: Vec<(Range<usize>, String)>,
    /// The table that is being read.
    at: Range<usize>,
}

impl Lint<'_> {
    fn add(&mut self, message: impl Into<String>) {
        self.found.push((self.at.clone(), message.into()));
    }

    fn case(&mut self, case: &Spanned<CaseText>) {
        self.at = case.span();
        let case = case.get_ref();
        if case.name.is_none() {
            self.add("a case needs a `name`");
        }
        self.frameworks("parser", case.parser.iter());
        self.frameworks("except", case.except.keys());
        if case.steps.is_empty() {
            let parsers = FRAMEWORKS
                .iter()
                .all(|name| case.parser.iter().any(|it| it == name));
            let rows =
                !case.each.is_empty() && case.each.iter().all(|Row(row)| row.status.is_some());
            self.exchange(case, &case.each, parsers || rows);
        } else if case.has_exchange() {
            self.add("a case has either a `request` or steps, not both");
        }
        self.ascii(case.each.iter().map(|Row(row)| row.value.as_str()));
        for step in &case.steps {
            self.at = step.span();
            self.step(step.get_ref(), &case.each);
        }
    }

    fn step(&mut self, step: &CaseText, rows: &[Row]) {
        let of_a_case = [
            ("guards", !step.guards.is_empty()),
            ("parser", !step.parser.is_empty()),
            ("except", !step.except.is_empty()),
            ("fresh", step.fresh),
            ("policy_add", !step.policy_add.is_empty()),
            ("each", !step.each.is_empty()),
            ("step", !step.steps.is_empty()),
        ];
        for (key, _) in of_a_case.into_iter().filter(|(_, given)| *given) {
            self.add(format!(
                "a step cannot have `{key}`: it belongs to the case"
            ));
        }
        self.exchange(step, rows, false);
    }

    fn exchange(&mut self, text: &CaseText, rows: &[Row], status_is_given: bool) {
        let (Step { send, expect }, found) = text.step();
        let is_told = !found.is_empty();
        for mistake in found {
            self.add(mistake);
        }
        let Some(request) = &send.request else {
            if !is_told {
                self.add("`request` is missing");
            }
            return;
        };
        self.ascii(
            [request.as_str()]
                .into_iter()
                .chain(send.body_raw.as_deref()),
        );
        let bodies = [
            send.body.is_some(),
            send.body_raw.is_some(),
            send.body_repeat.is_some(),
            send.chunked.is_some(),
        ];
        if bodies.into_iter().filter(|given| *given).count() > 1 {
            self.add("only one of `body`, `body_raw`, `body_repeat` and `chunked` can be given");
        }
        if expect.status.is_none() && !status_is_given && !send.hang_up {
            self.add("`status` is missing");
        }
        if send.repeat == Some(0) {
            self.add("`repeat = 0` would send nothing");
        }
        if send.eventually && send.repeat.is_some() {
            self.add("`eventually` repeats the request already: leave `repeat` out");
        }
        for issuer in &send.issuer.0 {
            self.issuer(issuer, rows);
        }
        if rows.is_empty() {
            self.reason(&expect, &RowTable::default());
        }
        for Row(row) in rows {
            self.reason(&expect, row);
        }
        let texts = [request]
            .into_iter()
            .chain(&send.body)
            .chain(send.chunked.iter().flatten());
        let texts = texts
            .chain(&expect.body_lacks.0)
            .chain(&expect.body_contains.0);
        for text in texts {
            for text in written_out(text, rows) {
                for name in text::token_names(&text) {
                    if !self.tokens.contains_key(name) {
                        self.add(format!("there is no [token.{name}]"));
                    }
                }
            }
        }
    }

    /// The page for operators says with which codes a reason comes.
    fn reason(&mut self, expect: &Expectation, row: &RowTable) {
        let audits = [row.audit.as_ref(), expect.audit.as_ref()];
        let said = |key| {
            audits
                .iter()
                .flatten()
                .find_map(|audit| audit.get(key)?.as_str())
        };
        let code = row.code.as_deref().or(expect.code.as_deref());
        let (Some(reason), Some(code)) = (said("reason"), said("code").or(code)) else {
            return;
        };
        if let Some(codes) = reasons::codes(reason)
            && !codes.contains(&code)
        {
            let codes = codes.join(", ");
            self.add(format!(
                "`{reason}` comes with {codes} in docs/audit.md, not with `{code}`"
            ));
        }
    }

    fn issuer(&mut self, issuer: &IssuerText, rows: &[Row]) {
        let values = rows.iter().map(|Row(row)| Some(row.value.as_str()));
        // Without rows, the text as it is.
        for each in values.chain(rows.is_empty().then_some(None)) {
            for mistake in issuer.with_each(each).mistakes() {
                self.add(mistake);
            }
        }
        for name in issuer
            .tokens()
            .filter(|name| !self.tokens.contains_key(*name))
        {
            self.add(format!("there is no [token.{name}]"));
        }
    }

    fn ascii<'t>(&mut self, texts: impl Iterator<Item = &'t str>) {
        for text in texts {
            if !text
                .bytes()
                .all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\t'))
            {
                self.add(
                    "a request is written in printable ASCII; \
                     write other bytes as \\xNN in a '''literal''' string",
                );
            } else if let Err(message) = request::lines(text) {
                self.add(message);
            }
        }
    }

    fn frameworks<'n>(&mut self, key: &str, names: impl Iterator<Item = &'n String>) {
        for name in names.filter(|name| !FRAMEWORKS.contains(&name.as_str())) {
            let known = FRAMEWORKS.join(", ");
            self.add(format!(
                "`{key}` names the framework `{name}`; there are {known}"
            ));
        }
    }
}

/// The text for every value of `each`; as it is where it does not ask for one.
fn written_out<'t>(text: &'t str, rows: &[Row]) -> Vec<Cow<'t, str>> {
    if rows.is_empty() || !text.contains("{each}") {
        return vec![text.into()];
    }
    let values = rows.iter().map(|Row(row)| row.value.as_str());
    values
        .map(|value| text.replace("{each}", value).into())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(cases: &str) -> Vec<String> {
        let file = format!("about = 'x'\n{cases}");
        let found = lint(&toml::from_str(&file).unwrap());
        let line =
            |at: &Range<usize>| file.bytes().take(at.start).filter(|b| *b == b'\n').count() + 1;
        found
            .iter()
            .map(|(at, message)| format!("{}: {message}", line(at)))
            .collect()
    }

    #[test]
    fn contradictions_are_reported_all_at_once() {
        let cases = "
[[case]]
request = 'GET {token:bob} \\q'
parser = ['warp']
[[case]]
name = 'two'
request = \"GET /\u{e9}\"
body = 'a'
send.chunked = ['b']
status = 200
";
        assert_eq!(
            mistakes(cases),
            [
                "3: a case needs a `name`",
                "3: `parser` names the framework `warp`; there are axum, actix, poem",
                "3: a backslash is not followed by x, r, n, t, 0 or a backslash",
                "3: `status` is missing",
                "3: there is no [token.bob]",
                "6: a request is written in printable ASCII; write other bytes as \\xNN in a '''literal''' string",
                "6: only one of `body`, `body_raw`, `body_repeat` and `chunked` can be given",
            ]
        );
    }

    #[test]
    fn tokens_may_be_named_by_each() {
        let cases = "
[token.ann]
[[case]]
name = 'x'
each = ['ann', 'bob']
request = 'GET /{token:{each}}'
status = 200
";
        assert_eq!(mistakes(cases), ["4: there is no [token.bob]"]);
    }

    #[test]
    fn a_step_has_the_keys_of_an_exchange_only() {
        let cases = "
[[case]]
name = 'steps'
status = 200
[[case.step]]
fresh = true
each = ['a']
request = 'GET /'
status = 200
";
        assert_eq!(
            mistakes(cases),
            [
                "3: a case has either a `request` or steps, not both",
                "6: a step cannot have `fresh`: it belongs to the case",
                "6: a step cannot have `each`: it belongs to the case",
            ]
        );
    }

    #[test]
    fn a_reason_comes_with_a_code_of_its_row() {
        let case = |rest: &str| {
            let head = "[[case]]\nname = 'x'\nrequest = 'GET /'\nstatus = 401\n";
            mistakes(&format!("{head}{rest}"))
        };
        for good in [
            "code = 'invalid_token'\naudit = { reason = 'expired' }",
            "code = 'invalid_token'\naudit = { reason = 'of_an_application' }",
            "audit = { reason = 'expired' }",
        ] {
            assert_eq!(case(good), [""; 0], "{good}");
        }
        for wrong in [
            "code = 'forbidden'\naudit = { reason = 'expired' }",
            "audit = { reason = 'expired', code = 'forbidden' }",
            "code = 'forbidden'\neach = [{ value = 'a', audit = { reason = 'expired' } }]",
        ] {
            let expected =
                "2: `expired` comes with invalid_token in docs/audit.md, not with `forbidden`";
            assert_eq!(case(wrong), [expected], "{wrong}");
        }
    }

    #[test]
    fn the_status_may_come_from_elsewhere() {
        for rest in [
            "status = 200",
            "send.hang_up = true",
            "expect.status = 200",
            "parser = ['axum', 'actix', 'poem']",
            "each = [{ value = 'a', status = 200 }]",
        ] {
            let case = format!("[[case]]\nname = 'x'\nrequest = 'GET /'\n{rest}");
            assert_eq!(mistakes(&case), [""; 0], "{rest}");
        }
    }

    #[test]
    fn a_key_stands_in_one_place() {
        let cases = "
[[case]]
name = 'twice'
request = 'GET /'
status = 200
send = { request = 'GET /', path = '/' }
expect = { status = 200 }
[[case]]
name = 'no path'
send = { method = 'PUT' }
expect = { status = 200 }
";
        assert_eq!(
            mistakes(cases),
            [
                "3: `request` is given twice: as `request` and as `send.request`",
                "3: `status` is given twice: as `status` and as `expect.status`",
                "3: a request is written either as `request` or with `method`, `path` and `headers`",
                "9: `send.path` is missing",
            ]
        );
    }
}
