//! Request fields in which a proxy tells what it knows, and in which a client can lie.
//!
//! A handler that believes one of them believes the client: its address, its certificate, the host, the scheme, the
//! method and the path are then what the client wants them to be, whatever was checked. So the handler never sees
//! them, unless a trusted proxy set them; no proxy is trusted yet.
//!
//! Names are compared in lower case and with `_` taken for `-`: servers that hand fields on as variables (RFC 3875
//! §4.1.18) make the same of both.

use std::{cmp::Ordering, sync::LazyLock};

/// What a field claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Claim {
    /// Several of the following at once, as `Forwarded` does (RFC 7239).
    Forwarding,
    /// The client's address.
    Address,
    /// The client's certificate, or what its verification found.
    Certificate,
    /// The host that was asked.
    Host,
    /// Whether the client speaks HTTPS.
    Scheme,
    /// The path or the whole target that was asked, or its beginning.
    Path,
    /// The method.
    Method,
}

impl Claim {
    /// Whether only a proxy sends such a field. Clients send fields that change the method, where firewalls or forms
    /// leave them no other way.
    #[must_use]
    pub const fn is_of_a_proxy(self) -> bool {
        !matches!(self, Claim::Method)
    }
}

/// The fields, in lower case. A name that ends in `*` stands for all that begin like it.
///
/// ```
/// use palisade_core::firewall::{CLAIMS, Claim, claim_of};
///
/// assert!(CLAIMS.contains(&("x-forwarded-*", Claim::Forwarding)));
/// assert_eq!(claim_of("x-forwarded-for"), Some(Claim::Forwarding));
/// assert_eq!(claim_of("x_real_ip"), Some(Claim::Address));
/// assert_eq!(claim_of("accept"), None);
/// ```
pub const CLAIMS: &[(&str, Claim)] = &[
    // RFC 7239, and what came before it.
    ("forwarded", Claim::Forwarding),
    ("x-forwarded", Claim::Forwarding),
    ("x-forwarded-*", Claim::Forwarding),
    ("x-original-forwarded-*", Claim::Forwarding),
    ("fly-forwarded-*", Claim::Forwarding),
    // Proxies and load balancers.
    ("client-ip", Claim::Address),
    ("cluster-client-ip", Claim::Address),
    ("coming-from", Claim::Address),
    ("forwarded-for", Claim::Address),
    ("forwarded-for-ip", Claim::Address),
    ("proxy-client-ip", Claim::Address),
    ("real-ip", Claim::Address),
    ("remote-addr", Claim::Address),
    ("remote-ip", Claim::Address),
    ("true-client-ip", Claim::Address),
    ("x-client-ip", Claim::Address),
    ("x-client-port", Claim::Address),
    ("x-cluster-client-ip", Claim::Address),
    ("x-coming-from", Claim::Address),
    ("x-custom-ip-authorization", Claim::Address),
    ("x-envoy-external-address", Claim::Address),
    ("x-envoy-internal", Claim::Address),
    ("x-forward", Claim::Address),
    ("x-forward-for", Claim::Address),
    ("x-ms-forwarded-client-ip", Claim::Address),
    ("x-original-for", Claim::Address),
    ("x-original-ip", Claim::Address),
    ("x-original-remote-addr", Claim::Address),
    ("x-originating-ip", Claim::Address),
    ("x-proxyuser-ip", Claim::Address),
    ("x-real-ip", Claim::Address),
    ("x-real-port", Claim::Address),
    ("x-remote-addr", Claim::Address),
    ("x-remote-ip", Claim::Address),
    ("x-remote-port", Claim::Address),
    ("x-source-ip", Claim::Address),
    ("x-true-client-ip", Claim::Address),
    ("x-true-ip", Claim::Address),
    // Content delivery networks and clouds.
    ("ali-cdn-real-ip", Claim::Address),
    ("cdn-real-ip", Claim::Address),
    ("cdn-src-ip", Claim::Address),
    ("cf-connecting-ip", Claim::Address),
    ("cf-connecting-ipv6", Claim::Address),
    ("cf-pseudo-ipv4", Claim::Address),
    ("cloudfront-viewer-address", Claim::Address),
    ("do-connecting-ip", Claim::Address),
    ("eo-client-ip", Claim::Address),
    ("eo-connecting-ip", Claim::Address),
    ("fastly-client", Claim::Address),
    ("fastly-client-ip", Claim::Address),
    ("fly-client-ip", Claim::Address),
    ("incap-client-ip", Claim::Address),
    ("x-appengine-remote-addr", Claim::Address),
    ("x-appengine-user-ip", Claim::Address),
    ("x-azure-clientip", Claim::Address),
    ("x-azure-socketip", Claim::Address),
    ("x-nf-client-connection-ip", Claim::Address),
    ("x-sucuri-clientip", Claim::Address),
    ("x-vercel-forwarded-for", Claim::Address),
    ("x-vercel-proxied-for", Claim::Address),
    // WebLogic: the address, the certificate and the scheme.
    ("wl-proxy-*", Claim::Certificate),
    // RFC 9440, and names of the same stem.
    ("client-cert*", Claim::Certificate),
    ("x-client-cert*", Claim::Certificate),
    ("x-client-dn", Claim::Certificate),
    ("x-client-s-dn", Claim::Certificate),
    ("x-client-verify", Claim::Certificate),
    ("x-client-tls-*", Claim::Certificate),
    ("x-tls-client-*", Claim::Certificate),
    ("x-mtls-*", Claim::Certificate),
    // Apache's variables as nginx, HAProxy, Tomcat and Keycloak spell them.
    ("cert-chain", Claim::Certificate),
    ("ssl-*", Claim::Certificate),
    ("sslclient*", Claim::Certificate),
    ("tls-client-*", Claim::Certificate),
    ("x-ssl", Claim::Certificate),
    ("x-ssl-*", Claim::Certificate),
    // Jetty.
    ("proxy-auth-cert", Claim::Certificate),
    ("proxy-ssl-id", Claim::Certificate),
    // Azure, AWS, Cloudflare, CloudFront.
    ("x-arr-clientcert", Claim::Certificate),
    ("x-amzn-mtls-*", Claim::Certificate),
    ("cf-client-cert-*", Claim::Certificate),
    ("cloudfront-viewer-cert-*", Claim::Certificate),
    ("disguised-host", Claim::Host),
    ("fastly-orig-host", Claim::Host),
    ("host-override", Claim::Host),
    ("remote-host", Claim::Host),
    ("was-default-hostname", Claim::Host),
    ("x-backend-host", Claim::Host),
    ("x-envoy-original-dst-host", Claim::Host),
    ("x-envoy-original-host", Claim::Host),
    ("x-forward-host", Claim::Host),
    ("x-host", Claim::Host),
    ("x-host-override", Claim::Host),
    ("x-http-host", Claim::Host),
    ("x-http-host-override", Claim::Host),
    ("x-orig-host", Claim::Host),
    ("x-original-host", Claim::Host),
    ("x-original-port", Claim::Host),
    ("x-proxy-host", Claim::Host),
    ("x-real-host", Claim::Host),
    ("x-remote-host", Claim::Host),
    ("x-server-name", Claim::Host),
    ("cf-visitor", Claim::Scheme),
    ("cloudfront-forwarded-proto", Claim::Scheme),
    ("fastly-ssl", Claim::Scheme),
    ("front-end-https", Claim::Scheme),
    ("https", Claim::Scheme),
    ("x-appengine-https", Claim::Scheme),
    ("x-arr-ssl", Claim::Scheme),
    ("x-client-proto", Claim::Scheme),
    ("x-client-scheme", Claim::Scheme),
    ("x-forward-proto", Claim::Scheme),
    ("x-https", Claim::Scheme),
    ("x-original-proto", Claim::Scheme),
    ("x-original-scheme", Claim::Scheme),
    ("x-proto", Claim::Scheme),
    ("x-proxied-https", Claim::Scheme),
    ("x-real-proto", Claim::Scheme),
    ("x-scheme", Claim::Scheme),
    ("x-url-scheme", Claim::Scheme),
    ("path-info", Claim::Path),
    ("request-uri", Claim::Path),
    ("script-name", Claim::Path),
    ("unencoded-url", Claim::Path),
    ("x-envoy-original-path", Claim::Path),
    ("x-http-destinationurl", Claim::Path),
    ("x-http-path-override", Claim::Path),
    ("x-original-path", Claim::Path),
    ("x-original-prefix", Claim::Path),
    ("x-original-uri", Claim::Path),
    ("x-original-url", Claim::Path),
    ("x-override-uri", Claim::Path),
    ("x-override-url", Claim::Path),
    ("x-path-info", Claim::Path),
    ("x-replaced-path", Claim::Path),
    ("x-request-uri", Claim::Path),
    ("x-request-url", Claim::Path),
    ("x-rewrite-uri", Claim::Path),
    ("x-rewrite-url", Claim::Path),
    ("x-script-name", Claim::Path),
    ("x-waws-unencoded-url", Claim::Path),
    ("http-method-override", Claim::Method),
    ("x-envoy-original-method", Claim::Method),
    ("x-http-method", Claim::Method),
    ("x-http-method-override", Claim::Method),
    ("x-method", Claim::Method),
    ("x-method-override", Claim::Method),
    ("x-original-method", Claim::Method),
];

