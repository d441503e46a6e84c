//! What a run said, and whether a secret was in it: every log line of this process at TRACE, whatever crate wrote it,
//! every audit event, and every answer that no handler made.
//!
//! | a secret is | of which is looked for |
//! |---|---|
//! | a token, and any other credential that a case names as a token | the whole; of a JWT its claims and its signature as they were sent; of an API key what follows its id |
//! | what stands behind the scheme in `Authorization` | the whole; of Basic the password, too |
//! | an HMAC secret, and the secret of a client, which policies reach as files | the text; of a client what it sends: Base64 of name and secret |
//! | a hash of a password or a digest of an API key in a policy | the hash |
//!
//! Each is looked for as text, in hexadecimal and as the list of numbers that `Debug` makes of bytes; what is shorter
//! than [`SHORTEST`] could stand there by chance and is left out, as is a credential below [`SHORTEST_CREDENTIAL`] bytes. No secrets are: the name of a caller (`sub`, the name
//! in Basic), scopes, roles and tenants; the ids of keys, tokens and clients; `kid`; what a handler itself sends back.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::{self, Write as _};
use std::hash::{DefaultHasher, Hasher as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{Interest, set_global_default};
use tracing::{Event, Metadata, Subscriber};

/// The fewest bytes that are looked for.
pub(crate) const SHORTEST: usize = 8;

/// No credential is shorter than this.
const SHORTEST_CREDENTIAL: usize = 12;

/// How much of what surrounds a secret is shown.
const CONTEXT: usize = 160;

/// Everything that was said in this process, and everything that must not have been.
#[derive(Default)]
pub struct Overheard {
    /// By who said it: the target of a log line, or `audit`, or `answer`. What was said before is not kept again.
    said: Mutex<BTreeMap<String, Said>>,
    secrets: Mutex<BTreeMap<Vec<u8>, &'static str>>,
}

#[derive(Default)]
struct Said {
    text: Vec<u8>,
    before: HashSet<u64>,
}

/// A secret where it must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// Who said it: the target of a log line, or `audit`, or `answer`.
    pub by: String,
    /// What it is.
    pub what: &'static str,
    /// The secret itself, as it was said: those of a run are made for it.
    pub secret: String,
    /// Where it stands.
    pub context: String,
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} says {} ({}): {}",
            self.by, self.what, self.secret, self.context
        )
    }
}

impl fmt::Debug for Overheard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Overheard").finish_non_exhaustive()
    }
}

