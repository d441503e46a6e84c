//! Where the policy comes from: the built-in one, or a file that is watched from then on.

use crate::{Options, keys::Keys, run::Failure};
use palisade_core::{Palisade, Policy};
use palisade_runtime::Watch;

/// The built-in policy.
pub const POLICY: &str = include_str!("../palisade.toml");

/// The policy, ready to serve.
pub(crate) struct Loaded {
    pub(crate) palisade: Palisade,
    /// Whether it trusts the demo's own keys: it does if it names no scheme of its own.
    pub(crate) own_keys: bool,
    /// Loads the file again when it changes, for as long as this is kept.
    pub(crate) watch: Option<Watch>,
}

pub(crate) fn load(options: &Options, keys: &Keys) -> Result<Loaded, Failure> {
    let configure = configure(keys);
    let Some(file) = &options.policy else {
        return Ok(Loaded {
            palisade: configure(Policy::from_toml_str(POLICY)?).build()?,
            own_keys: true,
            watch: None,
        });
    };
    let palisade = Palisade::load(file, configure)?;
    Ok(Loaded {
        own_keys: Policy::from_file(file)?.schemes.is_empty(),
        watch: Some(palisade_runtime::watch(palisade.clone()).map_err(Failure::Watch)?),
        palisade,
    })
}

/// What a file cannot say; done again with each new version of it.
fn configure(keys: &Keys) -> impl Fn(Policy) -> Policy + Send + Sync + 'static {
    let (tokens, api_keys) = (keys.tokens(), keys.api_keys());
    // Clones of one companion share what it knows, so that a reload fetches nothing anew.
    let (issuers, databases) = (palisade_oauth::companion(), palisade_store::companion());
    move |policy| {
        let policy = policy.with(issuers.clone()).with(databases);
        match policy.schemes.is_empty() {
            true => policy.scheme(tokens.clone()).scheme(api_keys.clone()),
            false => policy,
        }
    }
}
