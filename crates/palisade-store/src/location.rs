//! Where a database is: its URL, read.

mod postgres;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

/// What a path keeps when it becomes part of a URL.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'.')
    .remove(b'-')
    .remove(b'_');

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
    /// Reads `sqlite:FILE` or `postgres://USER@HOST/NAME`. A relative file, also one of
    /// certificates, is relative to `folder`, or else to the working directory.
    ///
    /// # Errors
    /// What is wrong with the URL, without any part of it.
    pub(crate) fn parse(url: &str, folder: Option<&Path>) -> Result<Self, String> {
        let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
        match scheme {
            "sqlite" => Self::sqlite(rest.strip_prefix("//").unwrap_or(rest), folder),
            "postgres" | "postgresql" => Self::postgres(url, folder),
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

    fn postgres(url: &str, folder: Option<&Path>) -> Result<Self, String> {
        let (url, name) = postgres::read(url, folder)?;
        Ok(Self {
            kind: Kind::Postgres,
            url: url.into(),
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
