//! The engine.
use crate::{config::ConfigError, policy::Policy};
use std::sync::Arc;

/// A compiled policy; cheap to clone.
#[derive(Debug, Clone)]
pub struct Palisade(#[allow(dead_code)] Arc<()>);

pub(crate) fn compile(mut policy: Policy) -> Result<Palisade, ConfigError> {
    let mistakes = policy.take_mistakes();
    if mistakes.is_empty() {
        Ok(Palisade(Arc::new(())))
    } else {
        Err(mistakes.into_error())
    }
}