impl Overheard {
    /// Hears all of this process from now on. There is one for each process.
    ///
    /// # Errors
    /// Something else listens already.
    pub fn listen() -> Result<&'static Self, String> {
        static HEARD: OnceLock<Overheard> = OnceLock::new();
        static LISTENS: OnceLock<Result<(), String>> = OnceLock::new();
        let heard = HEARD.get_or_init(Self::default);
        let listens = LISTENS.get_or_init(|| {
            set_global_default(Ear(heard, AtomicU64::new(1))).map_err(|why| why.to_string())?;
            log::set_logger(heard).map_err(|why| why.to_string())?;
            log::set_max_level(log::LevelFilter::Trace);
            Ok(())
        });
        listens.clone().map(|()| heard)
    }

    /// Something was said.
    pub(crate) fn said(&self, by: &str, text: &[u8]) {
        let mut said = lock(&self.said);
        let said = match said.get_mut(by) {
            Some(said) => said,
            None => said.entry(by.to_owned()).or_default(),
        };
        let mut hasher = DefaultHasher::new();
        hasher.write(text);
        if said.before.insert(hasher.finish()) {
            said.text.extend_from_slice(text);
            said.text.push(b'\n');
        }
    }

    /// A credential was sent.
    pub(crate) fn credential(&self, text: &str) {
        if text.len() < SHORTEST_CREDENTIAL {
            return;
        }
        self.secret("a credential", text);
        if let [_, claims, signature] = *text.split('.').collect::<Vec<_>>() {
            self.secret("the claims of a token", claims);
            self.secret("the signature of a token", signature);
        }
        if let [_, _, secret] = *text.split('_').collect::<Vec<_>>() {
            self.secret("the secret of an API key", secret);
        }
    }

    /// The head of a request was sent.
    pub(crate) fn head(&self, head: &[u8]) {
        let head = String::from_utf8_lossy(head);
        for line in head.lines() {
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            if !name.eq_ignore_ascii_case("authorization") {
                continue;
            }
            let (scheme, credential) = value.trim().split_once(' ').unwrap_or_default();
            self.credential(credential.trim());
            if scheme.eq_ignore_ascii_case("basic") {
                let pair = BASE64_STANDARD.decode(credential).unwrap_or_default();
                let pair = String::from_utf8_lossy(&pair);
                let (_, password) = pair.split_once(':').unwrap_or_default();
                self.secret("a password", password);
            }
        }
    }

    /// A policy is in use.
    pub(crate) fn policy(&self, toml: &str) {
        for value in toml.split(['"', '\'']) {
            if let Some(digest) = value.strip_prefix("sha256:") {
                self.secret("the digest of an API key", digest);
            } else if value.starts_with('$') {
                let hash = value.rsplit('$').next().unwrap_or_default();
                self.secret("the hash of a password", hash);
            }
        }
    }

    /// Something that must not be said.
    pub(crate) fn secret(&self, what: &'static str, secret: &str) {
        if secret.len() < SHORTEST {
            return;
        }
        let bytes = secret.as_bytes();
        let mut secrets = lock(&self.secrets);
        if secrets.contains_key(bytes) {
            return;
        }
        let list = format!("{bytes:?}");
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        for form in [secret, list.trim_matches(['[', ']']), &hex] {
            secrets.insert(form.into(), what);
        }
    }

    /// How many forms of secrets are looked for.
    pub fn secrets(&self) -> usize {
        lock(&self.secrets).len()
    }

    /// Who said how many bytes.
    pub fn speakers(&self) -> BTreeMap<String, usize> {
        let said = lock(&self.said);
        said.iter()
            .map(|(by, said)| (by.clone(), said.text.len()))
            .collect()
    }

    /// Every kind of secret that was said, once for each speaker. What was said is forgotten.
    pub fn leaks(&self) -> Vec<Leak> {
        let said = std::mem::take(&mut *lock(&self.said));
        let secrets = lock(&self.secrets);
        let search = Search::of(secrets.keys());
        let mut leaks = Vec::new();
        for (by, Said { text, .. }) in &said {
            let mut kinds = BTreeSet::new();
            search.each(text, |at, secret| {
                let Some(what) = secrets.get(secret) else {
                    return;
                };
                if kinds.insert(*what) {
                    let around = at.saturating_sub(CONTEXT)..text.len().min(at + CONTEXT);
                    let context = text.get(around).unwrap_or_default();
                    leaks.push(Leak {
                        by: by.clone(),
                        what,
                        secret: String::from_utf8_lossy(secret).into_owned(),
                        context: String::from_utf8_lossy(context).into_owned(),
                    });
                }
            });
        }
        leaks
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Finds many texts in one pass, by their first bytes.
struct Search<'a> {
    by_start: HashMap<u64, Vec<&'a [u8]>>,
    /// Which hashes of first bytes there are: most places of a text are done with at one look.
    starts: Vec<bool>,
}

impl<'a> Search<'a> {
    fn of(texts: impl Iterator<Item = &'a Vec<u8>>) -> Self {
        let mut search = Self {
            by_start: HashMap::new(),
            starts: vec![false; 1 << 20],
        };
        for text in texts {
            let start = text.iter().take(SHORTEST).fold(0, shift);
            search.by_start.entry(start).or_default().push(text);
            if let Some(known) = search.starts.get_mut(hash(start)) {
                *known = true;
            }
        }
        search
    }

