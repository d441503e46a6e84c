//! Sections of a policy that stand alone: each is read, named, described and fitted in by one file.
//!
//! To add one: write a file beside these (its plain data, its reader, its [`Part`]), and add its `PartKind` to `KINDS`. The
//! reference of the policy file gets its rows.

mod security_txt;

pub use security_txt::SecurityTxt;

use crate::{
    config::{Mistakes, Section},
    endpoint::Endpoint,
    scheme::BuildContext,
};
use serde_json::Value;
use std::{fmt::Debug, hash::Hasher, sync::Arc};

/// Every part that a policy file can have.
pub(crate) const KINDS: &[PartKind] = &[security_txt::KIND];

/// How a policy file writes a part: `[section]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PartKind {
    /// The table's name.
    pub(crate) section: &'static str,
    /// Reads the table into plain data, reporting every mistake.
    pub(crate) read: fn(section: &mut Section<'_, '_>) -> Box<dyn Part>,
}

/// A section of the policy that stands alone, as it was written: plain data that adds something to what Palisade does.
///
/// [`Policy::part`](crate::Policy::part) adds one in Rust.
pub trait Part: Debug + Send + Sync {
    /// The table's name in a policy file, and in descriptions.
    fn section(&self) -> &'static str;

    /// Feeds everything that is configured into the hash that names the version of the policy; mostly by deriving `Hash`.
    /// The name shows in the log: what somebody could guess must not be in it.
    fn fingerprint(&self, content: &mut dyn Hasher);

    /// Every setting under its key, defaults filled in, without any secret.
    fn describe(&self) -> Value;

    /// Checks everything, and adds what it is there for; whatever is wrong is reported under [`section`](Self::section).
    fn fit(&self, context: &BuildContext<'_>, fittings: &mut Fittings, mistakes: &mut Mistakes);
}

/// What the parts of a policy add to it.
#[derive(Debug, Default)]
pub struct Fittings {
    pub(crate) endpoints: Vec<Arc<dyn Endpoint>>,
}

impl Fittings {
    /// Adds a path that core answers.
    pub fn endpoint(&mut self, endpoint: impl Endpoint + 'static) {
        self.endpoints.push(Arc::new(endpoint));
    }
}
