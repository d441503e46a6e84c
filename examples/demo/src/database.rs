//! Where users, items and API keys are kept.

use secrecy::{ExposeSecret, SecretString};
use std::{fmt, net::IpAddr, path, str::FromStr};
use url::Url;

/// The URL of a database: `sqlite:FILE`, `sqlite::memory:` or `postgres://USER@HOST/NAME`. Not
/// shown with its password.
#[derive(Clone)]
pub struct Database {
    url: SecretString,
    shown: String,
}

impl Database {
    /// The URL with everything in it.
    pub(crate) fn url(&self) -> &str {
        self.url.expose_secret()
    }

    /// Whether it ends with the process.
    pub(crate) fn in_memory(&self) -> bool {
        self.url() == "sqlite::memory:"
    }

    /// A file, whose path is made absolute: to a policy, a path is relative to its own folder.
    fn file(name: &str) -> Result<Self, String> {
        let path = path::absolute(name).map_err(|why| why.to_string())?;
        let url = format!("sqlite:{}", path.display());
        Ok(Self {
            shown: url.clone(),
            url: url.into(),
        })
    }

    /// Unless the URL says otherwise, a server elsewhere must prove who it is.
    fn postgres(text: &str) -> Result<Self, String> {
        let mut url = Url::parse(text).map_err(|why| format!("is no URL: {why}"))?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
        let here = match address {
            Ok(address) => address.is_loopback(),
            Err(_) => host.is_empty() || host == "localhost",
        };
        if !here && !url.query_pairs().any(|(name, _)| name == "sslmode") {
            url.query_pairs_mut().append_pair("sslmode", "verify-full");
        }
        Ok(Self {
            shown: format!("postgres://{host}{}", url.path()),
            url: String::from(url).into(),
        })
    }
}

impl FromStr for Database {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("sqlite", ":memory:")) => Ok(Self {
                url: text.to_owned().into(),
                shown: text.to_owned(),
            }),
            Some(("sqlite", file)) => Self::file(file.strip_prefix("//").unwrap_or(file)),
            Some(("postgres" | "postgresql", _)) => Self::postgres(text),
            _ => Err("write sqlite:FILE, sqlite::memory: or postgres://USER@HOST/NAME".to_owned()),
        }
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> String {
        text.parse::<Database>().unwrap().url().to_owned()
    }

    #[test]
    fn a_file_is_absolute_and_a_server_elsewhere_proves_who_it_is() {
        assert!(url("sqlite:demo.db").starts_with("sqlite:/"));
        assert_eq!(url("sqlite:///tmp/demo.db"), "sqlite:/tmp/demo.db");
        assert_eq!(url("sqlite::memory:"), "sqlite::memory:");
        assert_eq!(
            url("postgres://db/x"),
            "postgres://db/x?sslmode=verify-full"
        );
        for as_it_is in [
            "postgres://127.0.0.1/x",
            "postgres://[::1]/x",
            "postgres://db/x?sslmode=require",
        ] {
            assert_eq!(url(as_it_is), as_it_is);
        }
        for bad in ["demo.db", "mysql://localhost/x", "postgres://[x"] {
            assert!(bad.parse::<Database>().is_err());
        }
    }

    #[test]
    fn no_password_is_shown() {
        let database: Database = "postgres://demo:swordfish@db/x".parse().unwrap();
        assert!(database.url().contains("swordfish"));
        assert_eq!(
            format!("{database} {database:?}"),
            "postgres://db/x postgres://db/x"
        );
    }
}
