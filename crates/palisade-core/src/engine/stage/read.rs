//! Stage 7: reading credentials, exactly one of them, from schemes that the rule accepts.

use super::rule::CompiledRule;
use crate::{
    cause::Cause,
    engine::schemes::{SchemeId, Schemes},
    scheme::{Carrier, Credential, Fit, Presented, scheme_name},
    view::View,
};
use smallvec::SmallVec;
use std::borrow::Cow;
use zeroize::Zeroize;

/// What a request presented to the schemes of its rule.
#[derive(Debug)]
pub(in crate::engine) enum Found<'h> {
    /// No credential.
    Nothing,
    /// An `Authorization` that no scheme of the rule knows.
    UnknownAuthorization,
    /// The request is malformed; the scheme is named if one was presented.
    Malformed {
        scheme: Option<SchemeId>,
        /// The scheme that the refusal tells what is wrong.
        told: Option<SchemeId>,
        cause: &'static str,
    },
    /// One credential to verify.
    One(Candidate<'h>),
}

/// A credential and the scheme to verify it.
#[derive(Debug)]
pub(in crate::engine) struct Candidate<'h> {
    pub(in crate::engine) scheme: SchemeId,
    pub(in crate::engine) credential: Credential<'h>,
}

impl Found<'_> {
    fn malformed(scheme: Option<SchemeId>, cause: &'static str) -> Self {
        Found::Malformed {
            scheme,
            told: None,
            cause,
        }
    }

    /// The scheme whose credential was presented, well-formed or not.
    pub(in crate::engine) fn scheme(&self) -> Option<SchemeId> {
        match self {
            Found::One(candidate) => Some(candidate.scheme),
            Found::Malformed { scheme, .. } => *scheme,
            Found::Nothing | Found::UnknownAuthorization => None,
        }
    }

    /// A copy that outlives the head.
    pub(in crate::engine) fn hold(&self) -> Hold {
        Hold(match self {
            Found::Nothing => Found::Nothing,
            Found::UnknownAuthorization => Found::UnknownAuthorization,
            &Found::Malformed {
                scheme,
                told,
                cause,
            } => Found::Malformed {
                scheme,
                told,
                cause,
            },
            Found::One(candidate) => Found::One(Candidate {
                scheme: candidate.scheme,
                credential: Credential {
                    bytes: Cow::Owned(candidate.credential.bytes.to_vec()),
                    carrier: candidate.credential.carrier,
                },
            }),
        })
    }
}

/// What a request presented, held while something else is waited for. A credential in it is overwritten at the end.
#[derive(Debug)]
pub(in crate::engine) struct Hold(pub(in crate::engine) Found<'static>);

impl Drop for Hold {
    fn drop(&mut self) {
        if let Found::One(candidate) = &mut self.0
            && let Cow::Owned(bytes) = &mut candidate.credential.bytes
        {
            bytes.zeroize();
        }
    }
}

/// What reading found.
#[derive(Debug)]
pub(in crate::engine) struct Reading<'h> {
    pub(in crate::engine) found: Found<'h>,
    /// Whether something ambient was ignored because an explicit credential came with it.
    pub(in crate::engine) ambient_ignored: bool,
}

/// A place of the request that is not empty, and what is in it: the same for all schemes that
/// read this place, of which one is chosen.
struct Occupied<'c, 'h> {
    carrier: &'c Carrier,
    scheme: SchemeId,
    found: Result<Credential<'h>, &'static str>,
}

type Places<'c, 'h> = SmallVec<[Occupied<'c, 'h>; 2]>;

/// How much a scheme holds a credential for its own.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    None,
    Rest,
    Own,
}

impl Reading<'_> {
    /// What there is where no credential is read.
    pub(in crate::engine) const NOTHING: Self = Self {
        found: Found::Nothing,
        ambient_ignored: false,
    };
}

