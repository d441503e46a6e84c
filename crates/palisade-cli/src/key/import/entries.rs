//! Lists of keys in JSON and CSV, each key with the line it begins in. What is wrong is told
//! without repeating any of it: it may be the key itself.

use crate::{clock::moment, table::words};
use aws_lc_rs::digest::{SHA256, digest};
use clap::ValueEnum;
use csv::{ErrorKind, Position, ReaderBuilder, StringRecord, Trim};
use palisade_core::ApiKeyEntry;
use serde::Deserialize;
use serde_json::{Deserializer, Value};
use std::path::Path;

/// What a list of keys is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A list of objects
    Json,
    /// A line with the names of the fields, then a line for each key
    Csv,
}

/// A key of the list, or what is wrong with it.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) line: u64,
    pub(super) key: Result<ApiKeyEntry, String>,
}

/// A key as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Entry {
    key: Option<String>,
    digest: Option<String>,
    id: Option<String>,
    owner: String,
    scopes: Vec<String>,
    roles: Vec<String>,
    tenant: Option<String>,
    expires: Option<String>,
    active: Option<bool>,
    quota: Option<String>,
}

/// The names of these fields.
const FIELDS: [&str; 10] = [
    "key", "digest", "id", "owner", "scopes", "roles", "tenant", "expires", "active", "quota",
];

impl Format {
    /// As the name of the file has it.
    pub(super) fn of(file: &Path) -> Self {
        let extension = file.extension().unwrap_or_default();
        match extension.eq_ignore_ascii_case("csv") {
            true => Format::Csv,
            false => Format::Json,
        }
    }

    /// All keys and all mistakes. A text that cannot be read further ends with one.
    pub(super) fn read(self, text: &str) -> Vec<Listed> {
        // Some editors begin a file with a byte order mark.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        match self {
            Format::Json => json(text),
            Format::Csv => csv(text),
        }
    }
}

fn json(text: &str) -> Vec<Listed> {
    let mut listed = Vec::new();
    let mut rest = Rest::of(text);
    if let Err(line) = rest.objects(&mut listed) {
        let key = Err("this is no list of objects in JSON".to_owned());
        listed.push(Listed { line, key });
    }
    listed
}

fn csv(text: &str) -> Vec<Listed> {
    let mut reader = ReaderBuilder::new()
        .trim(Trim::All)
        .from_reader(text.as_bytes());
    let header = reader.headers().cloned().unwrap_or_default();
    if let Some(fault) = fault_of(&header) {
        return vec![Listed {
            line: 1,
            key: Err(fault),
        }];
    }
    let mut rest = Rest::of(text);
    let records = reader.records().map(|record| {
        let begin = match &record {
            Ok(record) => record.position(),
            Err(fault) => fault.position(),
        };
        // What csv says is the line where the one before ended.
        rest.go_to(begin.map_or(0, Position::byte));
        let entry = record.map_err(|fault| fault_in(fault.kind()));
        Listed {
            line: rest.line,
            key: entry
                .and_then(|record| Entry::of(&header, &record))
                .and_then(Entry::into_stored),
        }
    });
    records.collect()
}

/// What is wrong with the names of the fields.
fn fault_of(header: &StringRecord) -> Option<String> {
    let mut columns = header.iter().enumerate();
    columns.find_map(|(index, name)| {
        let column = index + 1;
        if !FIELDS.contains(&name) {
            let fields = FIELDS.join(", ");
            return Some(format!(
                "column {column} is none of {fields}; the first line names the fields"
            ));
        }
        let first = header.iter().position(|own| own == name);
        (first != Some(index)).then(|| format!("column {column} has the name of one before it"))
    })
}

fn fault_in(kind: &ErrorKind) -> String {
    match kind {
        ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!("it has {len} fields, and the first line has {expected_len}"),
        _ => "it cannot be read as CSV".to_owned(),
    }
}

