//! A request as the command line describes it.

use crate::{answer::Failure, note, secret::read_text};
use clap::Args;
use palisade_core::{Description, RequestHead};
use std::{net::IpAddr, net::SocketAddr, path::PathBuf};

/// The request to explain.
#[derive(Debug, Args)]
pub(crate) struct RequestArguments {
    /// The method
    #[arg(long, short = 'X', default_value = "GET")]
    method: String,

    /// The path as it is sent, with its query if it has one
    #[arg(long, short)]
    path: String,

    /// A header line; may be given several times. Credentials belong into --headers-file
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE")]
    headers: Vec<String>,

    /// A file with one header line in each line; `-` is standard input
    #[arg(long, value_name = "FILE")]
    headers_file: Option<PathBuf>,

    /// The address that the request comes from, with or without a port
    #[arg(long, value_name = "ADDRESS", default_value = "203.0.113.1", value_parser = peer)]
    peer: SocketAddr,

    /// The request came over TLS
    #[arg(long)]
    tls: bool,

    /// The request came by HTTP/2: the Host is its :authority
    #[arg(long)]
    http2: bool,
}

/// Headers that hold credentials whatever the policy says.
const CREDENTIALS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

/// A request without a framework.
#[derive(Debug)]
pub(crate) struct Request {
    method: String,
    target: String,
    lines: Vec<(String, String)>,
    authority: Option<String>,
    http2: bool,
    peer: SocketAddr,
    tls: bool,
}

impl RequestArguments {
    /// The request; a `Host` that is missing is the policy's own.
    pub(crate) fn read(self, policy: &Description) -> Result<Request, Failure> {
        if let Some((method, path)) = self.path.split_once(' ')
            && method.bytes().all(|b| b.is_ascii_uppercase())
        {
            return Err(Failure::Usage(format!(
                "the path holds a method too; write -X {method} --path {path}"
            )));
        }
        let mut lines = Vec::new();
        let mut shows = false;
        for text in &self.headers {
            let (name, value) = line(text)?;
            shows |= CREDENTIALS.contains(&&*name) || is_carrier(policy, &name);
            lines.push((name, value));
        }
        if shows {
            note(
                "note: what -H says stands in process lists and histories; credentials belong \
                 into --headers-file",
            );
        }
        if let Some(path) = &self.headers_file {
            let text = read_text(path, "list of headers")?;
            for text in text.lines().filter(|text| !text.trim().is_empty()) {
                lines.push(line(text)?);
            }
        }
        if !lines.iter().any(|(name, _)| name == "host") {
            let host = own_host(policy);
            note(&format!(
                "note: without a Host header, it is taken to be {host}"
            ));
            lines.insert(0, ("host".to_owned(), host));
        }
        let mut authority = None;
        if self.http2 {
            let host = lines.iter().position(|(name, _)| name == "host");
            authority = host.map(|index| lines.remove(index).1);
        }
        Ok(Request {
            method: self.method,
            target: self.path,
            lines,
            authority,
            http2: self.http2,
            peer: self.peer,
            tls: self.tls,
        })
    }
}

impl Request {
    /// A GET that carries nothing but what a server always sees.
    pub(crate) fn plain(target: String, lines: Vec<(String, String)>) -> Self {
        let host = ("host".to_owned(), "localhost".to_owned());
        Self {
            method: "GET".to_owned(),
            target,
            lines: std::iter::once(host).chain(lines).collect(),
            authority: None,
            http2: false,
            peer: ([203, 0, 113, 1], 50_000).into(),
            tls: true,
        }
    }
}

impl RequestHead for Request {
    fn method(&self) -> &[u8] {
        self.method.as_bytes()
    }

    fn target(&self) -> &[u8] {
        self.target.as_bytes()
    }

    fn authority(&self) -> Option<&[u8]> {
        self.authority.as_deref().map(str::as_bytes)
    }

    fn http2(&self) -> bool {
        self.http2
    }

    fn headers<'h>(&'h self, each: &mut dyn FnMut(&'h str, &'h [u8])) {
        for (name, value) in &self.lines {
            each(name, value.as_bytes());
        }
    }

    fn peer(&self) -> Option<SocketAddr> {
        Some(self.peer)
    }

    fn tls(&self) -> bool {
        self.tls
    }
}

/// `NAME: VALUE`; the value is not repeated where it is wrong.
fn line(text: &str) -> Result<(String, String), Failure> {
    let parts = text.split_once(':');
    let parts = parts.filter(|(name, _)| !name.is_empty() && !name.contains([' ', '\t']));
    let (name, value) = parts
        .ok_or_else(|| Failure::Usage("a header line is none; write `name: value`".to_owned()))?;
    Ok((name.to_ascii_lowercase(), value.trim().to_owned()))
}

fn is_carrier(policy: &Description, name: &str) -> bool {
    let mut places = policy.schemes.iter().flat_map(|own| &own.carriers);
    places.any(|place| place.header().is_some_and(|own| own.as_str() == name))
}

/// The first host that the policy answers for.
fn own_host(policy: &Description) -> String {
    let hosts = policy.settings.pointer("/host/allowed");
    let hosts = hosts
        .and_then(|hosts| hosts.as_array())
        .into_iter()
        .flatten();
    let mut names = hosts.filter_map(|host| host.as_str());
    match names.next() {
        Some(name) => name.replacen("*.", "any.", 1),
        None => "localhost".to_owned(),
    }
}

fn peer(text: &str) -> Result<SocketAddr, String> {
    let with_port = text.parse::<SocketAddr>();
    with_port
        .or_else(|_| {
            text.parse::<IpAddr>()
                .map(|address| (address, 50_000).into())
        })
        .map_err(|_| "is no address; write 192.0.2.1, 192.0.2.1:4711, ::1 or [::1]:4711".to_owned())
}
