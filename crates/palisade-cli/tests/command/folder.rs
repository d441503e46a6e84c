//! A folder for each test, and the command run in it.

use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

/// A policy that takes tokens of the key in `jwks.json`, and API keys.
pub(crate) const POLICY: &str = r#"
[host]
allowed = ["api.example.com"]

[jwt.main]
issuer = "https://id.example.com"
audience = "urn:api"
jwks = "file:jwks.json"

[[limit]]
name = "burst"
quota = "100/minute"
default = true

[[rule]]
path = "/health"
require = "public"

[[rule]]
path = "/items"
methods = ["GET", "POST"]
require = { scope = "items:write" }

[[rule]]
path = "/items/{id}"
methods = ["GET"]
require = { scope = "items:read" }
max_body = "1 KiB"
"#;

/// A folder that goes with the test.
pub(crate) struct Folder(PathBuf);

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Folder {
    /// An empty one.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("palisade-cli-{}-{number}", std::process::id());
        let path = env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// One with a policy, a key pair, a token and a password.
    pub(crate) fn furnished() -> Self {
        let folder = Self::new();
        folder.write("palisade.toml", POLICY);
        folder.write("password.txt", "correct horse battery\n");
        folder.write(
            "keys.json",
            r#"[{ "key": "old-swordfish", "owner": "service1", "scopes": ["read:write"] }]"#,
        );
        let pair = ["--private", "signing.pem", "--public", "jwks.json"];
        folder
            .run(&[&["jwks", "generate"][..], &pair].concat())
            .expect(0);
        let token = folder.mint(&["--scope", "items:read items:write"]);
        folder.write("token.txt", &token);
        folder
    }

    /// A token of `signing.pem` that the policy accepts, but for what is added.
    pub(crate) fn mint(&self, more: &[&str]) -> String {
        let usual = [
            "token",
            "mint",
            "--key",
            "signing.pem",
            "--issuer",
            "https://id.example.com",
            "--audience",
            "urn:api",
            "--subject",
            "alice",
        ];
        self.run(&[&usual[..], more].concat()).expect(0).out
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, "")
    }

    /// Runs the command with this on its standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_palisade"));
        command.args(arguments).env_remove("PALISADE_STORE");
        self.finish(command, input)
    }

    /// Runs a line in a shell that finds the command.
    pub(crate) fn shell(&self, line: &str, variables: &[(&str, &str)]) -> Ran {
        let mut command = Command::new("sh");
        command
            .args(["-c", line])
            .env_remove("PALISADE_STORE")
            .env("PATH", search_path())
            .env("HOME", &self.0);
        command.envs(variables.iter().copied());
        self.finish(command, "")
    }

    fn finish(&self, mut command: Command, input: &str) -> Ran {
        let mut child = command
            .current_dir(&self.0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that reads nothing may be gone already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Ran {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Where a shell finds the command.
pub(crate) fn search_path() -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_palisade"));
    let others = env::var("PATH").unwrap_or_default();
    format!("{}:{others}", binary.parent().unwrap().display())
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Ran {
    /// Checks the exit code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        self
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap()
    }

    /// Everything that was shown.
    pub(crate) fn shown(&self) -> String {
        format!("{}{}", self.out, self.err)
    }

    /// The line that begins with these words, as its words.
    #[track_caller]
    pub(crate) fn line(&self, start: &[&str]) -> Vec<&str> {
        let mut lines = self
            .out
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>());
        let found = lines.find(|words| words.starts_with(start));
        found.unwrap_or_else(|| panic!("no line {start:?} in\n{}", self.out))
    }
}
