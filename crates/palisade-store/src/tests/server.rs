//! A Postgres of the tests' own: on a port of this machine, in a temporary folder.

use super::Folder;
use std::{
    env, fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// How long anything may take before it has failed: nothing is decided by how fast this machine is.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// The user that owns nothing, under this number on every Linux.
const NOBODY: &str = "65534";

/// Where Postgres looks for its own certificate.
const CERTIFICATE: &str = "server.crt";
const KEY: &str = "server.key";

/// A running Postgres, stopped when it is dropped.
pub(super) struct Server {
    folder: Folder,
    programs: PathBuf,
    port: u16,
    process: Option<Child>,
}

impl Server {
    /// `None` where there is no Postgres, which `cargo xtask test` reports. It must be there if
    /// `PALISADE_REQUIRE_POSTGRES` is set.
    pub(super) fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            let why = "there is no Postgres: its programs initdb and postgres are neither in \
                       PALISADE_POSTGRES_BIN nor in PATH; `cargo xtask test` finds or installs it";
            assert!(env::var_os("PALISADE_REQUIRE_POSTGRES").is_none(), "{why}");
            eprintln!("not run: {why}");
            return None;
        };
        let folder = Folder::new();
        give_away(&folder.0);
        let mut server = Self {
            folder,
            programs,
            port: TcpListener::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap()
                .port(),
            process: None,
        };
        let mut initdb = server.command("initdb");
        initdb.args([
            "--username=palisade",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-sync",
        ]);
        run(initdb.arg("--pgdata").arg(server.data()));
        server.begin();
        Some(server)
    }

    pub(super) fn begin(&mut self) {
        let mut postgres = self.command("postgres");
        postgres
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(&self.folder.0);
        postgres.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-F"]);
        postgres.stdout(Stdio::null()).stderr(Stdio::null());
        if self.data().join(CERTIFICATE).exists() {
            postgres.args(["-c", "ssl=on"]);
        }
        let start = Instant::now();
        // Its last line says whether it answers.
        let status = self.data().join("postmaster.pid");
        loop {
            // Somebody else may have had its port for a moment.
            if !self.process.as_mut().is_some_and(is_running) {
                self.process = Some(postgres.spawn().unwrap());
            }
            if fs::read_to_string(&status).is_ok_and(|text| text.contains("\nready")) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "postgres does not start");
            sleep(Duration::from_millis(50));
        }
    }

    /// Stops it at once, as a crash does.
    pub(super) fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // SIGQUIT: it ends its children too, which SIGKILL would leave behind.
            let quit = Command::new("kill")
                .args(["-QUIT", &process.id().to_string()])
                .status();
            assert!(quit.is_ok_and(|status| status.success()));
            process.wait().unwrap();
        }
    }

    /// Serves TLS from now on, as whom this certificate says.
    pub(super) fn serve_tls(&mut self, certificate: &str, key: &str) {
        self.stop();
        for (name, pem) in [(CERTIFICATE, certificate), (KEY, key)] {
            let file = self.data().join(name);
            fs::write(&file, pem).unwrap();
            // Others may not read a key, or Postgres does not start.
            run(Command::new("chmod").arg("0600").arg(&file));
            give_away(&file);
        }
        self.begin();
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn url(&self) -> String {
        format!(
            "postgres://palisade:swordfish@127.0.0.1:{}/postgres",
            self.port
        )
    }

    /// What a statement counts, asked from outside of Palisade.
    pub(super) async fn count(&self, sql: &'static str) -> i64 {
        use sqlx::Connection;
        let mut connection = sqlx::AnyConnection::connect(&self.url()).await.unwrap();
        sqlx::query_scalar(sql)
            .fetch_one(&mut connection)
            .await
            .unwrap()
    }

    pub(super) async fn execute(&self, sql: &'static str) {
        use sqlx::Connection;
        let mut connection = sqlx::AnyConnection::connect(&self.url()).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    }

    fn data(&self) -> PathBuf {
        self.folder.0.join("data")
    }

    /// Postgres refuses to run as root.
    fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let mut command = match is_root() {
            true => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]);
                command.arg(program);
                command
            }
            false => Command::new(program),
        };
        command.env("LC_ALL", "C").current_dir(&self.folder.0);
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {error}");
}

fn is_running(process: &mut Child) -> bool {
    process.try_wait().unwrap().is_none()
}

/// Makes a file or folder belong to whom Postgres runs as.
fn give_away(path: &Path) {
    if is_root() {
        run(Command::new("chown").arg(NOBODY).arg(path));
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout == b"0\n")
}

/// The folder of Postgres's programs.
fn programs() -> Option<PathBuf> {
    let named = env::var_os("PALISADE_POSTGRES_BIN").map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    let mut places = named.into_iter().chain(env::split_paths(&path));
    places.find(|place| has(place, "initdb") && has(place, "postgres"))
}

fn has(folder: &Path, program: &str) -> bool {
    folder.join(program).is_file()
}
