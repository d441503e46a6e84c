//! What a step has done before its request is sent: to the issuer, and to the database.

use crate::beside::{Beside, NO_ISSUER, NO_STORE};
use crate::keys::Keys;
use crate::model::{File, Step};

impl Beside {
    /// Has the issuer answer as `step` says, and changes the database; times count from `now`.
    pub(crate) fn prepare(
        &self,
        file: &File,
        keys: &Keys,
        step: &Step,
        each: Option<&str>,
        now: u64,
    ) -> Result<(), String> {
        for text in &step.send.issuer.0 {
            let issuer = self.issuer.as_ref().ok_or(NO_ISSUER)?;
            let token = |name: &str| file.mint(name, keys, self, now);
            issuer.say(&text.with_each(each), &token, now)?;
        }
        match &step.send.sql {
            Some(sql) => {
                let stored = self.stored.as_ref().ok_or(NO_STORE)?;
                stored.run(&each.map_or(sql.clone(), |each| sql.replace("{each}", each)))
            }
            None => Ok(()),
        }
    }
}
