//! The name of a version of a policy: a hash of everything that it says.

use super::Policy;
use crate::fingerprint::Content;
use std::{fmt::Write, hash::Hash};

impl Policy {
    /// Names this version of the policy: the same for the same words, in the same release.
    pub(crate) fn fingerprint(&self) -> String {
        // Without `..`: whoever adds a field decides here whether it counts.
        let Self {
            realm,
            resource,
            host,
            https,
            firewall,
            routes,
            headers,
            cors,
            schemes,
            scopes,
            methods,
            roles,
            failures,
            limits,
            limit_max_keys,
            rules,
            unlisted,
            body,
            problem_type_base,
            audit,
            outgoing,
            custom_schemes,
            parts,
            // What a program gives beside the policy.
            ports: _,
            companions: _,
            limit_stores: _,
            // Where it came from.
            mistakes: _,
            folder: _,
        } = self;
        let mut content = Content::new();
        (
            realm, resource, host, https, firewall, routes, headers, cors,
        )
            .hash(&mut content);
        (
            scopes,
            methods,
            roles,
            failures,
            limits,
            limit_max_keys,
            rules,
        )
            .hash(&mut content);
        (unlisted, body, problem_type_base, audit, outgoing).hash(&mut content);
        schemes.len().hash(&mut content);
        for scheme in schemes {
            scheme.name().hash(&mut content);
            scheme.fingerprint(&mut content);
        }
        custom_schemes.len().hash(&mut content);
        for scheme in custom_schemes {
            (scheme.name(), scheme.kind()).hash(&mut content);
        }
        parts.len().hash(&mut content);
        for part in parts {
            part.section().hash(&mut content);
            part.fingerprint(&mut content);
        }
        let digest = content.digest();
        digest.iter().take(8).fold(String::new(), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

#[cfg(test)]
mod tests;
