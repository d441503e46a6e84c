//! Values that browsers take, and those that they drop without a word.

use super::*;

#[test]
fn wrong_directives_are_told_apart_from_right_ones() {
    let csp = |value| field("Content-Security-Policy", value);
    for good in [
        "default-src 'self'",
        "default-src 'none'; img-src https://cdn.example data:; upgrade-insecure-requests",
        "script-src 'nonce-{nonce}' 'strict-dynamic';",
    ] {
        csp(good).unwrap();
    }
    for bad in [
        "",
        ";",
        "default-src self",
        "defualt-src 'self'",
        "script-src nonce-abc",
        "img-src a.example, b.example",
        "img-src 'none' a.example",
        "img-src 'self'; img-src 'none'",
    ] {
        csp(bad).unwrap_err();
    }
}

#[test]
fn fields_that_depend_on_the_request_are_not_for_everybody() {
    for (name, value) in [
        ("Access-Control-Allow-Origin", "*"),
        ("Strict-Transport-Security", "max-age=1"),
        ("Set-Cookie", "a=b"),
        ("X-Frame-Options", "ALLOW-FROM https://a.example"),
        ("X-Token", "{nonce}"),
        ("bad name", "x"),
    ] {
        field(name, value).unwrap_err();
    }
}

/// Each value is one that browsers drop without a word, and each was seen in a policy: PITFALLS 59.
#[test]
fn a_value_is_read_as_its_standard_says() {
    for (name, good) in [
        ("Permissions-Policy", "geolocation=()"),
        (
            "Permissions-Policy",
            "geolocation=(self \"https://a.example\"), camera=*, usb=self",
        ),
        (
            "Permissions-Policy",
            "fullscreen=(\"https://*.a.example:8443\");report-to=x",
        ),
        ("Permissions-Policy", "some-new-feature=()"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        (
            "Cross-Origin-Opener-Policy",
            "same-origin; report-to=\"coop\"",
        ),
        (
            "Cross-Origin-Embedder-Policy-Report-Only",
            "require-corp;report-to=\"coep\"",
        ),
        ("Origin-Agent-Cluster", "?0"),
        ("Reporting-Endpoints", "a=\"https://r.example/a\", b=\"/b\""),
        ("Clear-Site-Data", "\"cache\", \"cookies\""),
        (
            "Cache-Control",
            "no-store, max-age=0, private=\"set-cookie, x-a\", x-own=1",
        ),
        (
            "Referrer-Policy",
            "no-referrer, strict-origin-when-cross-origin",
        ),
        ("X-XSS-Protection", "0"),
        ("X-Own-Header", "anything at all"),
    ] {
        field(name, good).unwrap_or_else(|why| panic!("{name}: {good}: {why}"));
    }
    for (name, bad) in [
        ("Permissions-Policy", "geolocation 'none'"),
        ("Permissions-Policy", "geolocation='none'"),
        ("Permissions-Policy", "geolocation=none"),
        ("Permissions-Policy", "geolocation=(none)"),
        ("Permissions-Policy", "geolocation=(\"self\")"),
        ("Permissions-Policy", "geolocation=(https://a.example)"),
        (
            "Permissions-Policy",
            "geolocation=(\"https://a.example/path\")",
        ),
        ("Permissions-Policy", "geolocation=(), geolocation=*"),
        ("Permissions-Policy", "geolocaton=()"),
        ("Permissions-Policy", "Geolocation=()"),
        ("Permissions-Policy", "geolocation=(); camera=()"),
        ("Permissions-Policy", "geolocation"),
        ("Permissions-Policy", "geolocation=1"),
        ("Permissions-Policy", ""),
        ("Feature-Policy", "geolocation 'none'"),
        ("Cross-Origin-Opener-Policy", "Same-Origin"),
        ("Cross-Origin-Opener-Policy", "\"same-origin\""),
        ("Cross-Origin-Opener-Policy", "same-origin; report-to=coop"),
        ("Cross-Origin-Embedder-Policy", "require-cors"),
        ("Origin-Agent-Cluster", "true"),
        ("Reporting-Endpoints", "a=https://r.example"),
        ("Clear-Site-Data", "cache"),
        ("Cache-Control", "nostore"),
        ("Cache-Control", "no-store; max-age=0"),
        ("Cache-Control", "max-age"),
        ("Cache-Control", "max-age=1h"),
        ("Cache-Control", "no-store=1"),
        ("Cache-Control", "private=set-cookie"),
        ("Referrer-Policy", "no-referer"),
        ("X-XSS-Protection", "1; mode=block"),
        ("X-Frame-Option", "DENY"),
        ("X-Content-Type-Option", "nosniff"),
        ("Public-Key-Pins", "max-age=1"),
    ] {
        assert!(field(name, bad).is_err(), "{name}: {bad}");
    }
}

#[test]
fn a_source_is_read_as_csp_says() {
    let csp = |value| field("Content-Security-Policy", value);
    for good in [
        "default-src 'self' https: *.a.example https://b.example:8443/path/ wss://c.example *",
        "script-src 'sha256-AAAA+/==' 'nonce-abc_-=' 'unsafe-hashes' 'wasm-unsafe-eval'",
        "sandbox; frame-ancestors 'self' https://a.example",
        "sandbox allow-forms allow-scripts",
        "require-trusted-types-for 'script'; trusted-types one two 'allow-duplicates'",
        "default-src 'none'; report-to main; report-uri /csp https://r.example/csp",
        "connect-src localhost:* http://localhost:3000 data: blob:",
    ] {
        csp(good).unwrap_or_else(|why| panic!("{good}: {why}"));
    }
    for bad in [
        "default-src 'selff'",
        "default-src \"self\"",
        "default-src 'sha256-'",
        "default-src 'sha1-AAAA'",
        "default-src 'nonce-a b'",
        "img-src https://a.example?x=1",
        "img-src https:/a.example",
        "img-src a.*.example",
        "img-src a.example:http",
        "frame-ancestors 'unsafe-inline'",
        "upgrade-insecure-requests 1",
        "sandbox allow-everything",
        "require-trusted-types-for script",
        "report-to",
        "report-to a b",
        "report-uri",
        "img-src 'NONE' a.example",
        "script-src 'self' unsafe-inline",
    ] {
        assert!(csp(bad).is_err(), "{bad}");
    }
    let reports = |value| field("Content-Security-Policy-Report-Only", value);
    reports("default-src 'self'; report-to main").unwrap();
    reports("default-src 'self'").unwrap_err();
}
