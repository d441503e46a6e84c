//! One way to authenticate, behind one trait: a file per scheme.
//!
//! A scheme takes part in a request twice. [`Scheme::read`] sees the head and says whether a
//! credential of this scheme was presented; [`Scheme::verify`] sees that one credential and
//! never the head. In between the engine has decided that there is exactly one credential to
//! verify and that the address may still try.
//!
//! To add a scheme: write one file beside these (its section of the policy, its compilation,
//! its `Scheme`), and add its `SchemeKind` to `KINDS`.

mod api_key;
mod authorization;
mod basic;
mod challenge;
mod context;
mod flights;
mod introspection;
mod jwt;
mod places;
mod revoked;
mod store;
mod token;

pub use crate::jwt::{Addressee, Expected, Fit};
pub use api_key::ApiKey;
pub(crate) use authorization::scheme_name;
pub use authorization::{Authorization, token68};
pub use basic::{Basic, BasicAccount};
pub use challenge::Challenge;
pub(crate) use challenge::with_parameter;
pub use context::BuildContext;
pub use introspection::Introspection;
pub use jwt::{Jwt, KeySource};
pub(crate) use places::Carriers;
pub use places::Places;
pub(crate) use revoked::unless_revoked;
pub use store::Store;
pub(crate) use token::EXPIRES_IN_MILLISECONDS;

use crate::{
    cause::Cause,
    config::{Mistakes, Section},
    ports::{BoxFuture, SourceError},
    principal::Principal,
    view::View,
};
use http::HeaderName;
use serde::{Serialize, Serializer};
use std::{
    borrow::Cow,
    fmt::{self, Debug},
    hash::Hasher,
    sync::Arc,
};

/// Every scheme that a policy file can configure.
pub(crate) const KINDS: &[SchemeKind] =
    &[api_key::KIND, basic::KIND, jwt::KIND, introspection::KIND];

/// How a policy file configures a scheme: `[section.NAME]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SchemeKind {
    /// The table's name: `jwt` in `[jwt.main]`.
    pub(crate) section: &'static str,
    /// Reads the table into plain data, reporting every mistake.
    pub(crate) read: fn(name: &str, section: &mut Section<'_, '_>) -> Box<dyn SchemeConfig>,
}

/// A scheme as the user configures it: plain data that compiles into a [`Scheme`].
pub trait SchemeConfig: Debug + Send + Sync {
    /// The name the policy gives it: `main` in `[jwt.main]`.
    fn name(&self) -> &str;

    /// Feeds everything that is configured into the hash that names the version of the policy;
    /// mostly by deriving `Hash`. The name shows in the log: what somebody could guess, such as a
    /// short secret, must not be in it unless it is salted or hashed slowly.
    fn fingerprint(&self, content: &mut dyn Hasher);

    /// Checks everything and loads the keys; `None` after at least one mistake was reported.
    fn compile(
        &self,
        context: &BuildContext<'_>,
        mistakes: &mut Mistakes,
    ) -> Option<Arc<dyn Scheme>>;
}

/// One way to authenticate.
pub trait Scheme: Debug + Send + Sync {
    /// The name the policy gives it, unique within the policy.
    fn name(&self) -> &str;

    /// What kind of scheme this is, such as `jwt`: a word for the audit.
    fn kind(&self) -> &'static str;

    /// Everywhere its credentials may travel, for `Vary`, CORS and the documentation.
    fn carriers(&self) -> &[Carrier];

