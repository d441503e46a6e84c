//! The URL of a Postgres, read so that no word in it promises more than the driver keeps.

use super::canonical;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use std::{fs::File, net::IpAddr, path::Path};
use url::{Host, Url};

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

/// Those that name a file, or hold what would stand in it.
const FILES: [&str; 3] = ["sslcert", "sslkey", "sslrootcert"];

const UNREADABLE: &str = "cannot be read; write postgres://USER:PASSWORD@HOST:PORT/NAME, with \
                          special characters percent-encoded";

const NO_HOST: &str = "names no host; write postgres://USER@HOST/NAME";

/// The URL for the driver, and what it may be called in logs.
///
/// # Errors
/// What is wrong with the URL, without any part of it.
pub(super) fn read(text: &str, folder: Option<&Path>) -> Result<(String, String), String> {
    let mut url = Url::parse(text).map_err(|_| UNREADABLE)?;
    let mut parameters: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    check(&parameters)?;
    for (name, value) in &mut parameters {
        if FILES.contains(&name.as_str()) && !value.trim_start().starts_with("-----BEGIN") {
            *value = file(name, value, folder)?;
        }
    }
    let has = |sought: &[&str]| {
        let mut names = parameters.iter().map(|(name, _)| name.as_str());
        names.any(|name| sought.contains(&name))
    };
    let (names_host, names_mode) = (has(&["host", "hostaddr"]), has(&["sslmode"]));
    let names_root = has(&["sslrootcert"]);
    if !names_host {
        match url.host() {
            // Brackets belong to a URL (RFC 3986 §3.2.2); the driver would seek them in the
            // certificate.
            Some(Host::Ipv6(address)) => {
                parameters.push(("hostaddr".to_owned(), address.to_string()));
            }
            Some(_) if url.host_str() != Some("") => {}
            _ => return Err(NO_HOST.to_owned()),
        }
    }
    url.query_pairs_mut().clear().extend_pairs(&parameters);

    let options = options(&url)?;
    let is_here = is_here(&options);
    if !names_mode {
        let mode = match is_here && !names_root {
            true => "prefer",
            false => "verify-full",
        };
        url.query_pairs_mut().append_pair("sslmode", mode);
    } else if let Some(fault) = broken_promise(options.get_ssl_mode(), is_here, names_root) {
        return Err(fault.to_owned());
    }
    Ok((String::from(url), name(&options)))
}

fn check(parameters: &[(String, String)]) -> Result<(), String> {
    let known = |name: &str| PARAMETERS.contains(&name) || name.starts_with("options[");
    if parameters.iter().all(|(name, _)| known(name)) {
        return Ok(());
    }
    let known = PARAMETERS.join(", ");
    Err(format!(
        "has an unknown parameter; these are known: {known}"
    ))
}

/// The path of a file that a parameter names, which must be readable now: the driver's own error
/// would not tell which one is missing.
fn file(parameter: &str, value: &str, folder: Option<&Path>) -> Result<String, String> {
    let path = folder.map_or_else(|| value.into(), |folder| folder.join(value));
    File::open(&path)
        .map_err(|why| format!("names a file by {parameter} that cannot be read: {why}"))?;
    let path = canonical(&path).into_os_string().into_string();
    path.map_err(|_| format!("names a file by {parameter} in a folder that is not UTF-8"))
}

/// The driver's own reading, so that what is judged here is what it will connect to.
fn options(url: &Url) -> Result<PgConnectOptions, String> {
    let options: Result<PgConnectOptions, _> = url.as_str().parse();
    let options = options.map_err(|_| format!("has a parameter that {UNREADABLE}"))?;
    match options.get_socket().is_none() && options.get_host().is_empty() {
        true => Err(NO_HOST.to_owned()),
        false => Ok(options),
    }
}

/// Whether the server is on this machine, so that nobody can listen in between.
fn is_here(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    let loopback = |address: IpAddr| address.is_loopback();
    options.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || host.parse().is_ok_and(loopback)
}

/// What a mode seems to promise and the driver does not keep.
fn broken_promise(mode: PgSslMode, is_here: bool, names_root: bool) -> Option<&'static str> {
    match mode {
        PgSslMode::Prefer | PgSslMode::Allow if !is_here => Some(
            "lets whoever answers choose not to encrypt; write sslmode=verify-full, or \
             sslmode=disable if that is meant",
        ),
        // The driver trusts the public authorities beside the one that is named.
        PgSslMode::VerifyCa => Some(
            "lets in any server with a certificate of a public authority; write \
             sslmode=verify-full",
        ),
        // Other clients then verify, as PostgreSQL's libpq does; this one would not.
        mode if names_root && !matches!(mode, PgSslMode::VerifyFull) => {
            Some("names an authority by sslrootcert that nobody asks; write sslmode=verify-full")
        }
        _ => None,
    }
}

