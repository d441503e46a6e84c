//! Stage 1: target, header values, sizes and method.

use super::shown;
use crate::{
    cause::Cause,
    engine::facts::Arrival,
    firewall::{self, FirewallLimits, Refused, Target, claim_of},
    head::{HeadEdits, RequestHead},
    methods::{MethodId, Methods},
    policy::Firewall,
    problem::{Code, Reason},
    view::View,
};
use http::{HeaderName, header};

/// `[firewall]`.
#[derive(Debug)]
pub(in crate::engine) struct FirewallStage {
    settings: Firewall,
}

impl FirewallStage {
    pub(in crate::engine) fn new(settings: &Firewall) -> Self {
        Self {
            settings: settings.clone(),
        }
    }

    /// Refuses everything about the head that no honest client sends.
    pub(in crate::engine) fn judge<'h>(
        &self,
        head: &'h dyn RequestHead,
        view: &mut View<'h>,
        methods: &Methods,
        arrival: &mut Arrival,
        edits: &mut HeadEdits,
    ) -> Result<Target<'h>, Reason> {
        // What follows such a head may be taken for another protocol (RFC 9110 §7.8, §9.3.6),
        // so whatever is answered but a change to it is the last answer of the connection.
        arrival.changes_protocol = view.asks_for_websocket() || head.method() == b"CONNECT";
        let known = methods.find(head.method());
        let method =
            known.ok_or_else(|| Reason::new(Code::MethodNotImplemented, Cause::UnknownMethod))?;
        arrival.method = Some(method);
        let raw = head.target();
        if raw.len() > self.settings.max_target {
            return Err(Reason::new(Code::UriTooLong, Cause::TargetTooLong));
        }
        if view.line_count() > self.settings.max_header_lines {
            return Err(Reason::new(
                Code::HeadersTooLarge,
                Cause::TooManyHeaderLines,
            ));
        }
        if view.header_bytes() > self.settings.max_header_bytes {
            return Err(Reason::new(Code::HeadersTooLarge, Cause::HeadersTooLarge));
        }
        let limits = FirewallLimits {
            path: self.settings.max_target,
            query: self.settings.max_target,
        };
        let rejected = |refused: Refused| Reason::new(Code::RequestRejected, refused.cause());
        let target = firewall::check_target(raw, &limits).map_err(rejected)?;
        view.set_target(target.path, target.query);
        // Where the framework has cut it off, the target cannot show it.
        if head.scheme().is_some_and(|scheme| !is_http(scheme)) {
            return Err(rejected(Refused::UnsupportedScheme));
        }
        let mut singletons = Singletons::default();
        for (name, value) in view.lines() {
            if !firewall::check_header_value(value) {
                return Err(Reason::new(
                    Code::RequestRejected,
                    Cause::HeaderControlCharacter,
                ));
            }
            singletons.note(name)?;
            // No proxy is trusted, so nobody has checked what such a field says.
            if claim_of(name).is_some() {
                edits.remove(
                    HeaderName::from_bytes(name.as_bytes())
                        .map_err(|_| Reason::new(Code::RequestRejected, Cause::HeaderName))?,
                );
            }
        }
        if target.path == "*" && method != MethodId::OPTIONS {
            return Err(Reason::new(Code::RequestRejected, Cause::AsteriskForm));
        }
        arrival.content_length = content_length(view)?;
        check_transfer_encoding(view, arrival.content_length)?;
        arrival.has_body = has_body(view, arrival);
        check_handshake(view, method, arrival)?;
        Ok(target)
    }

    pub(in crate::engine) fn tell(&self, head: &dyn RequestHead, view: &View<'_>) -> String {
        let query = match view.query() {
            Some(query) => format!(" with a query of {} bytes", query.len()),
            None => String::new(),
        };
        let lines = match view.line_count() {
            1 => "1 header line".to_owned(),
            many => format!("{many} header lines"),
        };
        let (method, path) = (shown(head.method()), shown_path(head.target()));
        format!(
            "{method} {path}{query}, {lines} of {} bytes",
            view.header_bytes()
        )
    }
}

