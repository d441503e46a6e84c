//! What the claims of a good token say of the caller.

use std::{borrow::Cow, ops::Range};

use super::{
    PrincipalKind,
    claims::{CLIENTS, Claims, UnusualId},
    error::TokenError,
    json::{Scan, Value},
    path::ClaimPath,
    rules::{Issuer, Paths, TokenRules},
    token::{Facts, Names, Placement},
    unread::{Reading, Unread},
};

/// What was read of the caller.
pub(super) struct Described {
    pub(super) facts: Facts,
    /// The text that has to stand behind the claims.
    pub(super) behind: String,
    pub(super) passed_over: Box<[Box<str>]>,
}

impl TokenRules {
    /// What the claims say of the caller. Names of a type that nothing here reads count as absent: whether the rule of the
    /// request needs them is not known yet.
    pub(super) fn describe<'a>(
        &self,
        text: &'a str,
        claims: &Claims<'a>,
        issuer: &Issuer,
        scan: &mut Scan<'_, 'a>,
    ) -> Result<Described, TokenError> {
        let (subject, kind) = self.caller(claims, scan)?;
        let tenant = match self.policy.tenant_claim {
            Some(_) => Some(required("tenant", scan.take(Paths::TENANT))?),
            None => None,
        };
        // Whoever signs for all tenants must not name one and speak for another.
        if issuer.tenant.is_some() && issuer.tenant.as_deref() != tenant.as_deref() {
            return Err(TokenError::Tenant);
        }
        let mut names = NameReader {
            rules: self,
            scan,
            placement: Placement::new(text),
            passed_over: claims.passed_over.iter().copied().map(Box::from).collect(),
        };
        let (scopes, scopes_read) = names.first(Paths::scopes(&self.policy));
        let (roles, roles_read) = names.all(Paths::roles(&self.policy));
        let (permissions, permissions_read) = names.all(Paths::PERMISSIONS..Paths::TENANT);
        let NameReader {
            mut placement,
            mut passed_over,
            ..
        } = names;
        // A claim may have two parts in the policy.
        passed_over.sort_unstable();
        passed_over.dedup();
        let mut place = |text: Option<&str>| text.map(|text| placement.place(text));
        let facts = Facts {
            kind,
            subject: place(Some(&subject)).unwrap_or_default(),
            client_id: place(claims.clients.iter().flatten().next().map(|own| &**own)),
            id: place(claims.id.as_deref()),
            unusual_id: match &claims.unusual_id {
                Some(UnusualId::Digits(digits)) => place(Some(digits)),
                _ => None,
            },
            context_class: place(claims.context_class.as_deref()),
            tenant: place(tenant.as_deref()),
            scopes,
            roles,
            permissions,
            unread: Unread {
                scopes: scopes_read,
                roles: roles_read,
                permissions: permissions_read,
                client: claims.hides_client,
                id: claims.unusual_id == Some(UnusualId::Unnameable),
            },
        };
        Ok(Described {
            facts,
            behind: placement.behind,
            passed_over: passed_over.into(),
        })
    }

    /// Whom the token speaks for: the first of the policy's claims that is there.
    fn caller<'a>(
        &self,
        claims: &Claims<'a>,
        scan: &mut Scan<'_, 'a>,
    ) -> Result<(Cow<'a, str>, PrincipalKind), TokenError> {
        let [client_id, ..] = &claims.clients;
        let is_nobodys = claims.subject.is_none() && !claims.has_username;
        for place in Paths::principals(&self.policy) {
            let stated = scan.take(place);
            let is_absent = match &stated {
                Value::Absent | Value::Null => true,
                Value::Text(text) => self.introspected && text.is_empty(),
                _ => false,
            };
            if is_absent {
                continue;
            }
            let subject = required("principal", stated)?;
            let names_client = self.paths.get(place).is_some_and(is_client_claim);
            return match (is_nobodys, names_client && claims.subject.is_none()) {
                (true, _) => Ok((subject, PrincipalKind::Client)),
                // A user without a subject is not the client that the token was given to.
                (false, true) => Err(TokenError::ClaimMissing("principal")),
                (false, false) => Ok((subject, principal_kind(claims))),
            };
        }
        match client_id {
            // RFC 7662 §2.2 makes `sub` optional: where nobody but the client stands behind the token, many servers have
            // nobody to name.
            Some(client) if self.introspected && is_nobodys && !client.is_empty() => {
                Ok((client.clone(), PrincipalKind::Client))
            }
            _ => Err(TokenError::ClaimMissing("principal")),
        }
    }
}

/// Reads names where the policy says that they stand, and notes what cannot be read.
struct NameReader<'r, 's, 'p, 'a> {
    rules: &'r TokenRules,
    scan: &'s mut Scan<'p, 'a>,
    placement: Placement<'a>,
    passed_over: Vec<Box<str>>,
}

impl NameReader<'_, '_, '_, '_> {
    /// The names at the first place that is there. If that cannot be read there are none: what the issuer meant to be
    /// looked at first must not be replaced by the next.
    fn first(&mut self, places: Range<usize>) -> (Names, Reading) {
        let mut reading = Reading::Whole;
        for place in places {
            match self.scan.take(place) {
                Value::Absent => {}
                Value::Null => {
                    self.pass_over(place);
                    reading = Reading::Null;
                }
                value => {
                    return match self.placement.spaced(value) {
                        Some(names) => (names, Reading::Whole),
                        None => {
                            self.pass_over(place);
                            (Names::default(), Reading::Unusual)
                        }
                    };
                }
            }
        }
        (Names::default(), reading)
    }

    /// The names at all places together.
    fn all(&mut self, places: Range<usize>) -> (Names, Reading) {
        let (mut all, mut reading) = (Vec::new(), Reading::Whole);
        for place in places {
            match self.scan.take(place) {
                Value::Absent => {}
                Value::Null => {
                    self.pass_over(place);
                    if reading == Reading::Whole {
                        reading = Reading::Null;
                    }
                }
                value => match self.placement.listed(value) {
                    Some(names) if all.is_empty() => all = names,
                    Some(names) => all.extend(names),
                    None => {
                        self.pass_over(place);
                        reading = Reading::Unusual;
                    }
                },
            }
        }
        (Names::Listed(all), reading)
    }

    fn pass_over(&mut self, place: usize) {
        let path = self.rules.paths.get(place);
        self.passed_over
            .extend(path.map(|path| path.to_string().into()));
    }
}

fn required<'a>(name: &'static str, value: Value<'a>) -> Result<Cow<'a, str>, TokenError> {
    match value {
        Value::Text(text) if !text.is_empty() => Ok(text),
        Value::Text(_) | Value::Absent => Err(TokenError::ClaimMissing(name)),
        _ => Err(TokenError::ClaimType(name)),
    }
}

fn is_client_claim(path: &ClaimPath) -> bool {
    let name = path.name_at(0).filter(|_| path.len() == 1);
    name.is_some_and(|name| CLIENTS.contains(&name))
}

/// A client acts for itself when it is its own subject (RFC 9068 §2.2), or when the issuer says so in its own way.
fn principal_kind(claims: &Claims<'_>) -> PrincipalKind {
    let is_own_subject = claims.subject.is_some()
        && claims
            .clients
            .iter()
            .flatten()
            .any(|client| Some(client) == claims.subject.as_ref());
    let [idtyp, gty] = &claims.grants;
    if is_own_subject
        || idtyp.as_deref() == Some("app")
        || gty.as_deref() == Some("client-credentials")
    {
        PrincipalKind::Client
    } else {
        PrincipalKind::User
    }
}