/// Without user and password.
fn name(options: &PgConnectOptions) -> String {
    let host = match options.get_socket() {
        Some(folder) => folder.display().to_string(),
        None if options.get_host().contains(':') => format!("[{}]", options.get_host()),
        None => options.get_host().to_owned(),
    };
    let database = options.get_database().unwrap_or_default();
    format!("postgres://{host}:{}/{database}", options.get_port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> String {
        let (url, _) = read(url, None).unwrap();
        let (_, mode) = url.split_once("sslmode=").unwrap();
        mode.to_owned()
    }

    fn fault(url: &str) -> String {
        read(url, None).unwrap_err()
    }

    #[test]
    fn another_machine_must_prove_itself_unless_the_url_says_otherwise() {
        for elsewhere in [
            "postgres://db.example.com/keys",
            "postgresql://db/keys?application_name=a",
            "postgres://10.0.0.1/keys",
            "postgres://[2001:db8::1]/keys",
            "postgres://localhost/keys?hostaddr=10.0.0.1",
            "postgres://localhost/keys?host=localhost&hostaddr=10.0.0.1",
            "postgres:///keys?host=localhost&host=db.example.com",
        ] {
            assert_eq!(mode(elsewhere), "verify-full", "{elsewhere}");
        }
        assert_eq!(mode("postgres://db/keys?sslmode=require"), "require");
        assert_eq!(mode("postgres://db/keys?sslmode=disable"), "disable");
    }

    #[test]
    fn on_this_machine_nobody_listens_in_between() {
        for here in [
            "postgres://me@localhost/keys",
            "postgres://me@127.0.0.1:5433/keys",
            "postgres://me@[::1]/keys",
            "postgres://me@%2Frun%2Fpostgresql/keys",
            "postgres:///keys?host=/run/postgresql",
        ] {
            assert_eq!(mode(here), "prefer", "{here}");
        }
    }

    #[test]
    fn a_mode_that_does_not_keep_its_promise_is_refused() {
        for mode in ["prefer", "allow"] {
            let fault = fault(&format!("postgres://db/keys?sslmode={mode}"));
            assert!(fault.contains("choose not to encrypt"), "{fault}");
            let here = format!("postgres://localhost/keys?sslmode={mode}");
            assert!(read(&here, None).is_ok());
        }
        let weak = fault("postgres://db/keys?sslmode=verify-ca");
        assert!(weak.contains("public authority"), "{weak}");
        let folder = env!("CARGO_MANIFEST_DIR");
        for mode in ["require", "disable"] {
            let root = format!("sslrootcert={folder}/Cargo.toml");
            let unasked = fault(&format!("postgres://db/keys?sslmode={mode}&{root}"));
            assert!(unasked.contains("nobody asks"), "{unasked}");
        }
    }

    #[test]
    fn a_file_is_relative_to_the_folder() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let url = "postgres://localhost/keys?sslrootcert=Cargo.toml";
        let (url, _) = read(url, Some(folder)).unwrap();
        assert!(url.contains("Cargo.toml&sslmode=verify-full"), "{url}");
        let url: Url = url.parse().unwrap();
        let (_, path) = url.query_pairs().next().unwrap();
        assert_eq!(Path::new(&*path), folder.join("Cargo.toml"));
        for parameter in FILES {
            let missing = fault(&format!("postgres://db/keys?{parameter}=gone.pem"));
            assert!(missing.contains(parameter), "{missing}");
        }
    }

    #[test]
    fn it_is_called_what_the_driver_connects_to() {
        let name = |url: &str| read(url, None).unwrap().1;
        assert_eq!(name("postgres://a:b@db/keys"), "postgres://db:5432/keys");
        assert_eq!(
            name("postgres://db/a?host=b&port=1&dbname=c"),
            "postgres://b:1/c"
        );
        assert_eq!(name("postgres://[::1]/keys"), "postgres://[::1]:5432/keys");
        assert_eq!(name("postgres://%2Frun/keys"), "postgres:///run:5432/keys");
        for bad in ["postgres:///keys", "postgres://", "postgres:///keys?host="] {
            assert_eq!(fault(bad), NO_HOST, "{bad}");
        }
    }
}
