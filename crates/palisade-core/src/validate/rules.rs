//! Ready-made rules for `#[validate(custom(function = ...))]`. Their messages name what is missing and never hold the
//! submitted value.
//!
//! ```
//! use palisade_core::validate::rules;
//! use validator::{Validate, ValidationError};
//!
//! #[derive(serde::Deserialize, Validate)]
//! struct NewUser {
//!     #[validate(custom(function = rules::username))]
//!     username: String,
//!     #[validate(custom(function = rules::password_strength))]
//!     password: String,
//!     #[validate(custom(function = rules::age))]
//!     age: Option<u8>,
//!     #[validate(custom(function = known_roles))]
//!     roles: Vec<String>,
//! }
//!
//! fn known_roles(roles: &[String]) -> Result<(), ValidationError> {
//!     rules::each_of(roles, &["admin", "user", "guest"])
//! }
//! ```

use validator::ValidationError;

/// 3 to 50 of `A-Z a-z 0-9 _ -`.
///
/// # Errors
/// Code `username`.
pub fn username(value: &str) -> Result<(), ValidationError> {
    let fits = (3..=50).contains(&value.len())
        && value
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    rule(fits, "username", || {
        "must be 3 to 50 letters A-Z a-z, digits, `_` or `-`".into()
    })
}

/// An e-mail address as HTML's `<input type="email">` takes it (HTML standard §4.10.5.1.5), at most 64 characters
/// before the `@` and 255 behind it (RFC 5321 §4.5.3.1). It is stricter than `#[validate(email)]`: no address in
/// brackets, and international domains in their ASCII form, which browsers send.
///
/// # Errors
/// Code `email`.
pub fn email(value: &str) -> Result<(), ValidationError> {
    rule(is_email(value), "email", || {
        "must be an e-mail address".into()
    })
}

fn is_email(value: &str) -> bool {
    let Some((user, domain)) = value.split_once('@') else {
        return false;
    };
    let user_fits = (1..=64).contains(&user.len())
        && user
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&b));
    let label_fits = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    user_fits && domain.len() <= 255 && domain.split('.').all(label_fits)
}

/// At least 8 characters, among them an upper-case letter, a lower-case letter, a digit, and one that is none of these.
///
/// Composition rules are here for systems that must have them; NIST SP 800-63B-4 section 3.1.1.2 advises length and a
/// list of common passwords instead.
///
/// # Errors
/// Code `password_strength`; the message lists all that is missing.
pub fn password_strength(value: &str) -> Result<(), ValidationError> {
    let has = |test: fn(char) -> bool| value.chars().any(test);
    let missing: Vec<&str> = [
        (value.chars().nth(7).is_some(), "8 characters"),
        (has(char::is_uppercase), "an upper-case letter"),
        (has(char::is_lowercase), "a lower-case letter"),
        (has(char::is_numeric), "a digit"),
        (
            has(|c| !c.is_alphanumeric()),
            "a character that is neither letter nor digit",
        ),
    ]
    .into_iter()
    .filter_map(|(is_there, what)| (!is_there).then_some(what))
    .collect();
    rule(missing.is_empty(), "password_strength", || {
        format!("must have at least {}", missing.join(", "))
    })
}

/// One of the allowed words, such as a role; for use inside your own rule.
///
/// # Errors
/// Code `one_of`; the message lists the allowed words.
pub fn one_of(value: &str, allowed: &[&str]) -> Result<(), ValidationError> {
    rule(allowed.contains(&value), "one_of", || {
        format!("must be one of {}", allowed.join(", "))
    })
}

/// As [`one_of`] for every item of a list, such as the roles of a user.
///
/// # Errors
/// Code `one_of`; the message lists the allowed words.
pub fn each_of<S: AsRef<str>>(values: &[S], allowed: &[&str]) -> Result<(), ValidationError> {
    values
        .iter()
        .try_for_each(|value| one_of(value.as_ref(), allowed))
}

/// 0 to 150 years, of any integer type.
///
/// # Errors
/// Code `age`.
pub fn age<N: TryInto<u8>>(years: N) -> Result<(), ValidationError> {
    let fits = years.try_into().is_ok_and(|years| years <= 150);
    rule(fits, "age", || "must be 0 to 150".into())
}