    /// Calls `found` with every place, and the text that begins there.
    fn each(&self, text: &[u8], mut found: impl FnMut(usize, &'a [u8])) {
        let mut last = 0;
        for (index, byte) in text.iter().enumerate() {
            last = shift(last, byte);
            if !self.starts.get(hash(last)).is_some_and(|known| *known) {
                continue;
            }
            let start = (index + 1).saturating_sub(SHORTEST);
            let rest = text.get(start..).unwrap_or_default();
            let candidates = self.by_start.get(&last).into_iter().flatten();
            for candidate in candidates.filter(|candidate| rest.starts_with(candidate)) {
                found(start, candidate);
            }
        }
    }
}

/// The last [`SHORTEST`] bytes as a number.
fn shift(last: u64, byte: &u8) -> u64 {
    last << 8 | u64::from(*byte)
}

fn hash(start: u64) -> usize {
    (start.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44) as usize
}

/// Hears `tracing`: all events, all spans, all fields.
struct Ear(&'static Overheard, AtomicU64);

impl Ear {
    fn hear(&self, metadata: &Metadata<'_>, record: impl FnOnce(&mut Words)) {
        let mut words = Words(metadata.name().to_owned());
        record(&mut words);
        self.0.said(metadata.target(), words.0.as_bytes());
    }
}

impl Subscriber for Ear {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::always()
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.hear(span.metadata(), |words| span.record(words));
        Id::from_u64(self.1.fetch_add(1, Ordering::Relaxed))
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        let mut words = Words(String::new());
        values.record(&mut words);
        self.0.said("a span", words.0.as_bytes());
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.hear(event.metadata(), |words| event.record(words));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Fields as text.
struct Words(String);

impl Visit for Words {
    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = write!(self.0, " {field}={value}");
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }
}

/// Hears `log`.
impl log::Log for Overheard {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        self.said(record.target(), record.args().to_string().as_bytes());
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaks(secret: impl FnOnce(&Overheard), said: &str) -> Vec<&'static str> {
        let heard = Overheard::default();
        secret(&heard);
        heard.said("x", said.as_bytes());
        heard.leaks().into_iter().map(|leak| leak.what).collect()
    }

    #[test]
    fn each_form_of_a_secret_is_found() {
        let secret = |heard: &Overheard| heard.secret("it", "swordfish");
        for said in [
            "a swordfish".to_owned(),
            format!("{:?}", b"a swordfish b"),
            "x73776f726466697368".to_owned(),
            "x".repeat(10_000) + "swordfish",
        ] {
            assert_eq!(leaks(secret, &said), ["it"], "{said}");
        }
        assert_eq!(leaks(secret, "swordfis h"), [""; 0]);
    }

    #[test]
    fn the_parts_of_credentials_are_secrets_too() {
        let sent = |head: &'static str| move |heard: &Overheard| heard.head(head.as_bytes());
        let jwt = "GET / HTTP/1.1\r\nauthorization: Bearer aaaaaaaa.bbbbbbbb.cccccccc";
        assert_eq!(leaks(sent(jwt), "aaaaaaaa"), [""; 0]);
        assert_eq!(leaks(sent(jwt), "x.bbbbbbbb"), ["the claims of a token"]);
        assert_eq!(leaks(sent(jwt), "cccccccc"), ["the signature of a token"]);
        let key = "GET / HTTP/1.1\r\nAuthorization: ApiKey pal_theiditis_thesecret";
        assert_eq!(leaks(sent(key), "pal_theiditis"), [""; 0]);
        assert_eq!(leaks(sent(key), "thesecret"), ["the secret of an API key"]);
        let basic = "GET / HTTP/1.1\r\nAuthorization: Basic YWxpY2U6c3dvcmRmaXNo";
        assert_eq!(leaks(sent(basic), "alice"), [""; 0]);
        assert_eq!(leaks(sent(basic), "swordfish"), ["a password"]);
        assert_eq!(leaks(sent(basic), "YWxpY2U6c3dvcmRmaXNo"), ["a credential"]);
    }

    #[test]
    fn the_hashes_of_a_policy_are_secrets() {
        let policy = |heard: &Overheard| {
            heard.policy("hash = '$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g'\ndigest = \"sha256:0123456789\"");
        };
        assert_eq!(leaks(policy, "aGFzaGhhc2g"), ["the hash of a password"]);
        assert_eq!(leaks(policy, "0123456789"), ["the digest of an API key"]);
        assert_eq!(leaks(policy, "m=8,t=1,p=1"), [""; 0]);
    }
}
