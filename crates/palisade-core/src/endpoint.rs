//! What core answers itself, under a rule of its own.

use crate::{ports::BoxFuture, problem::Reason, reply::Reply, view::View};
use bytes::Bytes;
use std::fmt;

/// A path that core answers, on every framework alike.
///
/// It gets a rule: public, for its methods, within the limits that hold where a rule names none. A rule of the policy for
/// the same path is a mistake, and so is a second endpoint there. Explanations name it, and never call it.
///
/// What the stages do for a handler with a credential, an endpoint that reads one does itself: a wrong one is not counted by
/// `[failures]`, cross-site requests are not refused, and the head is shown with what proxies may have added to it. It must
/// end its waits itself.
///
/// A [`Part`](crate::Part) of the policy hands it out:
///
/// ```
/// use palisade_core::{Endpoint, Opened, Reply, View, problem::Reason};
///
/// #[derive(Debug)]
/// struct Robots;
///
/// impl Endpoint for Robots {
///     fn name(&self) -> &'static str { "robots" }
///     fn path(&self) -> &str { "/robots.txt" }
///     fn open(&self, _head: &View<'_>) -> Result<Opened, Reason> {
///         Ok(Opened::Now(Reply {
///             status: http::StatusCode::OK,
///             headers: Vec::new(),
///             body: "User-agent: *\nDisallow: /\n".into(),
///         }))
///     }
/// }
/// ```
pub trait Endpoint: fmt::Debug + Send + Sync {
    /// What explanations call it.
    fn name(&self) -> &'static str;

    /// Its path, as a rule would write it.
    fn path(&self) -> &str;

    /// The methods that it answers; GET covers HEAD.
    fn methods(&self) -> &'static [&'static str] {
        &["GET"]
    }

    /// Looks at the head of a request. The answer is given once limits and rules have let the request pass; what every
    /// response has is added to it.
    ///
    /// # Errors
    /// The request is refused, before a byte of its body is read.
    fn open(&self, head: &View<'_>) -> Result<Opened, Reason>;
}

/// What an endpoint makes of the head of a request.
#[non_exhaustive]
pub enum Opened {
    /// It answers.
    Now(Reply),
    /// It answers later.
    Later(BoxFuture<EndpointAnswer>),
    /// It answers once it has the body.
    AfterBody {
        /// How many bytes the body may have; more is 413. It is waited for as long as `[body]` says.
        max: u64,
        /// Takes the whole body.
        then: AfterBody,
    },
}

/// What an endpoint does with a body.
pub type AfterBody = Box<dyn FnOnce(Bytes) -> BoxFuture<EndpointAnswer> + Send>;

/// What an endpoint answers in the end.
#[derive(Debug)]
#[non_exhaustive]
pub enum EndpointAnswer {
    /// With this.
    Reply(Reply),
    /// With a refusal of the catalogue.
    Refuse(Reason),
    /// With a refusal in words of its own, as protocols demand that have their own form of errors (RFC 6749 §5.2). The
    /// audit is told the reason, and no cache keeps it unless the reply says so.
    RefuseAs(Reason, Reply),
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Opened::Now(_) => "Now(..)",
            Opened::Later(_) => "Later(..)",
            Opened::AfterBody { .. } => "AfterBody { .. }",
        })
    }
}
