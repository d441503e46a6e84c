//! The little language inside the texts of cases: `{macros}` and `\xNN` escapes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::prelude::{BASE64_STANDARD, Engine as _};

use crate::beside::Beside;

/// What macros stand for while one request is made.
pub(crate) struct Macros<'a> {
    /// `{host}`: the host the policy expects.
    pub(crate) host: &'a str,
    /// `{address}`: where the server listens.
    pub(crate) address: &'a str,
    /// `{now}`, `{now+60}`, `{now-60}`: Unix seconds on the manual clock.
    pub(crate) now: u64,
    /// `{each}`: the value of this instance of the case.
    pub(crate) each: Option<&'a str>,
    /// `{saved:NAME}`: what an earlier step kept.
    pub(crate) saved: &'a BTreeMap<String, String>,
    /// `{token:NAME}`.
    pub(crate) token: &'a dyn Fn(&str) -> Result<String, String>,
    /// `{issuer}`, `{stored:NAME}`.
    pub(crate) beside: &'a Beside,
}

impl<'a> Macros<'a> {
    /// What a token's own text may use: the time, and what stands beside the server.
    pub(crate) fn of_a_token(now: u64, beside: &'a Beside) -> Self {
        static NOTHING: BTreeMap<String, String> = BTreeMap::new();
        fn no_token(_: &str) -> Result<String, String> {
            Err("a token cannot contain a token".to_owned())
        }
        Self {
            host: "",
            address: "",
            now,
            each: None,
            saved: &NOTHING,
            token: &no_token,
            beside,
        }
    }

    /// Replaces every macro of `text`. Braces that enclose none stay, so that JSON can be written as it is.
    ///
    /// `{each}` goes first: its value may hold macros, or be a part of one, as in `{token:{each}}`.
    pub(crate) fn expand(&self, text: &str) -> Result<String, String> {
        let text = &self.each.map_or(Cow::Borrowed(text), |each| {
            Cow::Owned(text.replace("{each}", each))
        });
        let mut expanded = String::with_capacity(text.len());
        let mut rest = &**text;
        while let Some((before, after)) = rest.split_once('{') {
            expanded.push_str(before);
            let found = after
                .split_once('}')
                .map(|(body, after)| Ok::<_, String>((self.value(body)?, after)))
                .transpose()?;
            if let Some((Some(value), after)) = found {
                expanded.push_str(&value);
                rest = after;
            } else {
                expanded.push('{');
                rest = after;
            }
        }
        Ok(expanded + rest)
    }

    fn value(&self, body: &str) -> Result<Option<String>, String> {
        let (name, argument) = body.split_once(':').unwrap_or((body, ""));
        Ok(Some(match name {
            "host" if argument.is_empty() => self.host.to_owned(),
            "address" if argument.is_empty() => self.address.to_owned(),
            "stored" => self.beside.stored(argument)?,
            "issuer" if argument.is_empty() => self.beside.expand("{issuer}")?,
            "each" if argument.is_empty() => {
                return Err("`{each}` is used but the case has no `each`".to_owned());
            }
            "token" => (self.token)(argument)?,
            "saved" => self
                .saved
                .get(argument)
                .ok_or_else(|| format!("no earlier step saved `{argument}`"))?
                .clone(),
            "base64" => BASE64_STANDARD.encode(argument),
            "repeat" => {
                let times = argument
                    .rsplit_once(':')
                    .and_then(|(text, times)| Some((text, times.parse().ok()?)));
                let (text, times) =
                    times.ok_or_else(|| format!("`{{{body}}}` is not `{{repeat:TEXT:TIMES}}`"))?;
                text.repeat(times)
            }
            _ => match name.strip_prefix("now") {
                Some("") => self.now.to_string(),
                Some(offset) if offset.starts_with(['+', '-']) => {
                    let offset: i64 = offset
                        .parse()
                        .map_err(|_| format!("`{{{body}}}` is not `{{now+SECONDS}}`"))?;
                    self.now.saturating_add_signed(offset).to_string()
                }
                _ => return Ok(None),
            },
        }))
    }
}

/// The names used as `{token:NAME}` in `text`, so that a mistyped one is found before anything runs.
pub(crate) fn token_names(text: &str) -> impl Iterator<Item = &str> {
    text.split("{token:")
        .skip(1)
        .filter_map(|rest| rest.split_once('}'))
        .map(|(name, _)| name)
}

