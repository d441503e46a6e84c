//! What is measured: every framework, the plain router and the two sides, one row per question.

use serde::Serialize;

/// The web frameworks, in the order of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Framework {
    Axum,
    Actix,
    Poem,
}

impl Framework {
    pub(crate) const ALL: [Self; 3] = [Self::Axum, Self::Actix, Self::Poem];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Axum => "axum",
            Self::Actix => "actix",
            Self::Poem => "poem",
        }
    }
}

/// Who guards the route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Side {
    /// Nobody: the router and the handler alone, which every cost is counted from.
    Bare,
    /// The crates that users would pick today.
    Peers,
    /// Palisade.
    Ours,
}

impl Side {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Peers => "peers",
            Self::Ours => "ours",
        }
    }
}

/// How the caller proves who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Credential {
    Hs256,
    Rs256,
    Es256,
    EdDsa,
    ApiKey,
}

/// One question put to a stack.
///
/// "Full" is 8 headers, CORS, a limit by address and authentication. Each refusal leaves through a full stack too:
/// that is where it happens in a real application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Row {
    Bare,
    Headers,
    Cors,
    HeadersAndCors,
    Limit,
    Jwt,
    Full(Credential),
    /// Full, with a token that our cache knows from the call before, or a key in a database that our store knows from
    /// then; the peers have neither.
    Cached(Credential),
    /// No credential: 401.
    Unauthenticated,
    /// A good credential without the scope: 403.
    Forbidden(Credential),
    /// The address has spent its quota: 429.
    Limited,
}

impl Row {
    /// All rows but the bare one, in the order of the report.
    pub(crate) const GUARDED: [Self; 19] = [
        Self::Headers,
        Self::Cors,
        Self::HeadersAndCors,
        Self::Limit,
        Self::Jwt,
        Self::Full(Credential::Hs256),
        Self::Full(Credential::Rs256),
        Self::Full(Credential::Es256),
        Self::Full(Credential::EdDsa),
        Self::Cached(Credential::Hs256),
        Self::Cached(Credential::Rs256),
        Self::Cached(Credential::Es256),
        Self::Cached(Credential::EdDsa),
        Self::Full(Credential::ApiKey),
        Self::Cached(Credential::ApiKey),
        Self::Unauthenticated,
        Self::Forbidden(Credential::Hs256),
        Self::Forbidden(Credential::ApiKey),
        Self::Limited,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare router",
            Self::Headers => "8 headers",
            Self::Cors => "CORS, simple request",
            Self::HeadersAndCors => "8 headers + CORS",
            Self::Limit => "limit by address",
            Self::Jwt => "JWT, HS256",
            Self::Full(Credential::Hs256) => "full, HS256",
            Self::Full(Credential::Rs256) => "full, RS256",
            Self::Full(Credential::Es256) => "full, ES256",
            Self::Full(Credential::EdDsa) => "full, EdDSA",
            Self::Full(Credential::ApiKey) => "full, API key",
            Self::Cached(Credential::Rs256) => "cached, RS256",
            Self::Cached(Credential::Es256) => "cached, ES256",
            Self::Cached(Credential::EdDsa) => "cached, EdDSA",
            Self::Cached(Credential::ApiKey) => "stored, API key",
            Self::Cached(_) => "cached, HS256",
            Self::Unauthenticated => "401, no credential",
            Self::Forbidden(Credential::ApiKey) => "403, API key",
            Self::Forbidden(_) => "403, HS256",
            Self::Limited => "429",
        }
    }

    /// Whether all guards stand before the route.
    pub(crate) fn is_full(self) -> bool {
        matches!(
            self,
            Self::Full(_)
                | Self::Cached(_)
                | Self::Unauthenticated
                | Self::Forbidden(_)
                | Self::Limited
        )
    }

    pub(crate) fn has_headers(self) -> bool {
        self.is_full() || matches!(self, Self::Headers | Self::HeadersAndCors)
    }

    pub(crate) fn has_cors(self) -> bool {
        self.is_full() || matches!(self, Self::Cors | Self::HeadersAndCors)
    }

    pub(crate) fn has_limit(self) -> bool {
        self.is_full() || self == Self::Limit
    }

    pub(crate) fn has_authentication(self) -> bool {
        self.is_full() || self == Self::Jwt
    }

    /// The row of the peers that this one stands beside: without a cache, they verify every time.
    pub(crate) fn of_peers(self) -> Self {
        match self {
            Self::Cached(credential) => Self::Full(credential),
            own => own,
        }
    }

    /// The status that every single call must answer.
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::Unauthenticated => 401,
            Self::Forbidden(_) => 403,
            Self::Limited => 429,
            _ => 200,
        }
    }

    /// What the request of this row carries. Rows that look at no credential carry a token all the same, so that
    /// every request has the same head.
    pub(crate) fn credential(self) -> Option<Credential> {
        match self {
            Self::Unauthenticated => None,
            Self::Full(credential) | Self::Cached(credential) | Self::Forbidden(credential) => {
                Some(credential)
            }
            _ => Some(Credential::Hs256),
        }
    }

    /// The scope that the route demands in this row. No caller here has `items:write`.
    pub(crate) fn scope(self) -> &'static str {
        match self {
            Self::Forbidden(_) => "items:write",
            _ => "items:read",
        }
    }
}

/// One stack under test: which framework, whose guard, which question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) framework: Framework,
    pub(crate) side: Side,
    pub(crate) row: Row,
}

impl Subject {
    /// Everything there is to measure, a framework's subjects side by side.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for framework in Framework::ALL {
            all.push(Self {
                framework,
                side: Side::Bare,
                row: Row::Bare,
            });
            for row in Row::GUARDED {
                let sides = match row.of_peers() == row {
                    true => &[Side::Peers, Side::Ours][..],
                    false => &[Side::Ours],
                };
                all.extend(sides.iter().map(|&side| Self {
                    framework,
                    side,
                    row,
                }));
            }
        }
        all
    }

    /// The name by which one subject is asked for on the command line, such as `axum/peers/full, HS256`.
    pub(crate) fn id(self) -> String {
        format!(
            "{}/{}/{}",
            self.framework.name(),
            self.side.name(),
            self.row.name()
        )
    }

    pub(crate) fn from_id(id: &str) -> Option<Self> {
        Self::all().into_iter().find(|subject| subject.id() == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subject_is_found_by_its_own_id() {
        for subject in Subject::all() {
            assert_eq!(Subject::from_id(&subject.id()), Some(subject));
        }
    }
}