/// A person's name: 1 to 100 characters, not only white space, without control characters.
///
/// # Errors
/// Code `name`.
pub fn name(value: &str) -> Result<(), ValidationError> {
    let fits = value.chars().nth(100).is_none()
        && !value.trim().is_empty()
        && !value.chars().any(char::is_control);
    rule(fits, "name", || {
        "must be 1 to 100 characters, not only white space, without control characters".into()
    })
}

fn rule(
    holds: bool,
    code: &'static str,
    message: impl FnOnce() -> String,
) -> Result<(), ValidationError> {
    if holds {
        Ok(())
    } else {
        Err(ValidationError::new(code).with_message(message().into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(result: Result<(), ValidationError>) -> String {
        result.unwrap_err().message.unwrap().into_owned()
    }

    #[test]
    fn usernames() {
        for yes in ["abc", "A-b_9", &"x".repeat(50)] {
            assert!(username(yes).is_ok(), "{yes}");
        }
        for no in [
            "",
            "ab",
            &"x".repeat(51),
            "a b",
            "abc\n",
            "äbc",
            "a.b",
            "аbc",
        ] {
            assert!(username(no).is_err(), "{no}");
        }
    }

    #[test]
    fn emails() {
        for yes in [
            "a@b.example",
            "a+b.c!@x--y.example",
            "a@localhost",
            ".a..@1.example",
        ] {
            assert!(email(yes).is_ok(), "{yes}");
        }
        assert!(email(&format!("{}@b.example", "a".repeat(65))).is_err());
        assert!(email(&format!("a@{}.example", "b".repeat(64))).is_err());
        for no in [
            "",
            "a",
            "@b.example",
            "a@",
            "a b@c.example",
            "a@b@c.example",
            "a@b.example\r\nx: y",
            // What HTML's rule refuses, and looser ones take.
            "a@[127.0.0.1]",
            "a@b\u{fc}cher.example",
            "\u{e4}@b.example",
            "a@-b.example",
            "a@b-.example",
            "a@b..example",
            "a@b.example.",
            "a@b_c.example",
            "\"a\"@b.example",
        ] {
            assert!(email(no).is_err(), "{no}");
        }
    }

    #[test]
    fn passwords_learn_all_that_is_missing_at_once() {
        assert!(password_strength("Abcdef1!").is_ok());
        assert!(password_strength("Äbcdéf1 ").is_ok());
        assert_eq!(
            message(password_strength("")),
            "must have at least 8 characters, an upper-case letter, a lower-case letter, a digit, a character that is \
             neither letter nor digit"
        );
        assert_eq!(
            message(password_strength("Abcde1!")),
            "must have at least 8 characters"
        );
        assert_eq!(
            message(password_strength("abcdefgh1!")),
            "must have at least an upper-case letter"
        );
        assert_eq!(
            message(password_strength("ABCDEFGH1!")),
            "must have at least a lower-case letter"
        );
        assert_eq!(
            message(password_strength("Abcdefgh!")),
            "must have at least a digit"
        );
        assert_eq!(
            message(password_strength("Abcdefgh1")),
            "must have at least a character that is neither letter nor digit"
        );
    }

    #[test]
    fn lists() {
        assert!(one_of("admin", &["admin", "user"]).is_ok());
        assert_eq!(
            message(one_of("Admin", &["admin", "user"])),
            "must be one of admin, user"
        );
        assert!(each_of::<&str>(&[], &["admin"]).is_ok());
        assert!(each_of(&["admin", "root"], &["admin"]).is_err());
    }

    #[test]
    fn ages() {
        assert!(age(0_u8).is_ok() && age(150_i64).is_ok() && age(150_u128).is_ok());
        assert!(
            age(151_u8).is_err()
                && age(-1_i32).is_err()
                && age(u64::MAX).is_err()
                && age(i64::MIN).is_err()
        );
    }

    #[test]
    fn names() {
        assert!(name("J").is_ok() && name(&"ü".repeat(100)).is_ok() && name("Ana María").is_ok());
        assert!(
            name("").is_err()
                && name(" \t").is_err()
                && name(&"ü".repeat(101)).is_err()
                && name("a\0b").is_err()
        );
    }
}
