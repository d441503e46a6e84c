//! The methods that a policy knows, as bits of a set.

use crate::config::guess;

/// Methods that every policy knows. TRACE and CONNECT are known to none: the one echoes
/// credentials back, the other makes a proxy of the service.
const COMMON: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// The other methods of the IANA registry of HTTP methods (RFC 9110 §16.1.2), but for `PRI`, which
/// is no request.
const REGISTERED: [&str; 30] = [
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "COPY",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "ORDERPATCH",
    "PROPFIND",
    "PROPPATCH",
    "QUERY",
    "REBIND",
    "REPORT",
    "SEARCH",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
];

/// At most as many as a set has bits.
const MOST: usize = 32;

/// The methods of a policy: the common ones, those that it declares, and those that its rules name.
#[derive(Debug)]
pub(crate) struct Methods(Vec<Box<str>>);

/// One method of [`Methods`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MethodId(u8);

/// A set of methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct MethodSet(u32);

impl Default for Methods {
    fn default() -> Self {
        Self(COMMON.iter().map(|&name| name.into()).collect())
    }
}

impl Methods {
    /// Makes a method known that HTTP does not know.
    pub(super) fn declare(&mut self, name: &str) -> Result<(), String> {
        check_form(name)?;
        self.add(name).map(|_| ())
    }

    /// The method of this name, added if it is new.
    pub(super) fn learn(&mut self, name: &str) -> Result<MethodId, String> {
        self.check(name)?;
        self.add(name)
    }

    /// Whether a policy may name the method: a word that nobody knows is mostly a typing error.
    pub(crate) fn check(&self, name: &str) -> Result<(), String> {
        check_form(name)?;
        if self.find(name.as_bytes()).is_some() || REGISTERED.contains(&name) {
            return Ok(());
        }
        let guess = guess(name, "\"", COMMON.into_iter().chain(REGISTERED));
        Err(format!(
            "{name:?} is no method of HTTP{guess}; one of your own is declared at the top of the \
             policy: methods = [{name:?}]"
        ))
    }

    fn add(&mut self, name: &str) -> Result<MethodId, String> {
        let too_many = || format!("is one method too many; at most {MOST} are told apart");
        if let Some(known) = self.find(name.as_bytes()) {
            return Ok(known);
        }
        if self.0.len() >= MOST {
            return Err(too_many());
        }
        self.0.push(name.into());
        self.find(name.as_bytes()).ok_or_else(too_many)
    }

    /// Methods are case-sensitive (RFC 9110 §9.1).
    pub(crate) fn find(&self, name: &[u8]) -> Option<MethodId> {
        let index = self.0.iter().position(|own| own.as_bytes() == name)?;
        u8::try_from(index).ok().map(MethodId)
    }

    pub(crate) fn name(&self, id: MethodId) -> &str {
        self.0.get(usize::from(id.0)).map_or("other", |name| name)
    }

    /// The value of `Allow`, sorted.
    pub(super) fn allow(&self, set: MethodSet) -> String {
        let mut names: Vec<&str> = (0..)
            .map(MethodId)
            .zip(&self.0)
            .filter(|(id, _)| set.contains(*id))
            .map(|(_, name)| &**name)
            .collect();
        names.sort_unstable();
        names.join(", ")
    }
}

/// Whether it could be a method at all.
fn check_form(name: &str) -> Result<(), String> {
    // TRACK is TRACE by another name; the Fetch standard (§2.2.1) forbids all three.
    if matches!(name, "TRACE" | "CONNECT" | "TRACK") {
        return Err(format!("{name} is never served; remove it"));
    }
    if name == "*" {
        return Err("\"*\" is no method, and stands for none; list the methods".to_owned());
    }
    // RFC 9110 §9.1: a token, and in upper case by convention.
    if http::Method::from_bytes(name.as_bytes()).is_err()
        || name.bytes().any(|b| b.is_ascii_lowercase())
    {
        return Err(format!(
            "{name:?} is no method; write one such as \"GET\", in upper case"
        ));
    }
    Ok(())
}

impl MethodId {
    pub(crate) const GET: Self = Self(0);
    pub(crate) const HEAD: Self = Self(1);
    pub(crate) const OPTIONS: Self = Self(6);

    /// Tells the methods of one policy apart.
    pub(super) fn number(self) -> u8 {
        self.0
    }

    /// RFC 9110 §9.2.1.
    pub(crate) fn is_safe(self) -> bool {
        matches!(self, Self::GET | Self::HEAD | Self::OPTIONS)
    }
}

impl MethodSet {
    pub(super) const ALL: Self = Self(u32::MAX);

    pub(crate) fn contains(self, id: MethodId) -> bool {
        self.0 & (1 << id.0) != 0
    }

    /// Adds a method; GET brings HEAD along (RFC 9110 §9.3.2).
    pub(super) fn add(&mut self, id: MethodId) {
        self.0 |= 1 << id.0;
        if id == MethodId::GET {
            self.0 |= 1 << MethodId::HEAD.0;
        }
    }

    pub(super) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_constants_name_what_they_say() {
        let methods = Methods::default();
        assert_eq!(methods.find(b"GET"), Some(MethodId::GET));
        assert_eq!(methods.find(b"HEAD"), Some(MethodId::HEAD));
        assert_eq!(methods.find(b"OPTIONS"), Some(MethodId::OPTIONS));
        assert_eq!(methods.find(b"get"), None);
        assert_eq!(methods.find(b"TRACE"), None);
    }

    #[test]
    fn allow_is_sorted_and_names_head_where_get_is() {
        let mut methods = Methods::default();
        let mut set = MethodSet::default();
        for name in ["PUT", "GET", "PROPFIND"] {
            set.add(methods.learn(name).unwrap());
        }
        assert_eq!(methods.allow(set), "GET, HEAD, PROPFIND, PUT");
        for bad in ["TRACE", "TRACK", "get", "", "A B", "*"] {
            methods.learn(bad).unwrap_err();
            methods.declare(bad).unwrap_err();
        }
    }

    #[test]
    fn a_word_that_http_does_not_know_is_declared_on_purpose() {
        let mut methods = Methods::default();
        let wrong = methods.learn("PSOT").unwrap_err();
        assert!(wrong.contains("did you mean \"POST\"?"), "{wrong}");
        assert!(
            methods
                .check("PURGE")
                .unwrap_err()
                .contains("methods = [\"PURGE\"]")
        );
        for name in ["PURGE", "PSOT"] {
            methods.declare(name).unwrap();
            methods.learn(name).unwrap();
        }
        methods.check("QUERY").unwrap();
        assert_eq!(methods.find(b"QUERY"), None, "no rule names it");
    }
}
