//! What a token says that cannot be read: it counts as absent, and is not taken for nothing said.

/// What could not be read of a token that was found good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unread {
    pub(crate) scopes: Reading,
    pub(crate) roles: Reading,
    pub(crate) permissions: Reading,
    /// The client is named in a way that cannot be read: what looks like a user may be one.
    pub(crate) client: bool,
    /// `jti` has a type that no revocation can name.
    pub(crate) id: bool,
}

/// How a claim was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Read, or not there.
    #[default]
    Whole,
    /// It is null.
    Null,
    /// It has a type that nothing here reads.
    Unusual,
}

impl Unread {
    /// Whether something is missing of which whoever asks for the opposite must know: a caller whose roles cannot be read
    /// is not one without the role `suspended`.
    pub(crate) fn is_anything(&self) -> bool {
        let names = [self.scopes, self.roles, self.permissions];
        self.client || names.iter().any(|names| *names != Reading::Whole)
    }
}