/// Turns `\xNN`, `\r`, `\n`, `\t`, `\0` and `\\` into bytes.
pub(crate) fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next() {
            Some(b'r') => b'\r',
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'0') => 0,
            Some(b'\\') => b'\\',
            Some(b'x') => {
                let digit = |byte: Option<u8>| {
                    byte.and_then(|byte| char::from(byte).to_digit(16))
                        .and_then(|digit| u8::try_from(digit).ok())
                };
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                high.zip(low)
                    .map(|(high, low)| high << 4 | low)
                    .ok_or("`\\x` is not followed by two hexadecimal digits")?
            }
            _ => {
                return Err(
                    "a backslash is not followed by x, r, n, t, 0 or a backslash".to_owned(),
                );
            }
        });
    }
    Ok(bytes)
}

/// Whether `text` has the form of `pattern`, in which `*` stands for any text and `#` for one or more digits.
/// A backslash takes the next character literally.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => text.is_empty(),
        Some('*') => text
            .char_indices()
            .map(|(at, _)| at)
            .chain([text.len()])
            .any(|at| {
                text.get(at..)
                    .is_some_and(|tail| matches(rest.as_str(), tail))
            }),
        Some('#') => {
            let digits = text.bytes().take_while(u8::is_ascii_digit).count();
            (1..=digits).any(|at| {
                text.get(at..)
                    .is_some_and(|tail| matches(rest.as_str(), tail))
            })
        }
        Some(char) => {
            let literal = if char == '\\' {
                rest.next().unwrap_or(char)
            } else {
                char
            };
            text.strip_prefix(literal)
                .is_some_and(|tail| matches(rest.as_str(), tail))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn expand(text: &str) -> Result<String, String> {
        let saved = BTreeMap::from([("id".to_owned(), "7".to_owned())]);
        let token = |name: &str| {
            if name == "alice" {
                Ok("a.b.c".to_owned())
            } else {
                Err(format!("there is no token `{name}`"))
            }
        };
        Macros {
            host: "api.example",
            address: "127.0.0.1:9",
            now: 1000,
            each: Some("/x"),
            saved: &saved,
            token: &token,
            beside: &Beside::default(),
        }
        .expand(text)
    }

    #[test]
    fn macros_are_replaced_and_json_is_left_alone() {
        for (text, expanded) in [
            ("Bearer {token:alice}", "Bearer a.b.c"),
            (
                "{host} {address} {each} {saved:id}",
                "api.example 127.0.0.1:9 /x 7",
            ),
            ("{now} {now+60} {now-1}", "1000 1060 999"),
            ("{repeat:ab:3}{repeat:[:2}{repeat:::2}", "ababab[[::"),
            ("{base64:user:pass}", "dXNlcjpwYXNz"),
            (
                r#"{"a":{"b":{}}} {nothing} { {host}"#,
                r#"{"a":{"b":{}}} {nothing} { api.example"#,
            ),
            ("{\"now\":{now}}", "{\"now\":1000}"),
        ] {
            assert_eq!(expand(text).as_deref(), Ok(expanded));
        }
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(
            expand("{token:bob}").unwrap_err(),
            "there is no token `bob`"
        );
        assert_eq!(
            expand("{saved:x}").unwrap_err(),
            "no earlier step saved `x`"
        );
        assert_eq!(
            expand("{repeat:x}").unwrap_err(),
            "`{repeat:x}` is not `{repeat:TEXT:TIMES}`"
        );
        assert_eq!(
            expand("{now+x}").unwrap_err(),
            "`{now+x}` is not `{now+SECONDS}`"
        );
    }

    #[test]
    fn escapes_become_bytes() {
        assert_eq!(unescape(r"a\x80\r\n\t\0\\").unwrap(), b"a\x80\r\n\t\0\\");
        assert!(
            unescape(r"\x8")
                .unwrap_err()
                .contains("two hexadecimal digits")
        );
        assert!(unescape(r"\q").unwrap_err().contains("backslash"));
    }

    #[test]
    fn patterns() {
        assert!(matches("a*c", "abc") && matches("a*c", "ac") && !matches("a*c", "acd"));
        assert!(matches("r=#;t=#", "r=10;t=3") && !matches("r=#", "r=x") && !matches("r=#", "r="));
        assert!(matches(r"\*", "*") && !matches(r"\*", "x"));
    }

    #[test]
    fn finds_the_tokens_a_text_names() {
        assert_eq!(
            token_names("{token:a} {token:b}").collect::<Vec<_>>(),
            ["a", "b"]
        );
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[{}:a-z*#\\\\\u{e9}0-9]{0,24}") {
            let _ = expand(&text);
            let _ = unescape(&text);
            prop_assert!(matches("*", &text));
        }
    }
}
