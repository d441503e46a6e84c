//! The ready-made sets. `Strict-Transport-Security` is not in them: it depends on the
//! connection.

use crate::headers::Preset;

/// The fields of a preset, by lower-case name; `{nonce}` stands for a fresh nonce.
pub(super) fn fields(preset: Preset) -> &'static [(&'static str, &'static str)] {
    match preset {
        Preset::Api => API,
        Preset::Html => HTML,
        Preset::Reference => REFERENCE,
        Preset::None => &[],
    }
}

/// Data is never a document: nothing may load, frame or sniff it (OWASP REST Security).
const API: &[(&str, &str)] = &[
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    (
        "content-security-policy",
        "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    // The filter of old browsers did harm; this turns it off.
    ("x-xss-protection", "0"),
];

/// Pages: scripts and styles run by nonce only.
const HTML: &[(&str, &str)] = &[
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    (
        "content-security-policy",
        "default-src 'self'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'; \
         img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; \
         frame-ancestors 'none'",
    ),
    ("referrer-policy", "strict-origin-when-cross-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "accelerometer=(), autoplay=(), camera=(), display-capture=(), encrypted-media=(), \
         fullscreen=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), midi=(), \
         payment=(), picture-in-picture=(), publickey-credentials-get=(), screen-wake-lock=(), \
         usb=(), web-share=(), xr-spatial-tracking=()",
    ),
    ("origin-agent-cluster", "?1"),
    ("x-permitted-cross-domain-policies", "none"),
    ("x-xss-protection", "0"),
];

/// What most guides print, in its safe form.
const REFERENCE: &[(&str, &str)] = &[
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("content-security-policy", "default-src 'self'"),
    ("referrer-policy", "strict-origin-when-cross-origin"),
    (
        "permissions-policy",
        "camera=(), microphone=(), geolocation=()",
    ),
    ("cache-control", "no-store, max-age=0"),
    ("x-xss-protection", "0"),
];
