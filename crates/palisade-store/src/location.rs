//! Where a database is: its URL, read.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;
use std::{
    fmt, fs,
    net::IpAddr,
    path::{Path, PathBuf},
};
use url::Url;

/// What a path keeps when it becomes part of a URL.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'.')
    .remove(b'-')
    .remove(b'_');

/// What the driver understands. Anything else it would log, with its value.
const PARAMETERS: &[&str] = &[
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "user",
];

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

/// Where a database is. Its `Display` is for logs and shows no password.
#[derive(Clone)]
pub(crate) struct Location {
    kind: Kind,
    url: SecretString,
    file: Option<PathBuf>,
    name: String,
}

impl Location {
    /// Reads `sqlite:FILE` or `postgres://USER@HOST/NAME`. A relative file is relative to
    /// `folder`, or else to the working directory.
    ///
    /// # Errors
    /// What is wrong with the URL, without any part of it.
    pub(crate) fn parse(url: &str, folder: Option<&Path>) -> Result<Self, String> {
        let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
        match scheme {
            "sqlite" => Self::sqlite(rest.strip_prefix("//").unwrap_or(rest), folder),
            "postgres" | "postgresql" => Self::postgres(url),
            _ => Err(
                "is no URL of a database; write sqlite:FILE or postgres://USER@HOST/NAME"
                    .to_owned(),
            ),
        }
    }

    fn sqlite(path: &str, folder: Option<&Path>) -> Result<Self, String> {
        if path.is_empty() || path.starts_with(':') || path.contains(['?', '#', '\0']) {
            let right = "write sqlite:FILE, without parameters";
            return Err(format!("names no file that is kept; {right}"));
        }
        let path = folder.map_or_else(|| PathBuf::from(path), |folder| folder.join(path));
        let file = canonical(&path);
        let text = file
            .to_str()
            .ok_or("names a folder that is not UTF-8; move the database")?;
        let url = format!("sqlite://{}", utf8_percent_encode(text, IN_PATH));
        Ok(Self {
            kind: Kind::Sqlite,
            url: url.into(),
            name: format!("sqlite:{text}"),
            file: Some(file),
        })
    }

