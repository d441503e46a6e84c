//! What core answers itself, under a rule of its own.

use crate::reply::Reply;
use std::fmt::Debug;

/// A path that core answers, on every framework alike.
///
/// It gets a rule: public, for its methods, within the limits that hold where a rule names none. A rule of the policy for
/// the same path is a mistake, and so is a second endpoint there.
pub trait Endpoint: Debug + Send + Sync {
    /// What explanations call it.
    fn name(&self) -> &'static str;

    /// Its path, as a rule would write it.
    fn path(&self) -> &str;

    /// The methods that it answers; GET covers HEAD.
    fn methods(&self) -> &'static [&'static str] {
        &["GET"]
    }

    /// Its answer; what every response has is added to it.
    fn answer(&self) -> Reply;
}
