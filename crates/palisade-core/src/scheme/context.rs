//! What a scheme may use while it is compiled.

use crate::{
    companion::Companions,
    outgoing::Outgoing,
    ports::{Clock, Entropy},
    revocation::Revocations,
    secret::{Secret, SecretError},
};
use secrecy::SecretSlice;
use std::{
    cell::RefCell,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What a [`SchemeConfig`](super::SchemeConfig) may use while it compiles.
#[derive(Debug)]
pub struct BuildContext<'a> {
    /// The realm for its challenge.
    pub realm: &'a str,
    /// What relative `file:` references are relative to: the folder of the policy file.
    pub folder: Option<&'a Path>,
    /// The time of the build.
    pub unix_seconds: u64,
    /// The clock, for what is checked later.
    pub clock: Arc<dyn Clock>,
    /// Randomness, for the secrets of this process.
    pub entropy: Arc<dyn Entropy>,
    /// `[outgoing]`: what may be asked, and how.
    pub outgoing: &'a Outgoing,
    /// What the companions provide.
    pub companions: &'a Companions,
    /// Credentials that were taken back before their time.
    pub revocations: Option<Arc<dyn Revocations>>,
    pub(crate) files: RefCell<Vec<PathBuf>>,
}

impl<'a> BuildContext<'a> {
    /// Fetches a secret or a key. The file that holds it is watched from then on, whether or
    /// not it could be read.
    ///
    /// # Errors
    /// As for [`Secret::load`].
    pub fn load(&self, reference: &Secret) -> Result<SecretSlice<u8>, SecretError> {
        self.files.borrow_mut().extend(reference.path(self.folder));
        reference.load(self.folder)
    }

    /// The files that were read, or should have been.
    pub(crate) fn into_files(self) -> Vec<PathBuf> {
        self.files.into_inner()
    }
}
