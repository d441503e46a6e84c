//! What stands behind `Basic ` (RFC 7617 §2): the Base64 of `name:password`.

use crate::cause::Cause;
use base64::{Engine, engine::general_purpose::STANDARD};
use std::fmt;
use zeroize::Zeroizing;

/// A name and a password as they were presented. Its `Debug` shows neither.
#[derive(Clone)]
pub(super) struct Credentials {
    text: Zeroizing<String>,
    colon: usize,
}

impl Credentials {
    /// Takes the token68 apart; else the word for the audit.
    pub(super) fn parse(token: &[u8]) -> Result<Self, Cause> {
        // RFC 4648 §3.5: the one encoding of these bytes, with its padding.
        let bytes = STANDARD.decode(token).map_err(|_| Cause::BasicBase64)?;
        let text = String::from_utf8(bytes).map_err(|why| {
            drop(Zeroizing::new(why.into_bytes()));
            Cause::BasicUtf8
        })?;
        let text = Zeroizing::new(text);
        if text.chars().any(char::is_control) {
            return Err(Cause::BasicControlCharacter);
        }
        // A name holds no colon, a password may.
        let colon = text.find(':').ok_or(Cause::BasicNoColon)?;
        Ok(Self { text, colon })
    }

    pub(super) fn name(&self) -> &str {
        self.split().0
    }

    pub(super) fn password(&self) -> &str {
        self.split().1
    }

    fn split(&self) -> (&str, &str) {
        let parts = self.text.split_at_checked(self.colon);
        let (name, password) = parts.unwrap_or_default();
        (name, password.strip_prefix(':').unwrap_or_default())
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: impl AsRef<[u8]>) -> Result<(String, String), Cause> {
        let credentials = Credentials::parse(STANDARD.encode(text).as_bytes())?;
        let (name, password) = (credentials.name(), credentials.password());
        Ok((name.to_owned(), password.to_owned()))
    }

    #[test]
    fn the_first_colon_ends_the_name() {
        let pair = |name: &str, password: &str| Ok((name.to_owned(), password.to_owned()));
        assert_eq!(parse("Aladdin:open sesame"), pair("Aladdin", "open sesame"));
        assert_eq!(parse("test:123\u{a3}"), pair("test", "123\u{a3}"));
        assert_eq!(parse("a:b:c"), pair("a", "b:c"));
        assert_eq!(parse("a:"), pair("a", ""));
        assert_eq!(parse(":"), pair("", ""));
    }

    #[test]
    fn what_nobody_can_mean_has_its_word() {
        assert_eq!(parse("Aladdin"), Err(Cause::BasicNoColon));
        assert_eq!(parse(""), Err(Cause::BasicNoColon));
        assert_eq!(parse(b"a:\xa3"), Err(Cause::BasicUtf8));
        for control in ["a\0:b", "a:b\n", "a:\u{7f}", "a:\u{85}"] {
            assert_eq!(parse(control), Err(Cause::BasicControlCharacter));
        }
        for bad in ["YTpi=", "YTpiYw", "YTpiYx==", "YTpi\n", "YT-_", "Y"] {
            let error = Credentials::parse(bad.as_bytes()).unwrap_err();
            assert_eq!(error, Cause::BasicBase64, "{bad}");
        }
    }

    #[test]
    fn nothing_of_them_is_shown() {
        let token = STANDARD.encode("alice:swordfish");
        let shown = format!("{:?}", Credentials::parse(token.as_bytes()).unwrap());
        assert!(!shown.contains("alice") && !shown.contains("swordfish"));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(raw in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = Credentials::parse(&raw);
            if let Ok((name, password)) = parse(&raw) {
                prop_assert_eq!(format!("{name}:{password}").into_bytes(), raw);
            }
        }
    }
}
