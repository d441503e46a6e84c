//! What `Cache-Control` lets caches do with a response (RFC 9111 §5.2.2).

/// What all lines of the field say together.
#[derive(Debug, Default)]
pub(super) struct Caching {
    keeps: bool,
    shares: bool,
}

impl Caching {
    /// Reads one line of the field.
    pub(super) fn note(&mut self, value: &[u8]) {
        self.keeps |= names(value, &[b"private", b"no-cache", b"no-store"]);
        self.shares |= names(value, &[b"public", b"s-maxage"]);
    }

    /// Whether no shared cache may answer others with the response.
    pub(super) fn is_private(&self) -> bool {
        self.keeps && !self.shares
    }
}

/// The elements of a comma-separated list, trimmed (RFC 9110 §5.6.1).
pub(super) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&b| b == b',').map(<[u8]>::trim_ascii)
}

/// Whether a value holds one of these directives.
fn names(value: &[u8], directives: &[&[u8]]) -> bool {
    list(value).any(|element| {
        let end = element.iter().position(|&b| b == b'=');
        let name = element.get(..end.unwrap_or(element.len()));
        let name = name.unwrap_or_default().trim_ascii();
        directives.iter().any(|own| name.eq_ignore_ascii_case(own))
    })
}
