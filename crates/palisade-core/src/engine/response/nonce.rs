//! The nonce of `Content-Security-Policy`.

use crate::engine::{compiled::Compiled, facts::Record};
use crate::{
    cause::Cause,
    outage::Answer,
    problem::{Code, Reason},
};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

impl Compiled {
    /// Pages need a nonce on every response, an error too.
    pub(in crate::engine) fn draw_nonce(
        &self,
        record: &mut Record,
    ) -> Result<Option<Box<str>>, Reason> {
        if !self.headers.needs_nonce() {
            return Ok(None);
        }

        let mut bytes = [0; 16];
        let drawn = self.ports.entropy.fill(&mut bytes);
        let outage = &self.lineage.entropy;
        if let Err(source) = drawn {
            if outage.begins(Answer::Asked, record.now_nanos(&*self.ports.clock)) {
                tracing::error!(target: "palisade", "{source}");
            }
            return Err(Reason::new(Code::DependencyUnavailable, Cause::NoEntropy));
        }
        if outage.is_on()
            && outage
                .is_over(Answer::Asked, record.now_nanos(&*self.ports.clock))
                .is_some()
        {
            tracing::info!(target: "palisade", "there is randomness again");
        }
        Ok(Some(STANDARD_NO_PAD.encode(bytes).into()))
    }
}
