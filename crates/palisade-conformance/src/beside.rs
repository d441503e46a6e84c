//! What stands beside a server under test: an authorization server, a database, where its policy names them.

use std::sync::Arc;

use crate::issuer::Issuer;
use crate::keys::Keys;
use crate::stored::Stored;

pub(crate) const NO_ISSUER: &str = "the policy does not name the `{issuer}` that is used here";

pub(crate) const NO_STORE: &str = "the policy does not name the `{store}` that is used here";

/// The services that one server under test depends on.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    pub(crate) issuer: Option<Issuer>,
    pub(crate) stored: Option<Stored>,
}

impl Beside {
    /// Starts what `policy` names.
    pub(crate) fn start(policy: &str, keys: &Arc<Keys>) -> Result<Self, String> {
        let issuer = policy
            .contains("{issuer}")
            .then(|| Issuer::start(keys.clone()));
        let stored = policy.contains("{store}").then(Stored::start);
        Ok(Self {
            issuer: issuer.transpose()?,
            stored: stored.transpose()?,
        })
    }

    /// Replaces `{issuer}` and `{store}`.
    pub(crate) fn expand(&self, text: &str) -> Result<String, String> {
        let mut expanded = text.to_owned();
        if text.contains("{issuer}") {
            let issuer = self.issuer.as_ref().ok_or(NO_ISSUER)?;
            expanded = expanded.replace("{issuer}", &issuer.url());
        }
        if text.contains("{store}") {
            let stored = self.stored.as_ref().ok_or(NO_STORE)?;
            expanded = expanded.replace("{store}", &stored.url());
        }
        Ok(expanded)
    }

    /// The text of the key that is stored under this name.
    pub(crate) fn stored(&self, name: &str) -> Result<String, String> {
        self.stored.as_ref().ok_or(NO_STORE)?.key(name)
    }

    /// Whether there is anything.
    pub(crate) fn is_something(&self) -> bool {
        self.issuer.is_some() || self.stored.is_some()
    }

    /// Takes out what differs from one run to the next.
    pub(crate) fn normalise(&self, response: Vec<u8>) -> Vec<u8> {
        match &self.issuer {
            Some(issuer) => replace(response, issuer.url().as_bytes(), b"{issuer}"),
            None => response,
        }
    }
}

fn replace(bytes: Vec<u8>, old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut replaced = Vec::with_capacity(bytes.len());
    let mut rest = bytes.as_slice();
    while let Some((first, tail)) = rest.split_first() {
        match rest.strip_prefix(old) {
            Some(after) => {
                replaced.extend_from_slice(new);
                rest = after;
            }
            None => {
                replaced.push(*first);
                rest = tail;
            }
        }
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_out() {
        let replaced = replace(b"a xyx xyxy b".to_vec(), b"xy", b"{}");
        assert_eq!(replaced, b"a {}x {}{} b");
    }

    #[test]
    fn a_policy_without_an_issuer_has_none() {
        let beside = Beside::default();
        assert_eq!(beside.expand("{host}").as_deref(), Ok("{host}"));
        assert!(beside.expand("{issuer}/x").is_err());
    }
}