impl Schemes {
    /// Asks every scheme of the rule what it finds in the head.
    pub(in crate::engine) fn read<'h>(&self, rule: &CompiledRule, view: &View<'h>) -> Reading<'h> {
        let places = self.occupied(rule, view);
        let has = |wanted: fn(&Carrier) -> bool| places.iter().any(|place| wanted(place.carrier));
        let (ambient, explicit) = (has(Carrier::is_ambient), has(|place| !place.is_ambient()));
        // An explicit credential that no scheme here reads is not the same as none.
        let unknown = !view.authorization().is_empty()
            && !has(|place| matches!(place, Carrier::Authorization(_)));
        let found = if view.authorization().len() > 1 {
            // RFC 9110 §5.3: Authorization is no list, so a second line is an attack on whoever
            // reads only one of them.
            Found::malformed(
                self.bearer_presented(rule, view),
                Cause::RepeatedAuthorization.as_str(),
            )
        } else if explicit {
            the_one(
                places
                    .into_iter()
                    .filter(|place| !place.carrier.is_ambient()),
            )
        } else if unknown {
            Found::UnknownAuthorization
        } else {
            the_one(places.into_iter())
        };
        let found = match found {
            Found::Malformed { scheme, cause, .. } => Found::Malformed {
                scheme,
                told: self.bearer_presented(rule, view),
                cause,
            },
            found => found,
        };
        Reading {
            found,
            ambient_ignored: ambient && (explicit || unknown),
        }
    }

    /// The places that are not empty, in the order of the rule's schemes.
    fn occupied<'h>(&self, rule: &CompiledRule, view: &View<'h>) -> Places<'_, 'h> {
        let mut places = Places::new();
        for &scheme in &rule.schemes {
            let Some(own) = self.get(scheme) else {
                continue;
            };
            for (index, carrier) in own.scheme.carriers().iter().enumerate() {
                let found = match own.scheme.read(view, index) {
                    Presented::Nothing => continue,
                    Presented::Malformed(cause) => Err(cause),
                    Presented::Credential(credential) => Ok(credential),
                };
                let place = Occupied {
                    carrier,
                    scheme,
                    found,
                };
                match places.iter_mut().find(|known| known.carrier == carrier) {
                    Some(known) => self.settle_place(known, place),
                    None => places.push(place),
                }
            }
        }
        places
    }

    /// Whether a rule's schemes find anything at all, well-formed or not.
    pub(in crate::engine) fn are_presented(&self, rule: &CompiledRule, view: &View<'_>) -> bool {
        !matches!(self.read(rule, view).found, Found::Nothing)
    }

    /// Whether they find something that no browser sends by itself.
    pub(in crate::engine) fn are_sent_on_purpose(
        &self,
        rule: &CompiledRule,
        view: &View<'_>,
    ) -> bool {
        let mut places = self.occupied(rule, view).into_iter();
        places.any(|place| !place.carrier.is_ambient())
    }

    pub(in crate::engine) fn tell(&self, reading: &Reading<'_>, rule: &CompiledRule) -> String {
        match &reading.found {
            Found::Nothing => {
                let accepted = self.these(&rule.schemes);
                let places = accepted.flat_map(|own| own.scheme.carriers());
                let places: Vec<_> = places.map(ToString::to_string).collect();
                match places.is_empty() {
                    true => "no credential".to_owned(),
                    false => format!("no credential in {}", places.join(", ")),
                }
            }
            Found::UnknownAuthorization => {
                "an Authorization that no scheme of the rule reads".to_owned()
            }
            Found::Malformed { cause, .. } => (*cause).to_owned(),
            Found::One(candidate) => {
                let presented = self.get(candidate.scheme);
                let name = presented.map_or("", |presented| presented.scheme.name());
                let place = self.carrier(candidate).map(Carrier::to_string);
                let ignored = match reading.ambient_ignored {
                    true => "; a cookie beside it is ignored",
                    false => "",
                };
                format!(
                    "a credential for {name} in {}{ignored}",
                    place.unwrap_or_default()
                )
            }
        }
    }

    /// Two schemes read one place: a form that one of them does not know counts only if neither
    /// knows it.
    fn settle_place<'c, 'h>(&self, known: &mut Occupied<'c, 'h>, other: Occupied<'c, 'h>) {
        let is_better = match (&known.found, &other.found) {
            (_, Err(_)) => false,
            (Err(_), Ok(_)) => true,
            (Ok(first), Ok(second)) => {
                self.prefers_second((known.scheme, first), (other.scheme, second))
            }
        };
        if is_better {
            *known = other;
        }
    }

    /// Where the credential travelled.
    pub(in crate::engine) fn carrier(&self, candidate: &Candidate<'_>) -> Option<&Carrier> {
        let scheme = self.get(candidate.scheme)?;
        scheme.scheme.carriers().get(candidate.credential.carrier)
    }

    /// Of two schemes that read the same place, the one that recognises the credential, of both the
    /// better fit; then the first that takes the rest.
    fn prefers_second(
        &self,
        first: (SchemeId, &Credential<'_>),
        second: (SchemeId, &Credential<'_>),
    ) -> bool {
        let scheme = |id: SchemeId| self.get(id).map(|own| &own.scheme);
        let claim = |(id, credential): (SchemeId, &Credential<'_>)| match scheme(id) {
            Some(scheme) if scheme.takes_the_rest() => Claim::Rest,
            Some(scheme) if scheme.recognises(credential) => Claim::Own,
            _ => Claim::None,
        };
        let fit = |(id, credential): (SchemeId, &Credential<'_>)| {
            scheme(id).map_or(Fit::Unlikely, |scheme| scheme.fit(credential))
        };
        // Looking at a token takes time: the second is asked only where the first is not sure.
        match claim(first) {
            Claim::Own => {
                let own = fit(first);
                own < Fit::Exact && claim(second) == Claim::Own && fit(second) > own
            }
            own => claim(second) > own,
        }
    }

    /// The scheme that a refusal tells what is wrong with the request: one that an
    /// `Authorization` line names, and whose clients understand `error` (RFC 6750 §3.1).
    pub(in crate::engine) fn bearer_presented(
        &self,
        rule: &CompiledRule,
        view: &View<'_>,
    ) -> Option<SchemeId> {
        let named = |place: &Carrier| match place {
            Carrier::Authorization(name) => view
                .authorization()
                .iter()
                .any(|line| scheme_name(line).eq_ignore_ascii_case(name.as_bytes())),
            _ => false,
        };
        rule.schemes.iter().copied().find(|&id| {
            self.get(id)
                .is_some_and(|own| own.is_bearer_like && own.scheme.carriers().iter().any(named))
        })
    }
}

/// The credential, if it is in one place alone.
fn the_one<'c, 'h>(places: impl Iterator<Item = Occupied<'c, 'h>>) -> Found<'h> {
    let mut one: Option<(SchemeId, Credential<'h>)> = None;
    let mut more = None;
    for place in places {
        let scheme = Some(place.scheme);
        match (place.found, &one) {
            (Err(cause), _) => return Found::malformed(scheme, cause),
            (Ok(credential), None) => one = Some((place.scheme, credential)),
            (Ok(_), Some((first, _))) => {
                let same = *first == place.scheme;
                let cause = if same {
                    Cause::Repeated
                } else {
                    Cause::TwoCredentials
                };
                let scheme = Some(*first);
                more.get_or_insert(Found::malformed(scheme, cause.as_str()));
            }
        }
    }
    let one = one.map(|(scheme, credential)| Found::One(Candidate { scheme, credential }));
    more.or(one).unwrap_or(Found::Nothing)
}
