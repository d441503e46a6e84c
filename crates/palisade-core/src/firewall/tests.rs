use percent_encoding::percent_decode;
use proptest::prelude::*;

use super::*;

const LIMITS: FirewallLimits = FirewallLimits {
    path: 4096,
    query: 8192,
};

fn check(raw: &[u8]) -> Result<Target<'_>, Refused> {
    check_target(raw, &LIMITS)
}

#[test]
fn ordinary_targets_pass_as_sent() {
    for path in [
        "/",
        "/users/7",
        "/a%20b",
        "/%C3%BC",
        "/%e2%82%ac/%f0%9f%98%80",
        "/u/a@b.example",
        "/u/a%40b.example",
        "/p/100%25",
        "/p/100%254",
        "/p/%25%20",
        "/a:b@c+d,e!f$g'h(i)j*k=l&m~n",
        "/a[0]",
        "/...",
        "/.well-known/a..b",
        "/users/",
    ] {
        let expected = Target {
            path,
            query: None,
            authority: None,
            needs: EncodedSet::NONE,
        };
        assert_eq!(check(path.as_bytes()), Ok(expected), "{path}");
    }
}

#[test]
fn every_refusal_has_its_reason() {
    let long_path = format!("/{}", "a".repeat(4096));
    let long_query = format!("/?{}", "a".repeat(8193));
    let cases: &[(&[u8], Refused)] = &[
        (b"", Refused::AuthorityForm),
        (b"users", Refused::AuthorityForm),
        (b"example.com:443", Refused::AuthorityForm),
        (b"**", Refused::AuthorityForm),
        (b"ftp://example.com/", Refused::UnsupportedScheme),
        (b"://example.com/", Refused::UnsupportedScheme),
        (b"/a#b", Refused::Fragment),
        (b"/a?b#c", Refused::Fragment),
        (b"http://example.com#a", Refused::Fragment),
        (long_path.as_bytes(), Refused::PathTooLong),
        (b"/\0", Refused::Control),
        (b"/\x7f", Refused::Control),
        (b"/\t", Refused::Control),
        (b"/a b", Refused::Space),
        (b"/\xff", Refused::NonAscii),
        ("/ü".as_bytes(), Refused::NonAscii),
        (b"/a<b", Refused::ForbiddenCharacter),
        (b"/{a}", Refused::ForbiddenCharacter),
        (b"/a\\b", Refused::Backslash),
        (b"/a%5cb", Refused::Backslash),
        (b"/a%5Cb", Refused::Backslash),
        (b"//", Refused::DoubleSlash),
        (b"/a//b", Refused::DoubleSlash),
        (b"/.", Refused::DotSegment),
        (b"/..", Refused::DotSegment),
        (b"/a/../b", Refused::DotSegment),
        (b"/a/./b?c", Refused::DotSegment),
        (b"/a/..?c", Refused::DotSegment),
        (b"/..;a/b", Refused::DotSegment),
        (b"/..%3ba/b", Refused::DotSegment),
        (b"/..%2Fb", Refused::DotSegment),
        (b"/a%2f..%2Fb", Refused::DotSegment),
        (b"/a%2f.", Refused::DotSegment),
        (b"/%", Refused::BadPercent),
        (b"/%4", Refused::BadPercent),
        (b"/%4/a", Refused::BadPercent),
        (b"/%+4", Refused::BadPercent),
        (b"/%zz", Refused::BadPercent),
        (b"/%C3%b", Refused::BadPercent),
        (b"/%61dmin", Refused::EncodedUnreserved),
        (b"/%2e%2E/", Refused::EncodedUnreserved),
        (b"/a%7eb", Refused::EncodedUnreserved),
        (b"/%00", Refused::EncodedControl),
        (b"/%7F", Refused::EncodedControl),
        (b"/%0d%0a", Refused::EncodedControl),
        (b"/%C2%85", Refused::EncodedControl),
        (b"/%e2%80%a8", Refused::EncodedControl),
        (b"/%E2%80%A9", Refused::EncodedControl),
        (b"/%80", Refused::InvalidUtf8),
        (b"/%C3", Refused::InvalidUtf8),
        (b"/%C3a", Refused::InvalidUtf8),
        (b"/%C3%28", Refused::InvalidUtf8),
        (b"/%C0%AF", Refused::InvalidUtf8),
        (b"/%E0%80%AF", Refused::InvalidUtf8),
        (b"/%ED%A0%80", Refused::InvalidUtf8),
        (b"/%F4%90%80%80", Refused::InvalidUtf8),
        (long_query.as_bytes(), Refused::QueryTooLong),
        (b"/?\0", Refused::QueryControl),
        (b"/?\x7f", Refused::QueryControl),
        (b"/?a b", Refused::QuerySpace),
        ("/?ü".as_bytes(), Refused::QueryNonAscii),
        (b"/?%", Refused::QueryBadPercent),
        (b"/?%4g", Refused::QueryBadPercent),
    ];
    for (raw, expected) in cases {
        let shown = String::from_utf8_lossy(raw);
        assert_eq!(check(raw), Err(*expected), "{shown}");
        let long = matches!(expected, Refused::PathTooLong | Refused::QueryTooLong);
        assert_eq!(expected.is_too_long(), long, "{shown}");
    }
}

