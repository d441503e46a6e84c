//! Reading credentials: exactly one of them, from schemes that the rule accepts.

use super::compiled::Compiled;
use crate::{
    engine::rules::CompiledRule,
    scheme::{Carrier, Credential, Fit, Presented, scheme_name},
    view::View,
};

/// What a request presented to the schemes of its rule.
#[derive(Debug)]
pub(super) enum Found<'h> {
    /// No credential.
    Nothing,
    /// An `Authorization` that no scheme of the rule knows.
    UnknownAuthorization,
    /// The request is malformed; the scheme is named if one was presented.
    Malformed {
        scheme: Option<usize>,
        cause: &'static str,
    },
    /// One credential to verify.
    One(Candidate<'h>),
}

/// A credential and the scheme to verify it.
#[derive(Debug)]
pub(super) struct Candidate<'h> {
    pub(super) scheme: usize,
    pub(super) credential: Credential<'h>,
}

/// What reading found.
#[derive(Debug)]
pub(super) struct Reading<'h> {
    pub(super) found: Found<'h>,
    /// Whether a cookie was ignored because an explicit credential came with it.
    pub(super) ambient_ignored: bool,
}

/// How much a scheme holds a credential for its own.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    None,
    Rest,
    Own,
}

impl Compiled {
    /// Asks every scheme of the rule what it finds in the head.
    pub(super) fn read<'h>(&self, rule: &CompiledRule, view: &View<'h>) -> Reading<'h> {
        let mut explicit: Option<Candidate<'h>> = None;
        let mut ambient: Option<Candidate<'h>> = None;
        let mut malformed: Option<Found<'h>> = None;

        // RFC 9110 §5.3: Authorization is no list, so a second line is an attack on whoever
        // reads only one of them.
        if view.authorization().len() > 1 {
            malformed = Some(Found::Malformed {
                scheme: self.bearer_presented(rule, view),
                cause: "repeated_authorization",
            });
        }
        for &index in &rule.schemes {
            let Some(own) = self.schemes.get(index) else {
                continue;
            };
            match own.scheme.read(view) {
                Presented::Nothing => {}
                Presented::Malformed(cause) => {
                    malformed.get_or_insert(Found::Malformed {
                        scheme: Some(index),
                        cause,
                    });
                }
                Presented::Credential(credential) => {
                    let candidate = Candidate {
                        scheme: index,
                        credential,
                    };
                    let slot = match self.carrier(&candidate).is_some_and(Carrier::is_ambient) {
                        true => &mut ambient,
                        false => &mut explicit,
                    };
                    match slot.take() {
                        None => *slot = Some(candidate),
                        Some(first) if self.carrier(&first) == self.carrier(&candidate) => {
                            *slot = Some(self.prefer(first, candidate));
                        }
                        Some(first) => {
                            malformed.get_or_insert(Found::Malformed {
                                scheme: Some(first.scheme),
                                cause: "two_credentials",
                            });
                            *slot = Some(first);
                        }
                    }
                }
            }
        }

        let ambient_ignored =
            explicit.is_some() && (ambient.is_some() || self.sends_cookie(rule, view));
        let found = match (malformed, explicit.or(ambient)) {
            (Some(malformed), _) => malformed,
            (None, Some(one)) => Found::One(one),
            (None, None) if !view.authorization().is_empty() => Found::UnknownAuthorization,
            (None, None) => Found::Nothing,
        };
        Reading {
            found,
            ambient_ignored,
        }
    }

    /// Where the credential travelled.
    pub(super) fn carrier(&self, candidate: &Candidate<'_>) -> Option<&Carrier> {
        let scheme = self.schemes.get(candidate.scheme)?;
        scheme.scheme.carriers().get(candidate.credential.carrier)
    }

    /// Of two schemes that read the same place, the one that recognises the credential, of both the
    /// better fit; then the first that takes the rest.
    fn prefer<'h>(&self, first: Candidate<'h>, second: Candidate<'h>) -> Candidate<'h> {
        let claim = |candidate: &Candidate<'h>| match self.schemes.get(candidate.scheme) {
            Some(own) if own.scheme.takes_the_rest() => Claim::Rest,
            Some(own) if own.scheme.recognises(&candidate.credential) => Claim::Own,
            _ => Claim::None,
        };
        let fit = |candidate: &Candidate<'h>| {
            let own = self.schemes.get(candidate.scheme);
            own.map_or(Fit::Unlikely, |own| own.scheme.fit(&candidate.credential))
        };
        // Looking at a token takes time: the second is asked only where the first is not sure.
        let is_better = match claim(&first) {
            Claim::Own => {
                let own = fit(&first);
                own < Fit::Exact && claim(&second) == Claim::Own && fit(&second) > own
            }
            own => claim(&second) > own,
        };
        match is_better {
            true => second,
            false => first,
        }
    }

    /// The scheme that a refusal tells what is wrong with the request: one that an
    /// `Authorization` line names, and whose clients understand `error` (RFC 6750 §3.1).
    pub(super) fn bearer_presented(&self, rule: &CompiledRule, view: &View<'_>) -> Option<usize> {
        let named = |place: &Carrier| match place {
            Carrier::Authorization(name) => view
                .authorization()
                .iter()
                .any(|line| scheme_name(line).eq_ignore_ascii_case(name.as_bytes())),
            _ => false,
        };
        rule.schemes.iter().copied().find(|&index| {
            self.schemes
                .get(index)
                .is_some_and(|own| own.is_bearer_like && own.scheme.carriers().iter().any(named))
        })
    }

    /// Whether there is a cookie that could carry a credential of the rule.
    fn sends_cookie(&self, rule: &CompiledRule, view: &View<'_>) -> bool {
        rule.accepts_ambient
            && rule
                .schemes
                .iter()
                .filter_map(|&index| self.schemes.get(index))
                .flat_map(|own| own.scheme.carriers())
                .any(|place| match place {
                    Carrier::Cookie(name) => view.cookie(name).next().is_some(),
                    _ => false,
                })
    }
}
