//! Which representations are read (RFC 9110 sections 8.3 and 8.4).

use super::{Invalid, InvalidKind};

/// `application/json` or `application/*+json`, in UTF-8.
pub(super) fn require_json(content_type: Option<&[u8]>) -> Result<(), Invalid> {
    require(content_type, |essence| {
        essence == "application/json"
            || essence
                .strip_prefix("application/")
                .and_then(|subtype| subtype.strip_suffix("+json"))
                .is_some_and(|name| !name.is_empty() && name.bytes().all(is_token))
    })
}

/// `application/x-www-form-urlencoded`, in UTF-8.
pub(super) fn require_form(content_type: Option<&[u8]>) -> Result<(), Invalid> {
    require(content_type, |essence| {
        essence == "application/x-www-form-urlencoded"
    })
}

/// No content encoding, or `identity`: a compressed body could grow past every limit.
pub(super) fn require_identity(content_encoding: Option<&[u8]>) -> Result<(), Invalid> {
    match content_encoding {
        Some(coding) if !coding.trim_ascii().eq_ignore_ascii_case(b"identity") => {
            Err(Invalid::of(InvalidKind::UnsupportedEncoding))
        }
        _ => Ok(()),
    }
}

fn require(content_type: Option<&[u8]>, accepted: impl Fn(&str) -> bool) -> Result<(), Invalid> {
    content_type
        .and_then(|value| std::str::from_utf8(value).ok())
        .filter(|value| is_accepted(value, accepted))
        .map(|_| ())
        .ok_or_else(|| Invalid::of(InvalidKind::UnsupportedMediaType))
}

fn is_accepted(value: &str, accepted: impl Fn(&str) -> bool) -> bool {
    let (essence, mut rest) = value.split_once(';').unwrap_or((value, ""));
    let essence = essence.trim_matches(OWS);
    let known = if essence.bytes().any(|b| b.is_ascii_uppercase()) {
        accepted(&essence.to_ascii_lowercase())
    } else {
        accepted(essence)
    };
    known
        && std::iter::from_fn(|| {
            rest = rest.trim_start_matches([' ', '\t', ';']);
            (!rest.is_empty()).then(|| parameter(&mut rest))
        })
        .all(|found| {
            found.is_some_and(|(name, value)| {
                !name.eq_ignore_ascii_case("charset") || value.eq_ignore_ascii_case("utf-8")
            })
        })
}

const OWS: [char; 2] = [' ', '\t'];

/// Takes `name=token` or `name="quoted"` off the front; `None` if it is neither.
fn parameter<'a>(rest: &mut &'a str) -> Option<(&'a str, &'a str)> {
    let (name, after) = rest.split_once('=')?;
    let (value, after) = match after.strip_prefix('"') {
        Some(quoted) => {
            let mut escaped = false;
            let end = quoted.bytes().position(|b| {
                let closes = b == b'"' && !escaped;
                escaped = b == b'\\' && !escaped;
                closes
            })?;
            let (value, after) = quoted.split_at_checked(end)?;
            (value, after.strip_prefix('"')?)
        }
        None => {
            let end = after
                .bytes()
                .position(|b| !is_token(b))
                .unwrap_or(after.len());
            let (value, after) = after.split_at_checked(end)?;
            if value.is_empty() {
                return None;
            }
            (value, after)
        }
    };
    let after = after.trim_start_matches(OWS);
    let well_formed = !name.is_empty()
        && name.bytes().all(is_token)
        && (after.is_empty() || after.starts_with(';'));
    *rest = after;
    well_formed.then_some((name, value))
}

/// RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_types() {
        for yes in [
            "application/json",
            "Application/JSON",
            "application/json;charset=utf-8",
            "application/json ; charset=\"UTF-8\"",
            "application/json; profile=\"a;charset=latin1\\\"\"; charset=Utf-8",
            "application/json;",
            "application/vnd.api+json",
            "application/problem+JSON; v=1",
        ] {
            assert!(require_json(Some(yes.as_bytes())).is_ok(), "{yes}");
        }
        for no in [
            "",
            "text/json",
            "text/plain",
            "application/jsonp",
            "application/+json",
            "application/a b+json",
            "application/json-seq",
            "application/json, application/json",
            "application/json; charset=latin1",
            "application/json; charset=utf-16",
            "application/json; charset",
            "application/json; charset=",
            "application/json; charset=\"utf-8",
            "application/json; charset=utf-8 x",
            "application/json; =utf-8",
            "application/json charset=utf-8",
            "multipart/form-data; boundary=x",
        ] {
            assert!(require_json(Some(no.as_bytes())).is_err(), "{no}");
        }
        assert!(require_json(None).is_err());
        assert!(require_json(Some(b"application/json\xff")).is_err());
    }

    #[test]
    fn form_types() {
        assert!(require_form(Some(b"application/x-www-form-urlencoded; charset=UTF-8")).is_ok());
        assert!(require_form(Some(b"application/json")).is_err());
        assert!(require_form(None).is_err());
    }

    #[test]
    fn encodings() {
        for yes in [None, Some(&b"identity"[..]), Some(b" Identity ")] {
            assert!(require_identity(yes).is_ok());
        }
        for no in ["gzip", "", "identity, gzip", "br", "x"] {
            assert!(require_identity(Some(no.as_bytes())).is_err(), "{no}");
        }
    }
}