impl Entry {
    /// A line of CSV. A field that is empty is not there.
    fn of(header: &StringRecord, record: &StringRecord) -> Result<Self, String> {
        if record.iter().any(|value| value.contains(char::is_control)) {
            let message = "a field goes over several lines, or holds a control character; \
                           perhaps a quotation mark is missing";
            return Err(message.to_owned());
        }
        let field = |name| {
            let value = header.iter().position(|own| own == name);
            let value = value.and_then(|index| record.get(index)).map(str::to_owned);
            value.filter(|value| !value.is_empty())
        };
        let list = |name| {
            let names = field(name).unwrap_or_default();
            words(&names)
        };
        Ok(Self {
            key: field("key"),
            digest: field("digest"),
            id: field("id"),
            owner: field("owner").unwrap_or_default(),
            scopes: list("scopes"),
            roles: list("roles"),
            tenant: field("tenant"),
            expires: field("expires"),
            active: match field("active").as_deref() {
                None => None,
                Some("true") => Some(true),
                Some("false") => Some(false),
                Some(_) => return Err("its active is neither true nor false".to_owned()),
            },
            quota: field("quota"),
        })
    }

    fn into_stored(self) -> Result<ApiKeyEntry, String> {
        let digest = match (self.key, self.digest) {
            (Some(key), None) => {
                let bytes = digest(&SHA256, key.as_bytes());
                let digits = bytes.as_ref().iter().map(|byte| format!("{byte:02x}"));
                format!("sha256:{}", digits.collect::<String>())
            }
            (None, Some(digest)) => digest,
            _ => return Err("either its key or its digest is needed, and not both".to_owned()),
        };
        let expires = self.expires.map(|text| moment(&text)).transpose();
        let mut entry = ApiKeyEntry::new(self.owner, digest);
        entry.id = self.id;
        entry.scopes = self.scopes;
        entry.roles = self.roles;
        entry.tenant = self.tenant;
        entry.expires = expires.map_err(|why| format!("its expires {why}"))?;
        entry.active = self.active.unwrap_or(true);
        entry.quota = self.quota;
        Ok(entry)
    }
}

/// What is left of a text, and the line in which that begins.
struct Rest<'t> {
    text: &'t str,
    line: u64,
    /// How many bytes are behind.
    passed: usize,
}

impl<'t> Rest<'t> {
    fn of(text: &'t str) -> Self {
        let (line, passed) = (1, 0);
        let mut rest = Self { text, line, passed };
        rest.skip(0);
        rest
    }

    /// Goes on by so many bytes, and over the white space that follows.
    fn skip(&mut self, bytes: usize) {
        let after = self.text.get(bytes..).unwrap_or_default();
        let after = after.trim_start_matches([' ', '\t', '\r', '\n']);
        let length = self.text.len().saturating_sub(after.len());
        let gone = self.text.bytes().take(length);
        self.line += gone.map(|byte| u64::from(byte == b'\n')).sum::<u64>();
        self.passed += length;
        self.text = after;
    }

    /// Goes on to this byte of the text, and over the white space that follows.
    fn go_to(&mut self, byte: u64) {
        let byte = usize::try_from(byte).unwrap_or(usize::MAX);
        self.skip(byte.saturating_sub(self.passed));
    }

    /// Goes over this mark, if it comes next.
    fn take(&mut self, mark: char) -> Result<(), u64> {
        if !self.text.starts_with(mark) {
            return Err(self.line);
        }
        self.skip(mark.len_utf8());
        Ok(())
    }

    /// Goes over an object of JSON.
    fn object(&mut self) -> Result<Value, u64> {
        let mut values = Deserializer::from_str(self.text).into_iter::<Value>();
        match values.next() {
            Some(Ok(value @ Value::Object(_))) => {
                self.skip(values.byte_offset());
                Ok(value)
            }
            Some(Err(why)) => {
                let more = u64::try_from(why.line()).unwrap_or(1).saturating_sub(1);
                Err(self.line.saturating_add(more))
            }
            _ => Err(self.line),
        }
    }

    /// Goes over a list of objects, one by one because only so each has its line.
    ///
    /// # Errors
    /// The line where it is no such list.
    fn objects(&mut self, listed: &mut Vec<Listed>) -> Result<(), u64> {
        self.take('[')?;
        while self.take(']').is_err() {
            if !listed.is_empty() {
                self.take(',')?;
            }
            let line = self.line;
            let entry = Entry::deserialize(self.object()?).map_err(|_| no_key());
            let key = entry.and_then(Entry::into_stored);
            listed.push(Listed { line, key });
        }
        match self.text.is_empty() {
            true => Ok(()),
            false => Err(self.line),
        }
    }
}

fn no_key() -> String {
    let fields = FIELDS.join(", ");
    format!(
        "the fields of a key are {fields}: texts, but scopes and roles, which are lists of texts, \
         and active, which is true or false"
    )
}

#[cfg(test)]
mod tests;