    /// Looks for this scheme's credential in one of its places, an index of
    /// [`carriers`](Self::carriers), without judging it. Where another scheme reads the same
    /// place, what is malformed for this one counts only if it is malformed for both.
    fn read<'h>(&self, head: &View<'h>, place: usize) -> Presented<'h>;

    /// Whether this scheme, rather than another that reads the same place, should verify the
    /// credential. Asked only where several schemes read it.
    fn recognises(&self, _credential: &Credential<'_>) -> bool {
        true
    }

    /// How well the credential fits, where several schemes recognise it, as two sections for one issuer do: the better
    /// fit verifies it, and of equals the first that the policy names.
    fn fit(&self, _credential: &Credential<'_>) -> Fit {
        Fit::Exact
    }

    /// Whether it takes what none of the schemes that read the same place recognises, and leaves
    /// them what they do.
    fn takes_the_rest(&self) -> bool {
        false
    }

    /// Whether trying might hit on a credential, as on a password. Where too many have [failed](crate::Failures), those
    /// are refused before anybody looks at them; what is signed never is, because nobody guesses a signature.
    fn is_guessable(&self) -> bool {
        true
    }

    /// Judges the credential at `unix_seconds`.
    fn verify(&self, credential: &Credential<'_>, unix_seconds: u64) -> Verification;

    /// Judges the credential of a request that is only
    /// [explained](crate::Palisade::explain): as [`verify`](Self::verify) does, but leaves out
    /// whatever that writes, such as when a key was last used.
    fn rehearse(&self, credential: &Credential<'_>, unix_seconds: u64) -> Verification {
        self.verify(credential, unix_seconds)
    }

    /// Whether the handler may see the credential. If not, the engine removes the header or the
    /// cookie it came in; a query stays, because the checked target must reach the router.
    fn shows_credential(&self) -> bool {
        true
    }

    /// How a refusal asks for this scheme; `None` where HTTP cannot ask for it, as for a
    /// client certificate.
    fn challenge(&self) -> Option<Challenge>;

    /// The issuers of the tokens that it accepts, for descriptions of the policy and the metadata
    /// of the resource (RFC 9728 §2).
    fn issuers(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whose tokens fit it, and for whom; empty if that cannot be said. Where two schemes fit the same tokens and read the
    /// same places, only one of them gets any.
    fn addressees(&self) -> Vec<Addressee> {
        Vec::new()
    }

    /// What the policy expects of every credential, where that can be named.
    fn expects(&self) -> Vec<Expected> {
        Vec::new()
    }

    /// Ready once everything the scheme depends on has answered for the first time; `None` if
    /// it depends on nobody.
    fn ready(&self) -> Option<BoxFuture<Result<(), SourceError>>> {
        None
    }
}

/// A place in a request where a credential travels.
#[derive(Debug, Clone, Eq)]
#[non_exhaustive]
pub enum Carrier {
    /// `Authorization` with this scheme name.
    Authorization(Cow<'static, str>),
    /// A header of its own.
    Header(HeaderName),
    /// A query parameter.
    Query(String),
    /// A cookie: the browser sends it by itself, so it counts as ambient.
    Cookie(String),
    /// The client certificate of the connection: ambient.
    Certificate,
    /// `Sec-WebSocket-Protocol` of a handshake: behind this word and a dot. Browsers let pages
    /// set no other field of a handshake, and only a page's code that has the token can.
    WebSocketProtocol(String),
}

impl Carrier {
    /// Whether the client sends it without being asked by the page's code.
    pub fn is_ambient(&self) -> bool {
        match self {
            Carrier::Cookie(_) | Carrier::Certificate => true,
            // Browsers remember a password and send it by themselves.
            Carrier::Authorization(name) => name.eq_ignore_ascii_case("basic"),
            Carrier::Header(_) | Carrier::Query(_) | Carrier::WebSocketProtocol(_) => false,
        }
    }

    /// The request header that holds it, for `Vary`.
    pub fn header(&self) -> Option<HeaderName> {
        match self {
            Carrier::Authorization(_) => Some(http::header::AUTHORIZATION),
            Carrier::Header(name) => Some(name.clone()),
            Carrier::Cookie(_) => Some(http::header::COOKIE),
            Carrier::WebSocketProtocol(_) => Some(http::header::SEC_WEBSOCKET_PROTOCOL),
            Carrier::Query(_) | Carrier::Certificate => None,
        }
    }
}

/// Names of schemes in `Authorization` are the same in any case (RFC 9110 §11.1).
impl PartialEq for Carrier {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Authorization(own), Self::Authorization(other)) => {
                own.eq_ignore_ascii_case(other)
            }
            (Self::Header(own), Self::Header(other)) => own == other,
            (Self::Query(own), Self::Query(other))
            | (Self::Cookie(own), Self::Cookie(other))
            | (Self::WebSocketProtocol(own), Self::WebSocketProtocol(other)) => own == other,
            (Self::Certificate, Self::Certificate) => true,
            _ => false,
        }
    }
}

