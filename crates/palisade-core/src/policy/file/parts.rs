//! The sections that are small: one function each.

use crate::{
    body::Body,
    config::Section,
    cors::Cors,
    headers::{Headers, Hsts, Preset},
    outgoing::Outgoing,
    policy::{
        AddressDetail, Audit, Failures, Firewall, Host, Https, HttpsMode, Limit, LimitKey,
        PrincipalDetail, Routes, Uncertain,
    },
};

pub(super) fn host(section: &mut Section<'_, '_>) -> Host {
    Host {
        allowed: section
            .some_strings("allowed", "every host")
            .unwrap_or_default(),
    }
}

pub(super) fn https(section: &mut Section<'_, '_>) -> Https {
    let modes = [
        ("off", HttpsMode::Off),
        ("refuse", HttpsMode::Refuse),
        ("redirect", HttpsMode::Redirect),
    ];
    Https {
        mode: section.choice("mode", &modes).unwrap_or_default(),
        assumed: section.boolean("assumed").unwrap_or_default(),
        host: section.optional_string("host"),
    }
}

pub(super) fn firewall(section: &mut Section<'_, '_>) -> Firewall {
    let default = Firewall::default();
    Firewall {
        max_target: section.size("max_target").unwrap_or(default.max_target),
        max_header_lines: section
            .unsigned("max_header_lines")
            .unwrap_or(default.max_header_lines),
        max_header_bytes: section
            .size("max_header_bytes")
            .unwrap_or(default.max_header_bytes),
    }
}

pub(super) fn routes(section: &mut Section<'_, '_>) -> Routes {
    let uncertain = [("refuse", Uncertain::Refuse), ("report", Uncertain::Report)];
    Routes {
        uncertain: section.choice("uncertain", &uncertain).unwrap_or_default(),
    }
}

pub(super) fn headers(section: &mut Section<'_, '_>) -> Headers {
    let presets = [
        ("api", Preset::Api),
        ("html", Preset::Html),
        ("reference", Preset::Reference),
        ("none", Preset::None),
    ];
    Headers {
        preset: section.choice("preset", &presets).unwrap_or_default(),
        remove: section.strings("remove").unwrap_or_default(),
        isolated: section.boolean("isolated").unwrap_or_default(),
        set: section
            .table("set", |set| set.named_strings())
            .unwrap_or_default(),
        hsts: section.table("hsts", hsts).unwrap_or_default(),
    }
}

fn hsts(section: &mut Section<'_, '_>) -> Hsts {
    let default = Hsts::default();
    Hsts {
        max_age: section
            .duration_seconds("max_age")
            .unwrap_or(default.max_age),
        include_subdomains: section
            .boolean("include_subdomains")
            .unwrap_or(default.include_subdomains),
        preload: section.boolean("preload").unwrap_or(default.preload),
    }
}

pub(super) fn cors(section: &mut Section<'_, '_>) -> Cors {
    let default = Cors::default();
    Cors {
        origins: section.strings("origins").unwrap_or_default(),
        credentials: section.boolean("credentials").unwrap_or_default(),
        methods: section
            .some_strings(
                "methods",
                "GET, HEAD and POST, which browsers send all the same",
            )
            .unwrap_or(default.methods),
        allow_headers: section.strings("allow_headers").unwrap_or_default(),
        expose_headers: section.strings("expose_headers").unwrap_or_default(),
        max_age: section
            .duration_seconds("max_age")
            .unwrap_or(default.max_age),
    }
}

pub(super) fn limit(section: &mut Section<'_, '_>) -> Limit {
    let name = section.string("name").unwrap_or_default();
    let quota = section.string("quota").unwrap_or_default();
    let default = Limit::new(name, quota);
    Limit {
        by: limit_key(section).unwrap_or(default.by),
        burst: section.unsigned("burst"),
        strict: section.boolean("strict").unwrap_or_default(),
        shadow: section.boolean("shadow").unwrap_or_default(),
        default: section.boolean("default").unwrap_or_default(),
        store: section.optional_string("store"),
        ..default
    }
}

pub(super) fn failures(section: &mut Section<'_, '_>) -> Failures {
    Failures {
        quota: section
            .optional_string("quota")
            .unwrap_or_else(|| Failures::default().quota),
    }
}

fn limit_key(section: &mut Section<'_, '_>) -> Option<LimitKey> {
    let by = section.optional_string("by")?;
    Some(match by.as_str() {
        "address" => LimitKey::Address,
        "principal" => LimitKey::Principal,
        "tenant" => LimitKey::Tenant,
        "credential" => LimitKey::Credential,
        "global" => LimitKey::Global,
        _ => match by.strip_prefix("header:") {
            Some(name) => LimitKey::Header(name.to_owned()),
            None => {
                let message = format!(
                    "is {by:?}; one of \"address\", \"principal\", \"tenant\", \"credential\", \
                     \"header:NAME\", \"global\" is needed"
                );
                section.mistake("by", message);
                return None;
            }
        },
    })
}

pub(super) fn body(section: &mut Section<'_, '_>) -> Body {
    let default = Body::default();
    Body {
        max: section.size("max").unwrap_or(default.max),
        idle_timeout: section
            .duration_seconds("idle_timeout")
            .unwrap_or(default.idle_timeout),
        total_timeout: section
            .duration_seconds("total_timeout")
            .unwrap_or(default.total_timeout),
        json_depth: section.unsigned("json_depth").unwrap_or(default.json_depth),
        json_array: section.unsigned("json_array").unwrap_or(default.json_array),
    }
}

pub(super) fn audit(section: &mut Section<'_, '_>) -> Audit {
    let addresses = [
        ("full", AddressDetail::Full),
        ("prefix", AddressDetail::Prefix),
        ("hash", AddressDetail::Hash),
        ("none", AddressDetail::None),
    ];
    let principals = [
        ("full", PrincipalDetail::Full),
        ("hash", PrincipalDetail::Hash),
    ];
    Audit {
        address: section.choice("address", &addresses).unwrap_or_default(),
        principal: section.choice("principal", &principals).unwrap_or_default(),
    }
}

pub(super) fn outgoing(section: &mut Section<'_, '_>) -> Outgoing {
    let default = Outgoing::default();
    Outgoing {
        plain_http: section.strings("plain_http").unwrap_or_default(),
        private: section.strings("private").unwrap_or_default(),
        ca: section.secret("ca"),
        timeout_seconds: section
            .duration_seconds("timeout")
            .unwrap_or(default.timeout_seconds),
    }
}