/// The path of a target: queries and authorities may hold credentials.
pub(in crate::engine) fn shown_path(target: &[u8]) -> String {
    match target.first() {
        Some(b'/' | b'*') => {
            let path = target.split(|b| matches!(b, b'?' | b'#')).next();
            shown(path.unwrap_or_default())
        }
        _ => match std::str::from_utf8(target)
            .ok()
            .and_then(|text| text.split_once("://"))
        {
            Some((_, rest)) => rest
                .find('/')
                .and_then(|start| rest.get(start..))
                .map_or_else(|| "/".to_owned(), |path| shown_path(path.as_bytes())),
            None => String::new(),
        },
    }
}

pub(super) fn is_http(scheme: &[u8]) -> bool {
    scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https")
}

/// RFC 9110 §8.6: one decimal number. Anything else is a smuggling attempt.
fn content_length(view: &View<'_>) -> Result<Option<u64>, Reason> {
    let rejected = || Reason::new(Code::RequestRejected, Cause::ContentLengthMalformed);
    let mut lines = view.header(&header::CONTENT_LENGTH);
    let Some(line) = lines.next() else {
        return Ok(None);
    };
    if lines.next().is_some() || !line.iter().all(u8::is_ascii_digit) {
        return Err(rejected());
    }
    let digits = std::str::from_utf8(line).map_err(|_| rejected())?;
    digits.parse().map(Some).map_err(|_| rejected())
}

/// RFC 9112 §6.1: of the codings only `chunked` is implemented, once, and a length beside it is
/// a smuggling attempt. A framework that has resolved the two leaves only one of them here.
fn check_transfer_encoding(view: &View<'_>, length: Option<u64>) -> Result<(), Reason> {
    let mut lines = view.header(&header::TRANSFER_ENCODING);
    match (lines.next(), lines.next(), length) {
        (None, ..) => Ok(()),
        (Some(coding), None, None) if coding.eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(Reason::new(Code::RequestRejected, Cause::TransferEncoding)),
    }
}

/// RFC 9112 §6.3: without a length or a coding there is none. In HTTP/2 the end of the stream
/// tells, which no field does (RFC 9113 §8.1).
fn has_body(view: &View<'_>, arrival: &Arrival) -> bool {
    match arrival.content_length {
        Some(length) => length > 0,
        None => arrival.http2 || view.header(&header::TRANSFER_ENCODING).next().is_some(),
    }
}

/// RFC 6455 §4.1: a handshake is a GET; and a body of it would be read by some servers as
/// frames, up to the end of the connection, by others as a body.
fn check_handshake(view: &View<'_>, method: MethodId, arrival: &Arrival) -> Result<(), Reason> {
    let has_body = arrival.content_length.is_some_and(|length| length > 0)
        || view.header(&header::TRANSFER_ENCODING).next().is_some();
    match view.asks_for_websocket() && (method != MethodId::GET || has_body) {
        true => Err(Reason::new(
            Code::RequestRejected,
            Cause::WebsocketHandshake,
        )),
        false => Ok(()),
    }
}

/// Fields that a head has once (RFC 9110 §5.3), with the word for the audit: those that a stage,
/// an extractor or a server reads. `Host`, `Authorization`, the two that frame a body and those
/// of the schemes are looked at where they are read.
const SINGLETONS: &[(&str, Cause)] = &[
    ("content-type", Cause::ContentTypeRepeated),
    ("content-encoding", Cause::ContentEncodingRepeated),
    ("origin", Cause::OriginRepeated),
    ("expect", Cause::ExpectRepeated),
    (
        "access-control-request-method",
        Cause::AccessControlRequestMethodRepeated,
    ),
    ("sec-fetch-site", Cause::SecFetchRepeated),
    ("sec-fetch-mode", Cause::SecFetchRepeated),
    ("sec-fetch-dest", Cause::SecFetchRepeated),
    ("sec-fetch-user", Cause::SecFetchRepeated),
    ("sec-websocket-key", Cause::SecWebsocketRepeated),
    ("sec-websocket-version", Cause::SecWebsocketRepeated),
];

/// Which of them were there.
#[derive(Default)]
struct Singletons([bool; SINGLETONS.len()]);

impl Singletons {
    fn note(&mut self, name: &str) -> Result<(), Reason> {
        for ((own, cause), seen) in SINGLETONS.iter().zip(&mut self.0) {
            if *own == name && std::mem::replace(seen, true) {
                return Err(Reason::new(Code::RequestRejected, *cause));
            }
        }
        Ok(())
    }
}
