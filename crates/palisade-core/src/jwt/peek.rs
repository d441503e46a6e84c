//! What a token says of itself before anybody has verified it: only to choose who does.

use std::borrow::Cow;

use serde::{Deserialize, de::MapAccess};

use super::{Addressee, Fit};
use super::{
    json::{self, Members, Scan, Trail, Value},
    rules::TokenRules,
    verify::Parts,
};

/// The `iss` of a token that nobody has verified: only to choose the verifier among several issuers.
///
/// `None` also for everything that is no token of at most `max_bytes`; the verifier will say why.
#[must_use]
pub fn peek_issuer(token: &[u8], max_bytes: usize) -> Option<String> {
    #[derive(Deserialize)]
    struct Peek {
        iss: String,
    }

    let text = Parts::split(token, max_bytes).ok()?.decode_claims().ok()?;
    serde_json::from_str::<Peek>(&text)
        .ok()
        .map(|peek| peek.iss)
}

impl TokenRules {
    /// Whether a token of this issuer also says that it is for one of the audiences here.
    pub(crate) fn fit(&self, token: &[u8]) -> Fit {
        if self.policy.ignore.audience {
            return Fit::Possible;
        }
        match self.is_for_us(token) {
            Some(true) => Fit::Exact,
            _ => Fit::Unlikely,
        }
    }

    /// Whose tokens fit, and for whom.
    pub(crate) fn addressees(&self) -> Vec<Addressee> {
        if self.policy.ignore.issuer {
            // Other issuers' tokens too: it is never only in the way.
            return Vec::new();
        }
        let audiences: Vec<Option<&String>> = match self.policy.ignore.audience {
            true => vec![None],
            false => {
                let clients = self.policy.client_ids.iter();
                self.policy
                    .audiences
                    .iter()
                    .chain(clients)
                    .map(Some)
                    .collect()
            }
        };
        let of_issuer = |issuer: &str| {
            let issuer = issuer.to_owned();
            let claim = self.policy.audience_claim.to_string();
            audiences
                .iter()
                .map(move |audience| Addressee {
                    issuer: issuer.clone(),
                    claim: claim.clone(),
                    audience: audience.cloned(),
                })
                .collect::<Vec<_>>()
        };
        self.issuers().flat_map(of_issuer).collect()
    }

    fn is_for_us(&self, token: &[u8]) -> Option<bool> {
        let parts = Parts::split(token, self.policy.max_bytes).ok()?;
        let text = parts.decode_claims().ok()?;
        let mut authorized = AuthorizedParty::default();
        let mut scan = Scan::new(&self.paths);
        json::read(&text, &mut scan, &mut authorized).ok()?;
        Some(
            self.check_audience(authorized.0.as_deref(), &mut scan)
                .is_ok(),
        )
    }
}

/// `azp`.
#[derive(Default)]
struct AuthorizedParty<'a>(Option<Cow<'a, str>>);

impl<'a> Members<'a> for AuthorizedParty<'a> {
    fn member<A: MapAccess<'a>>(
        &mut self,
        scan: &mut Scan<'_, 'a>,
        name: &str,
        map: &mut A,
    ) -> Result<(), A::Error> {
        if let (Value::Text(text), "azp") = (scan.value(map, Trail::START, name)?, name) {
            self.0 = Some(text);
        }
        Ok(())
    }
}