#[test]
fn what_a_rule_may_allow_is_recorded() {
    for (path, needs, refused) in [
        ("/a%2Fb", EncodedSet::SLASH, Refused::EncodedSlash),
        (
            "/https%3a%2f%2fexample.com",
            EncodedSet::SLASH,
            Refused::EncodedSlash,
        ),
        ("/a;b=c", EncodedSet::SEMICOLON, Refused::Semicolon),
        ("/a%3Bb", EncodedSet::SEMICOLON, Refused::Semicolon),
        ("/%2561", EncodedSet::PERCENT, Refused::DoubleEncoding),
        ("/%252e%252e/", EncodedSet::PERCENT, Refused::DoubleEncoding),
        (
            "/a%2f;",
            EncodedSet::SLASH | EncodedSet::SEMICOLON,
            Refused::EncodedSlash,
        ),
    ] {
        let target = check(path.as_bytes()).unwrap();
        assert_eq!(target.needs, needs, "{path}");
        assert_eq!(
            target.refuse_unless(EncodedSet::NONE),
            Err(refused),
            "{path}"
        );
        assert_eq!(target.refuse_unless(needs), Ok(()), "{path}");
    }
    assert_eq!(
        format!("{:?}", EncodedSet::SLASH | EncodedSet::PERCENT),
        "{'/', '%'}"
    );
    assert_eq!(EncodedSet::parse(";"), Ok(EncodedSet::SEMICOLON));
    assert!(
        EncodedSet::parse("\\")
            .unwrap_err()
            .contains("only `/`, `%` and `;`")
    );
}

#[test]
fn a_target_is_split_into_its_parts() {
    for (raw, path, query, authority) in [
        ("/a?b?c/d", "/a", Some("b?c/d"), None),
        ("/a?", "/a", Some(""), None),
        ("http://h:80/a?b", "/a", Some("b"), Some("h:80")),
        ("HTTPS://h", "/", None, Some("h")),
        ("http://h?a=/b", "/", Some("a=/b"), Some("h")),
        ("http://u@h\\x/a", "/a", None, Some("u@h\\x")),
        ("http:///a", "/a", None, Some("")),
        ("*", "*", None, None),
    ] {
        let expected = Target {
            path,
            query,
            authority,
            needs: EncodedSet::NONE,
        };
        assert_eq!(check(raw.as_bytes()), Ok(expected), "{raw}");
    }
}

#[test]
fn queries_are_left_alone_but_for_what_breaks_a_decoder() {
    assert_eq!(check_query(b"a=%00&b=%2e%2e/..;\\|{}\"<>^`%C3&%61"), Ok(()));
}

#[test]
fn header_values_hold_no_control_bytes() {
    for byte in 0..=u8::MAX {
        let allowed = byte == b'\t' || (byte >= b' ' && byte != 0x7f);
        assert_eq!(
            check_header_value(&[b'a', byte, b'b']),
            allowed,
            "{byte:#x}"
        );
        assert_eq!(
            check_header_value(&[[b'a'; 40].as_slice(), &[byte]].concat()),
            allowed
        );
    }
    assert!(check_header_value(b""));
}

