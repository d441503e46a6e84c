//! What stands beside a server under test: an authorization server, where its policy names one.

use std::sync::Arc;

use crate::case::CaseText;
use crate::issuer::Issuer;
use crate::keys::Keys;
use crate::suite::File;

const NO_ISSUER: &str = "the policy does not name the `{issuer}` that is used here";

/// The services that one server under test depends on.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    pub(crate) issuer: Option<Issuer>,
}

impl Beside {
    /// Starts what `policy` names.
    pub(crate) fn start(policy: &str, keys: &Arc<Keys>) -> Result<Self, String> {
        let issuer = policy
            .contains("{issuer}")
            .then(|| Issuer::start(keys.clone()));
        Ok(Self {
            issuer: issuer.transpose()?,
        })
    }

    /// Has the issuer answer as `step` says; times count from `now`.
    pub(crate) fn prepare(
        &self,
        file: &File,
        keys: &Keys,
        step: &CaseText,
        each: Option<&str>,
        now: u64,
    ) -> Result<(), String> {
        for text in &step.issuer.0 {
            let issuer = self.issuer.as_ref().ok_or(NO_ISSUER)?;
            let token = |name: &str| file.mint(name, keys, self, now);
            issuer.say(&text.with_each(each), &token, now)?;
        }
        Ok(())
    }

    /// Replaces `{issuer}`.
    pub(crate) fn expand(&self, text: &str) -> Result<String, String> {
        if !text.contains("{issuer}") {
            return Ok(text.to_owned());
        }
        let issuer = self.issuer.as_ref();
        let issuer = issuer.ok_or(NO_ISSUER)?;
        Ok(text.replace("{issuer}", &issuer.url()))
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