    fn postgres(url: &str) -> Result<Self, String> {
        let cannot = "cannot be read; write postgres://USER:PASSWORD@HOST:PORT/NAME, with \
                      special characters percent-encoded";
        let mut url = Url::parse(url).map_err(|_| cannot)?;
        let parameter = |name: &str| {
            let found = url.query_pairs().find(|(own, _)| own == name);
            found.map(|(_, value)| value.into_owned())
        };
        let unknown = url.query_pairs().find(|(name, _)| {
            !PARAMETERS.contains(&name.as_ref()) && !name.starts_with("options[")
        });
        if unknown.is_some() {
            return Err(format!(
                "has an unknown parameter; these are known: {}",
                PARAMETERS.join(", ")
            ));
        }
        let host = parameter("host")
            .or_else(|| parameter("hostaddr"))
            .or_else(|| url.host_str().map(str::to_owned))
            .filter(|host| !host.is_empty())
            .ok_or("names no host; write postgres://USER@HOST/NAME")?;
        let host = host.replace("%2F", "/").replace("%2f", "/");
        let port = parameter("port").or_else(|| url.port().map(|port| port.to_string()));
        let database = parameter("dbname");
        let database = database
            .as_deref()
            .unwrap_or(url.path())
            .trim_start_matches('/');
        let name = match port {
            Some(port) => format!("postgres://{host}:{port}/{database}"),
            None => format!("postgres://{host}/{database}"),
        };
        if parameter("sslmode").is_none() {
            let mode = if is_here(&host) {
                "prefer"
            } else {
                "verify-full"
            };
            url.query_pairs_mut().append_pair("sslmode", mode);
        }
        if url.as_str().parse::<PgConnectOptions>().is_err() {
            return Err(format!("has a parameter that {cannot}"));
        }
        Ok(Self {
            kind: Kind::Postgres,
            url: String::from(url).into(),
            file: None,
            name,
        })
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// The file of an embedded database.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The URL for the driver, with everything in it.
    pub(crate) fn reveal(&self) -> &str {
        self.url.expose_secret()
    }

    /// Whether both are the same database, opened as the same user.
    pub(crate) fn is(&self, other: &Location) -> bool {
        self.reveal() == other.reveal()
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Location").field(&self.name).finish()
    }
}

/// The path by which a file is known, however it was written: the folder must exist, the file
/// need not.
fn canonical(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match (path.parent().map(fs::canonicalize), path.file_name()) {
        (Some(Ok(folder)), Some(file)) => folder.join(file),
        _ => path,
    }
}

/// Whether a host is this machine, so that nobody can listen in between.
fn is_here(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let loopback = |address: IpAddr| address.is_loopback();
    host.starts_with('/') || host == "localhost" || address.parse().is_ok_and(loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_relative_to_the_folder() {
        let folder = std::env::temp_dir().canonicalize().unwrap();
        let name = |url: &str| Location::parse(url, Some(&folder)).unwrap().to_string();
        let expected = format!("sqlite:{}/keys.db", folder.display());
        assert_eq!(name("sqlite:keys.db"), expected);
        assert_eq!(name("sqlite://keys.db"), expected);
        assert_eq!(name("sqlite:./keys.db"), expected);
        assert_eq!(
            name(&format!("sqlite://{}/keys.db", folder.display())),
            expected
        );
    }

    #[test]
    fn a_file_may_have_any_name() {
        let location = Location::parse("sqlite:/a b/100%.db", None).unwrap();
        assert_eq!(location.file(), Some(Path::new("/a b/100%.db")));
        assert_eq!(location.reveal(), "sqlite:///a%20b/100%25.db");
    }

    #[test]
    fn another_machine_must_prove_itself_unless_the_url_says_otherwise() {
        let mode = |url: &str| {
            let location = Location::parse(url, None).unwrap();
            let (_, mode) = location.reveal().split_once("sslmode=").unwrap();
            mode.to_owned()
        };
        assert_eq!(mode("postgres://db.example.com/keys"), "verify-full");
        assert_eq!(
            mode("postgresql://db/keys?application_name=a"),
            "verify-full"
        );
        assert_eq!(mode("postgres://db/keys?sslmode=require"), "require");
        for here in [
            "localhost",
            "127.0.0.1:5433",
            "[::1]",
            "%2Frun%2Fpostgresql",
        ] {
            assert_eq!(
                mode(&format!("postgres://me@{here}/keys")),
                "prefer",
                "{here}"
            );
        }
        assert_eq!(mode("postgres:///keys?host=/run/postgresql"), "prefer");
    }

    #[test]
    fn no_password_is_shown() {
        let url = "postgres://shop:swordfish@db:5433/keys?password=swordfish";
        let location = Location::parse(url, None).unwrap();
        assert_eq!(location.to_string(), "postgres://db:5433/keys");
        assert!(!format!("{location:?}").contains("swordfish"));
        for bad in [
            "postgres://shop:swordfish@db:x/keys",
            "postgres://shop:swordfish@db/keys?sslmode=swordfish",
            "postgres://shop@db/keys?pasword=swordfish",
            "mysql://shop:swordfish@db/keys",
            "postgres://",
        ] {
            let message = Location::parse(bad, None).unwrap_err();
            assert!(!message.contains("swordfish"), "{message}");
        }
    }

    #[test]
    fn a_database_that_is_not_kept_is_refused() {
        for bad in [
            "sqlite:",
            "sqlite://",
            "sqlite::memory:",
            "sqlite:a.db?mode=memory",
        ] {
            assert!(Location::parse(bad, None).is_err(), "{bad}");
        }
    }
}
