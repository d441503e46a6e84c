//! The schemes of a policy, and the challenges by which refusals ask for their credentials.

use crate::{
    cause::{Cause, Word},
    config::Mistakes,
    outage::Outage,
    policy::Policy,
    problem::{Code, Reason},
    scheme::{BuildContext, Carrier, Challenge, Scheme, with_parameter},
    view::View,
};
use http::{HeaderName, HeaderValue, header};
use smallvec::SmallVec;
use std::sync::Arc;

/// All of them, in the order of the policy.
#[derive(Debug)]
pub(super) struct Schemes {
    list: Vec<CompiledScheme>,
    /// Whether a scheme is HTTP Basic, which scripts are not asked for.
    asks_for_basic: bool,
    /// Where the metadata of the resource is.
    metadata_url: Option<String>,
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SchemeId(usize);

/// A scheme and its challenges, written once.
#[derive(Debug)]
pub(crate) struct CompiledScheme {
    pub(crate) scheme: Arc<dyn Scheme>,
    pub(crate) challenges: Option<Challenges>,
    pub(crate) is_bearer_like: bool,
    pub(crate) is_basic: bool,
    pub(crate) outage: Outage,
}

/// The parameter that tells where the metadata of the resource is (RFC 9728 §5.1).
const RESOURCE_METADATA: &str = "resource_metadata";

/// The challenges of a scheme that do not depend on the request.
#[derive(Debug)]
pub(crate) struct Challenges {
    pub(crate) bare: HeaderValue,
    pub(crate) invalid_token: HeaderValue,
    pub(crate) invalid_request: HeaderValue,
    /// To be followed by the scopes and the place of the metadata.
    pub(crate) insufficient_scope: HeaderValue,
}

/// Who is refused: which challenges the refusal has depends on it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker<'a> {
    /// The schemes that its rule accepts.
    pub(super) accepted: &'a [SchemeId],
    /// Whether a page's code sent the request (Fetch Metadata §2.2). To it, a browser would show
    /// a login dialogue that the page did not ask for, where Basic is asked for.
    pub(super) is_script: bool,
}

impl Schemes {
    /// Compiles every scheme of the policy; challenges name `metadata_url`, where the resource has metadata.
    pub(super) fn compile(
        policy: &Policy,
        context: &BuildContext<'_>,
        metadata_url: Option<&str>,
        mistakes: &mut Mistakes,
    ) -> Self {
        let with_challenges = |scheme| CompiledScheme::new(scheme, metadata_url);
        let mut names: Vec<&str> = Vec::new();
        let mut compiled = Vec::new();
        for config in &policy.schemes {
            if names.contains(&config.name()) {
                mistakes.add(
                    "",
                    format!("two schemes are named {:?}; rename one", config.name()),
                );
            }
            names.push(config.name());
            compiled.extend(config.compile(context, mistakes).map(with_challenges));
        }
        let custom = policy.custom_schemes().iter().cloned();
        compiled.extend(custom.map(with_challenges));
        Self {
            asks_for_basic: compiled.iter().any(|own: &CompiledScheme| own.is_basic),
            metadata_url: metadata_url.map(str::to_owned),
            list: compiled,
        }
    }