/// The place as people write it: `Authorization: Bearer`, `header x-api-key`, `query key`,
/// `Sec-WebSocket-Protocol: bearer.…`.
impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Carrier::Authorization(name) => write!(f, "Authorization: {name}"),
            Carrier::Header(name) => write!(f, "header {name}"),
            Carrier::Query(name) => write!(f, "query {name}"),
            Carrier::Cookie(name) => write!(f, "cookie {name}"),
            Carrier::Certificate => f.write_str("client certificate"),
            Carrier::WebSocketProtocol(word) => write!(f, "Sec-WebSocket-Protocol: {word}.…"),
        }
    }
}

impl Serialize for Carrier {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a scheme found in a request.
#[derive(Debug)]
pub enum Presented<'h> {
    /// Nothing of this scheme.
    Nothing,
    /// Something of this scheme that is not well-formed; the word is for the audit, as [`Rejected::cause`] is.
    Malformed(&'static str),
    /// A credential to verify.
    Credential(Credential<'h>),
}

/// A credential as it was presented. Its `Debug` does not show it.
pub struct Credential<'h> {
    /// The credential without its scheme name.
    pub bytes: Cow<'h, [u8]>,
    /// The index of its place in [`Scheme::carriers`].
    pub carrier: usize,
}

impl Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("length", &self.bytes.len())
            .field("carrier", &self.carrier)
            .finish_non_exhaustive()
    }
}

/// Why a credential is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Occasion {
    /// It was sent.
    Request,
    /// What became of it is to be told; nobody sent it, so nothing is written.
    Explanation,
}

/// The judgement of a credential, now or later.
pub enum Verification {
    /// Judged without asking anybody.
    Done(Outcome),
    /// Somebody must be asked; the future holds its own copy of the credential.
    Remote(RemoteVerification),
}

impl Verification {
    /// The judgement, once it is there.
    pub(crate) async fn outcome(self) -> Outcome {
        match self {
            Verification::Done(outcome) => outcome,
            Verification::Remote(remote) => remote.await,
        }
    }
}

/// A judgement that waits for an answer from elsewhere.
pub type RemoteVerification = BoxFuture<Outcome>;

impl Debug for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verification::Done(outcome) => f.debug_tuple("Done").field(outcome).finish(),
            Verification::Remote(_) => f.write_str("Remote(..)"),
        }
    }
}

/// What came of judging a credential.
#[derive(Debug)]
pub enum Outcome {
    /// It is good, and speaks for this caller.
    Verified(Principal),
    /// It is bad.
    Rejected(Rejected),
    /// The account or key behind it is disabled.
    Disabled(Rejected),
    /// Nobody could tell: refused with 503.
    Unavailable(SourceError),
}

/// Why a credential is bad; both texts are for logs, neither holds any part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// A stable snake_case word, such as `expired`: one of [`Cause`]'s where that is what happened, so that operators find
    /// it in `docs/audit.md`, else a word of the scheme's own. Credentials that are refused as `expired`,
    /// `revoked` or `not_yet_valid` were given out once, and do not count as guesses
    /// ([`Failures`](crate::Failures)).
    pub cause: &'static str,
    /// The setting that would accept it, where there is one worth naming.
    pub hint: Option<&'static str>,
    /// The claim, or the member of the token's header, that failed the check; for explanations.
    pub claim: Option<&'static str>,
}

impl Rejected {
    /// Whether the credential had been given out, and only its time is over: nobody guesses such
    /// a one, and pages send it until they have another.
    pub(crate) fn was_genuine(&self) -> bool {
        let genuine = [Cause::Expired, Cause::Revoked, Cause::NotYetValid];
        genuine.iter().any(|cause| cause.as_str() == self.cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_name_is_the_same_place_in_any_case() {
        let place = |name: &'static str| Carrier::Authorization(name.into());
        assert_eq!(place("Bearer"), place("bearer"));
        assert_ne!(place("Bearer"), place("Token"));
        assert_ne!(
            Carrier::Query("key".to_owned()),
            Carrier::Query("Key".to_owned())
        );
        assert_ne!(
            Carrier::Query("key".to_owned()),
            Carrier::Cookie("key".to_owned())
        );
    }
}
