//! `[cors]`: which origins are allowed, and what is a mistake.

use super::*;

fn compile(cors: &Cors) -> (CompiledCors, Mistakes) {
    let mut mistakes = Mistakes::default();
    let cors = CompiledCors::compile(
        cors,
        &[],
        &Methods::default(),
        &mut KnownFields::default(),
        &mut mistakes,
    );
    (cors, mistakes)
}

#[test]
fn subdomains_match_whole_labels_only() {
    let (cors, mistakes) = compile(&Cors::origins(["https://*.example.com"]));
    assert!(mistakes.is_empty());
    for good in ["https://a.example.com", "https://a.b.example.com"] {
        assert!(cors.allow(good.as_bytes()).is_some(), "{good}");
    }
    for bad in [
        "https://example.com",
        "https://evilexample.com",
        "https://.example.com",
        "https://a..example.com",
        "http://a.example.com",
        "https://a.example.com:8443",
        "https://a.example.com.evil.org",
        "https://evil.org/.example.com",
        "https://evil.org#.example.com",
        "null",
        "",
    ] {
        assert!(cors.allow(bad.as_bytes()).is_none(), "{bad}");
    }
}

#[test]
fn an_origin_is_compared_by_scheme_host_and_port() {
    let (cors, _) = compile(&Cors::origins([
        "https://a.example:443",
        "http://b.example:8080",
    ]));
    assert!(cors.allow(b"https://a.example").is_some());
    assert!(
        cors.allow(b"https://a.example:443").is_none(),
        "browsers leave it out"
    );
    assert!(cors.allow(b"http://b.example:8080").is_some());
    assert!(cors.allow(b"http://b.example").is_none());
    assert!(cors.allow(b"https://a.example\xff").is_none());
}

#[test]
fn dangerous_and_malformed_origins_are_mistakes() {
    let dangerous = Cors::origins(["*"]).credentials(true);
    assert!(!compile(&dangerous).1.is_empty());
    for bad in [
        "null",
        "example.com",
        "https://example.com/",
        "ftp://a",
        "https://*",
        "https://a:0",
        "https://A.example",
        "",
    ] {
        assert!(
            compile(&Cors::origins([bad])).1.has("cors.origins[0]"),
            "{bad}"
        );
    }
}

#[test]
fn the_origins_of_apps_and_extensions_are_listed_exactly() {
    let id = "chrome-extension://abcdefghijklmnopabcdefghijklmnop";
    let listed = [
        "capacitor://localhost",
        "tauri://localhost",
        "ionic://localhost",
        id,
    ];
    let (cors, mistakes) = compile(&Cors::origins(listed).credentials(true));
    assert!(mistakes.is_empty());
    for good in listed {
        assert!(cors.allow(good.as_bytes()).is_some(), "{good}");
    }
    for bad in [
        "https://localhost",
        "capacitor://localhost:80",
        "capacitor://evil",
        "capacitor://localhost.evil",
        "chrome-extension://bbcdefghijklmnopabcdefghijklmnop",
    ] {
        assert!(cors.allow(bad.as_bytes()).is_none(), "{bad}");
    }
    for bad in [
        "capacitor://*.localhost",
        "capacitor://*",
        "chrome-extension://*",
        "chrome-extension://abc",
        "Tauri://localhost",
        "tauri://",
        "file://localhost",
        "data://a",
        "wss://app.example.com",
    ] {
        let mistakes = compile(&Cors::origins([bad])).1;
        assert!(mistakes.has("cors.origins[0]"), "{bad}");
    }
}

#[test]
fn a_pattern_that_takes_in_strangers_is_a_mistake_or_a_warning() {
    for wide in ["https://*.com", "https://*.dev:8443"] {
        assert!(
            compile(&Cors::origins([wide])).1.has("cors.origins[0]"),
            "{wide}"
        );
    }
    for shared in ["https://*.github.io", "https://*.co.uk"] {
        let cors = Cors::origins([shared]);
        let mut warned = compile(&cors).1;
        assert!(warned.is_empty(), "{shared}");
        assert_eq!(warned.take_warnings()[0].key, "cors.origins[0]");
        let mistakes = compile(&cors.credentials(true)).1;
        assert!(mistakes.has("cors.origins[0]"), "{shared}");
    }
    let mut own = compile(&Cors::origins(["https://*.example.com"]).credentials(true)).1;
    assert!(own.is_empty() && own.take_warnings().is_empty());
}

#[test]
fn names_that_browsers_ignore_are_mistakes() {
    let mut cors = Cors::origins(["https://a.example"]).credentials(true);
    cors.methods = ["get", "*", "TRACE", "PSOT"].map(str::to_owned).to_vec();
    cors.allow_headers = ["*", "Cookie", "Sec-Fetch-Site", "x-good"]
        .map(str::to_owned)
        .to_vec();
    cors.expose_headers = ["*", "set-cookie", "x-good"].map(str::to_owned).to_vec();
    let mistakes = compile(&cors).1;
    for key in [
        "cors.methods[0]",
        "cors.methods[1]",
        "cors.methods[2]",
        "cors.methods[3]",
        "cors.allow_headers[0]",
        "cors.allow_headers[1]",
        "cors.allow_headers[2]",
        "cors.expose_headers[0]",
        "cors.expose_headers[1]",
    ] {
        assert!(mistakes.has(key), "{key}");
    }
    assert!(!mistakes.has("cors.allow_headers[3]") && !mistakes.has("cors.expose_headers[2]"));

    cors = Cors::origins(["https://a.example"]);
    cors.allow_headers = vec!["*".to_owned()];
    cors.expose_headers = vec!["*".to_owned()];
    assert!(
        compile(&cors).1.is_empty(),
        "without credentials it means every header"
    );
}

#[test]
fn an_address_is_written_as_browsers_write_it() {
    let (cors, mistakes) = compile(&Cors::origins(["http://[::1]:3000"]));
    assert!(mistakes.is_empty() && cors.allow(b"http://[::1]:3000").is_some());
    for bad in ["http://[0:0:0:0:0:0:0:1]", "http://[::G]", "http://[::1"] {
        assert!(
            compile(&Cors::origins([bad])).1.has("cors.origins[0]"),
            "{bad}"
        );
    }
}
