//! Where a claim stands in the claims set.

use std::fmt;

/// The place of a claim: a plain name at the top level, or a JSON Pointer (RFC 6901) into nested objects.
///
/// `scope` and `https://example.com/roles` are names, `/realm_access/roles` is a pointer. A dot means nothing, because
/// names with dots are common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClaimPath {
    names: Vec<String>,
}

impl ClaimPath {
    /// Reads the notation above.
    #[must_use]
    pub fn new(path: &str) -> Self {
        let names = match path.strip_prefix('/') {
            Some(pointer) => pointer
                .split('/')
                .map(|name| name.replace("~1", "/").replace("~0", "~"))
                .collect(),
            None => vec![path.to_owned()],
        };
        Self { names }
    }

    /// The path that no claim is at.
    pub(super) fn nowhere() -> Self {
        Self { names: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    pub(super) fn name_at(&self, depth: usize) -> Option<&str> {
        self.names.get(depth).map(String::as_str)
    }

    /// Whether a name in it is empty: nothing sensible is called that.
    pub(super) fn has_empty_name(&self) -> bool {
        self.names.iter().any(String::is_empty)
    }

    /// Whether the value of `self` would have to be an object that `other` looks into.
    pub(super) fn contains(&self, other: &Self) -> bool {
        !self.names.is_empty() && self.len() < other.len() && other.names.starts_with(&self.names)
    }
}

impl From<&str> for ClaimPath {
    fn from(path: &str) -> Self {
        Self::new(path)
    }
}

impl fmt::Display for ClaimPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.names.as_slice() {
            [name] => f.write_str(name),
            names => names
                .iter()
                .try_for_each(|name| write!(f, "/{}", name.replace('~', "~0").replace('/', "~1"))),
        }
    }
}