/// Pieces that paths are made of, and the pieces of attacks.
fn path() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: &[&str] = &[
        "/",
        "/",
        "/",
        "a",
        "b7",
        ".",
        "..",
        "%",
        "%2",
        "%2F",
        "%2f",
        "%2e",
        "%25",
        "%252e",
        "%5C",
        ";",
        "%3B",
        "\\",
        "%C3%BC",
        "%C3",
        "%BC",
        "%E2%80%A8",
        "%20",
        "%40",
        "@",
        "?",
        "#",
        " ",
        "\0",
        "ü",
        "é%",
        "%61",
        "0",
        "F",
        "\u{7f}",
        "*",
        "~",
        "http://h",
        "%F0%9F%98%80",
        "%ED%A0%80",
    ];
    prop::collection::vec(prop::sample::select(PIECES), 0..9)
        .prop_map(|pieces| format!("/{}", pieces.concat()).into_bytes())
}

fn decode(path: &str) -> Vec<u8> {
    percent_decode(path.as_bytes()).collect()
}

/// What must hold for a path that passes, stated without the firewall's own tables.
fn assert_unambiguous(target: &Target<'_>) {
    let text = String::from_utf8(decode(target.path)).expect("utf-8 after decoding");
    let bad = |c: char| c.is_control() || matches!(c, '\\' | '\u{2028}' | '\u{2029}');
    assert!(!text.contains(bad), "{text:?}");
    assert!(text.split('/').all(|segment| {
        let name = segment.split(';').next().unwrap_or(segment);
        name != "." && name != ".."
    }));
    assert!(!target.path.contains("//"));

    let slashes = |path: &str| path.matches('/').count();
    let needs = target.needs;
    assert_eq!(
        needs.contains(EncodedSet::SLASH),
        slashes(&text) > slashes(target.path),
        "{text:?}"
    );
    assert_eq!(
        needs.contains(EncodedSet::SEMICOLON),
        text.contains(';'),
        "{text:?}"
    );
    assert_eq!(
        needs.contains(EncodedSet::PERCENT),
        decode(&text) != text.as_bytes(),
        "{text:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn accepted_paths_are_unambiguous(raw in path()) {
        if let Ok(target) = check(&raw) {
            let sent = [target.path, target.query.map_or("", |_| "?"), target.query.unwrap_or("")].concat();
            prop_assert_eq!(sent.as_bytes(), &raw[..]);
            assert_unambiguous(&target);
        }
    }

    #[test]
    fn any_bytes_are_answered(raw in prop::collection::vec(any::<u8>(), 0..24)) {
        for prefix in ["", "/", "/%", "/?", "http://h/"] {
            let raw = [prefix.as_bytes(), &raw].concat();
            if let Ok(target) = check(&raw) {
                assert_unambiguous(&target);
            }
            let _ = check_header_value(&raw);
            let _ = crate::host::parse_host(&raw);
        }
    }

    #[test]
    fn encoded_utf8_passes_and_nothing_else(bytes in prop::collection::vec(0x80..=u8::MAX, 1..5)) {
        let path: String = bytes.iter().map(|byte| format!("%{byte:02X}")).collect();
        let line_separator = ['\u{2028}', '\u{2029}'];
        let expected = str::from_utf8(&bytes)
            .is_ok_and(|text| !text.contains(|c: char| c.is_control() || line_separator.contains(&c)));
        prop_assert_eq!(check(format!("/{path}").as_bytes()).is_ok(), expected);
    }
}

#[test]
fn a_control_byte_is_found_at_every_place_of_a_header_value() {
    for length in 0..=20 {
        assert!(check_header_value(&vec![0x80; length]), "{length}");
        for place in 0..length {
            for byte in 0..=u8::MAX {
                for around in [b'a', b' ', 0xff, b'\t'] {
                    let mut value = vec![around; length];
                    value[place] = byte;
                    let clean = byte == b'\t' || (byte >= b' ' && byte != 0x7f);
                    let passed = check_header_value(&value);
                    assert_eq!(passed, clean, "{byte} at {place} of {length}");
                }
            }
        }
    }
}