/// What the field of this name, given in lower case, claims.
#[must_use]
pub fn claim_of(name: &str) -> Option<Claim> {
    let first = *name.as_bytes().first()?;
    // Nearly every line of nearly every request ends here.
    let candidates = TABLE.get(usize::from(first))?;
    let exact = candidates
        .exact
        .binary_search_by(|(own, _)| order(own, name));
    match exact {
        Ok(place) => candidates.exact.get(place).map(|(_, claim)| *claim),
        Err(_) => {
            let mut families = candidates.families.iter();
            families
                .find(|(stem, _)| {
                    let start = name.as_bytes().get(..stem.len());
                    start.is_some_and(|start| start.iter().copied().map(folded).eq(stem.bytes()))
                })
                .map(|(_, claim)| *claim)
        }
    }
}

/// The fields that begin with one letter.
#[derive(Debug, Default)]
struct Candidates {
    /// In order.
    exact: Vec<(&'static str, Claim)>,
    /// The beginnings of names.
    families: Vec<(&'static str, Claim)>,
}

/// By first letter.
static TABLE: LazyLock<Vec<Candidates>> = LazyLock::new(|| {
    let mut table: Vec<Candidates> = (0..=u8::MAX).map(|_| Candidates::default()).collect();
    for &(name, claim) in CLAIMS {
        let first = name.as_bytes().first().copied().unwrap_or_default();
        let Some(candidates) = table.get_mut(usize::from(first)) else {
            continue;
        };
        match name.strip_suffix('*') {
            Some(stem) => candidates.families.push((stem, claim)),
            None => candidates.exact.push((name, claim)),
        }
    }
    for candidates in &mut table {
        candidates.exact.sort_unstable_by_key(|(name, _)| *name);
    }
    table
});

fn folded(byte: u8) -> u8 {
    if byte == b'_' { b'-' } else { byte }
}

fn order(own: &str, name: &str) -> Ordering {
    own.bytes().cmp(name.bytes().map(folded))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_field_is_found_by_its_name_and_with_underscores() {
        let mut names = HashSet::new();
        for &(name, claim) in CLAIMS {
            assert!(names.insert(name), "{name} twice");
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            assert!(
                name.bytes()
                    .all(|byte| plain(byte) || b"-*".contains(&byte)),
                "{name}"
            );
            let name = name.replace('*', "x-1");
            for spelling in [name.replace('-', "_"), name.replacen('-', "_", 1), name] {
                assert_eq!(claim_of(&spelling), Some(claim), "{spelling}");
            }
        }
    }

    #[test]
    fn fields_of_clients_and_of_tracing_are_left_alone() {
        for name in [
            "",
            "a",
            "accept",
            "authorization",
            "content-type",
            "cookie",
            "expect",
            "from",
            "host",
            "origin",
            "referer",
            "sec-fetch-site",
            "user-agent",
            "via",
            "x-api-key",
            "x-client",
            "x-correlation-id",
            "x-request-id",
            "x-requested-with",
            "x-original-filename",
            "cf-ray",
            "cf-ipcountry",
            "x-amzn-trace-id",
            "traceparent",
            "x-cloud-trace-context",
            "x-hos",
            "x-hostt",
            "forwarde",
        ] {
            assert_eq!(claim_of(name), None, "{name}");
        }
    }
}
