//! Response fields whose values are known when the policy is compiled.

use http::{HeaderName, HeaderValue};
use std::{any::Any, fmt, sync::OnceLock};

/// The response fields of a compiled policy that never change from request to request.
///
/// They are named by index, so that an adapter whose framework has header types of its own
/// converts all of them once ([`converted`](Self::converted)) instead of on every response.
#[derive(Default)]
pub struct KnownFields {
    fields: Vec<(HeaderName, HeaderValue)>,
    converted: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl KnownFields {
    /// The field at `index`.
    pub fn get(&self, index: usize) -> Option<&(HeaderName, HeaderValue)> {
        self.fields.get(index)
    }

    /// All fields, in the order of their indices.
    pub fn iter(&self) -> impl Iterator<Item = &(HeaderName, HeaderValue)> {
        self.fields.iter()
    }

    /// The table in an adapter's own types: made by `convert` on first use, kept with the
    /// policy, `None` if another type has been kept already.
    pub fn converted<T: Any + Send + Sync>(&self, convert: impl FnOnce(&Self) -> T) -> Option<&T> {
        self.converted
            .get_or_init(|| Box::new(convert(self)))
            .downcast_ref()
    }

    /// Adds a field while the policy is compiled, and returns its index.
    pub(crate) fn add(&mut self, name: HeaderName, value: HeaderValue) -> usize {
        self.fields.push((name, value));
        self.fields.len() - 1
    }
}

impl fmt::Debug for KnownFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.fields).finish()
    }
}
