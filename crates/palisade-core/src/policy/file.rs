//! The policy file: TOML into a [`Policy`].
//!
//! Only text that is no TOML fails here. Every other mistake is kept in the policy, so that
//! [`Policy::build`] reports it together with what only the compiler can find.

mod parts;
mod rule;

use super::Policy;
use crate::{
    config::{self, ConfigError, Mistakes, Section},
    part,
    policy::Unlisted,
    scheme::KINDS,
};
use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    sync::Arc,
};

/// No policy is larger; a mistaken path must not fill the memory.
const MAX_FILE_BYTES: u64 = 1 << 20;

impl Policy {
    /// Reads a policy from TOML. References to files are relative to the working directory.
    ///
    /// # Errors
    /// Every syntax error of the text, if there is one. All other mistakes are kept for
    /// [`build`](Self::build).
    pub fn from_toml_str(text: &str) -> Result<Self, ConfigError> {
        read_text(text, Mistakes::default())
    }

    /// Reads a policy from a TOML file. References to files are relative to its folder.
    ///
    /// # Errors
    /// The file cannot be read, is larger than 1 MiB or not UTF-8, or has syntax errors: then
    /// all of them. All other mistakes are kept for [`build`](Self::build).
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let mut mistakes = Mistakes::default();
        mistakes.set_file(path.to_owned());
        match read_file(path) {
            Ok(text) => {
                let mut policy = read_text(&text, mistakes)?;
                policy.folder = path.parent().map(Path::to_owned);
                Ok(policy)
            }
            Err(why) => {
                mistakes.add("", format!("the policy cannot be read: {why}"));
                Err(mistakes.into_error())
            }
        }
    }
}

/// The JSON Schema (draft 2020-12) of a policy file, for completion and checks in editors.
///
/// It is made by the very functions that read a policy, so it knows the same keys; what only
/// the whole policy can tell, such as a limit that no rule names, it does not know.
pub fn policy_schema() -> serde_json::Value {
    Section::schema(policy)
}

fn read_file(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_FILE_BYTES) {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is not UTF-8"))
}

fn read_text(text: &str, mut mistakes: Mistakes) -> Result<Policy, ConfigError> {
    let Some(table) = config::parse(text, &mut mistakes) else {
        return Err(mistakes.into_error());
    };
    let mut policy = Section::root(&table, &mut mistakes, policy);
    policy.mistakes = mistakes;
    Ok(policy)
}

fn policy(section: &mut Section<'_, '_>) -> Policy {
    let default = Policy::default();
    if section.unsigned::<u64>("version").is_some_and(|it| it != 1) {
        section.mistake("version", "is unknown to this release; write version = 1");
    }
    let unlisted = [
        ("not_found", Unlisted::NotFound),
        ("authenticated", Unlisted::Authenticated),
    ];
    Policy {
        realm: section.optional_string("realm").unwrap_or(default.realm),
        resource: section.optional_string("resource"),
        unlisted: section.choice("unlisted", &unlisted),
        scopes: section.strings("scopes").unwrap_or_default(),
        methods: section.strings("methods").unwrap_or_default(),
        limit_max_keys: section
            .unsigned("limit_max_keys")
            .unwrap_or(default.limit_max_keys),
        host: section.table("host", parts::host).unwrap_or_default(),
        https: section.table("https", parts::https).unwrap_or_default(),
        firewall: section
            .table("firewall", parts::firewall)
            .unwrap_or_default(),
        routes: section.table("routes", parts::routes).unwrap_or_default(),
        headers: section.table("headers", parts::headers).unwrap_or_default(),
        cors: section.table("cors", parts::cors),
        schemes: KINDS
            .iter()
            .flat_map(|kind| section.named_tables(kind.section, kind.read))
            .map(Arc::from)
            .collect(),
        parts: part::KINDS
            .iter()
            .filter_map(|kind| section.table(kind.section, kind.read))
            .map(Arc::from)
            .collect(),
        roles: section
            .table("roles", |roles| roles.named_lists())
            .unwrap_or_default(),
        failures: section
            .table("failures", parts::failures)
            .unwrap_or_default(),
        limits: section.tables("limit", parts::limit),
        rules: section.tables("rule", rule::rule),
        body: section.table("body", parts::body).unwrap_or_default(),
        problem_type_base: section
            .table("problems", |problems| problems.optional_string("type_base"))
            .flatten()
            .unwrap_or(default.problem_type_base),
        audit: section.table("audit", parts::audit).unwrap_or_default(),
        outgoing: section
            .table("outgoing", parts::outgoing)
            .unwrap_or_default(),
        ..default
    }
}

#[cfg(test)]
mod tests;