    pub(super) fn get(&self, id: SchemeId) -> Option<&CompiledScheme> {
        self.list.get(id.0)
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, CompiledScheme> {
        self.list.iter()
    }

    /// All of them, with their ids.
    pub(super) fn by_id(&self) -> impl Iterator<Item = (SchemeId, &CompiledScheme)> {
        let all = self.list.iter().enumerate();
        all.map(|(index, scheme)| (SchemeId(index), scheme))
    }

    /// The one of this name.
    pub(super) fn named(&self, name: &str) -> Option<SchemeId> {
        let mut all = self.by_id();
        all.find_map(|(id, compiled)| (compiled.scheme.name() == name).then_some(id))
    }

    /// Some of them.
    pub(super) fn these<'s>(
        &'s self,
        ids: &'s [SchemeId],
    ) -> impl Iterator<Item = &'s CompiledScheme> {
        ids.iter().filter_map(|&id| self.get(id))
    }

    /// Whether trying might hit on a credential of the scheme; a request that presents none is no guess.
    pub(super) fn is_guessable(&self, scheme: Option<SchemeId>) -> bool {
        let presented = scheme.and_then(|id| self.get(id));
        presented.is_some_and(|presented| presented.scheme.is_guessable())
    }

    /// Whether a page's code sent the request (Fetch Metadata §2.2), where that changes what a refusal asks for.
    pub(super) fn is_script(&self, view: &View<'_>) -> bool {
        let mut modes = view.named("sec-fetch-mode");
        self.asks_for_basic && modes.any(|mode| mode != b"navigate")
    }

    /// Headers of their own that credentials travel in: pages of allowed origins may send them.
    pub(super) fn headers(&self) -> Vec<HeaderName> {
        self.list
            .iter()
            .flat_map(|own| own.scheme.carriers())
            .filter_map(|carrier| match carrier {
                Carrier::Header(name) => Some(name.clone()),
                _ => None,
            })
            .collect()
    }

    /// RFC 6750 §3.1: only a bearer credential is told what is missing.
    pub(super) fn insufficient_scope(&self, scheme: Option<SchemeId>, scopes: &str) -> Reason {
        let reason = Reason::new(Code::InsufficientScope, Cause::ScopeMissing);
        let presented = scheme.and_then(|id| self.get(id));
        let challenge = presented
            .filter(|presented| presented.is_bearer_like)
            .and_then(|presented| presented.challenges.as_ref());
        let Some(challenges) = challenge else {
            return reason;
        };
        let mut value = with_parameter(&challenges.insufficient_scope, "scope", scopes);
        if let Some(url) = &self.metadata_url {
            value = with_parameter(&value, RESOURCE_METADATA, url);
        }
        reason.header(header::WWW_AUTHENTICATE, value)
    }

    /// RFC 9110 §11.6.1: the bare challenges of every scheme that the rule accepts; 403 where
    /// none of them can be asked for over HTTP.
    pub(super) fn credentials_required(&self, asker: Asker<'_>, cause: Cause) -> Reason {
        let schemes = asker.accepted;
        let mut known = schemes.iter().filter_map(|&id| self.get(id));
        if !schemes.is_empty() && !known.any(|scheme| scheme.challenges.is_some()) {
            return Reason::new(Code::ClientCertificateRequired, cause);
        }
        let challenges = self.challenge_lines(asker, None);
        Reason::new(Code::CredentialsRequired, cause).challenges(challenges)
    }

    /// The credential of the scheme is bad: its challenge first, with the error; the others
    /// bare.
    pub(super) fn invalid_token(
        &self,
        asker: Asker<'_>,
        scheme: Option<SchemeId>,
        word: impl Into<Word>,
    ) -> Reason {
        Reason::new(Code::InvalidToken, word).challenges(self.challenge_lines(asker, scheme))
    }

    /// The request is malformed; only a scheme that was presented and understands it is told so.
    pub(super) fn invalid_request(&self, scheme: Option<SchemeId>, word: Word) -> Reason {
        let reason = Reason::new(Code::InvalidRequest, word);
        let presented = scheme.and_then(|id| self.get(id));
        match presented.and_then(|presented| presented.challenges.as_ref()) {
            Some(challenges) => {
                reason.header(header::WWW_AUTHENTICATE, challenges.invalid_request.clone())
            }
            None => reason,
        }
    }

    fn challenge_lines(
        &self,
        asker: Asker<'_>,
        failed: Option<SchemeId>,
    ) -> Vec<(HeaderName, HeaderValue)> {
        let mut lines: Vec<(HeaderName, HeaderValue)> = Vec::new();
        let mut asked: SmallVec<[&HeaderValue; 4]> = SmallVec::new();
        let failed_first = failed.into_iter().chain(asker.accepted.iter().copied());
        for id in failed_first {
            let scheme = self.get(id);
            let scheme = scheme.filter(|scheme| !(scheme.is_basic && asker.is_script));
            let Some(challenges) = scheme.and_then(|scheme| scheme.challenges.as_ref()) else {
                continue;
            };
            // Two schemes may ask in the same words, as two issuers of bearer tokens do.
            if asked.contains(&&challenges.bare) {
                continue;
            }
            asked.push(&challenges.bare);
            let value = match failed == Some(id) {
                true => &challenges.invalid_token,
                false => &challenges.bare,
            };
            lines.push((header::WWW_AUTHENTICATE, value.clone()));
        }
        lines
    }
}

impl CompiledScheme {
    fn new(scheme: Arc<dyn Scheme>, metadata_url: Option<&str>) -> Self {
        let challenge = scheme.challenge();
        let is_bearer_like = challenge.as_ref().is_some_and(|one| one.is_bearer_like());
        let metadata_url = metadata_url.filter(|_| is_bearer_like);
        let write = |challenge: Challenge| match metadata_url {
            Some(url) => challenge.with(RESOURCE_METADATA, url),
            None => challenge,
        };
        Self {
            is_bearer_like,
            is_basic: challenge.as_ref().is_some_and(|one| one.is_basic()),
            challenges: challenge.map(|one| Challenges {
                bare: write(one.clone()).to_value(),
                invalid_token: write(one.clone().with("error", "invalid_token")).to_value(),
                invalid_request: write(one.clone().with("error", "invalid_request")).to_value(),
                insufficient_scope: one.with("error", "insufficient_scope").to_value(),
            }),
            scheme,
            outage: Outage::default(),
        }
    }
}
