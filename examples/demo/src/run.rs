//! The life of a server process, from the command line to its exit code.

use crate::{
    Database, Options, Store, greeting,
    keys::{ISSUER, KeyError, Keys},
    policy,
};
use clap::Parser;
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use palisade_core::{Clock, ConfigError, Palisade, SystemClock};
use std::{
    future::Future,
    io::{self, Write},
    net::{SocketAddr, TcpListener},
    process::ExitCode,
    time::Duration,
};
use tracing_subscriber::EnvFilter;

/// How long the server waits for others before it starts without them.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long requests may go on after the signal to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// What a server serves.
#[derive(Debug, Clone)]
pub struct Demo {
    /// The domain.
    pub store: Store,
    /// The policy, compiled.
    pub palisade: Palisade,
    /// How long a client may take for the head of a request. It comes before any layer runs, so only
    /// the server can give up on it.
    pub head_timeout: Duration,
}

/// Ready when the process shall end.
pub type Shutdown = Shared<BoxFuture<'static, ()>>;

/// Runs the demo with `serve`, which gets a bound listener, what to serve, and a future that is
/// ready when it is time to stop.
///
/// Exit codes: 0 after SIGTERM or ctrl-c, 1 if something outside stands in the way, 2 if the
/// command line or the policy is wrong.
pub async fn run<F>(serve: impl FnOnce(TcpListener, Demo, Shutdown) -> F) -> ExitCode
where
    F: Future<Output = io::Result<()>>,
{
    let options = Options::parse();
    log_to_stderr();
    match start_and_serve(&options, serve).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            error.exit_code()
        }
    }
}

/// Why the server did not start, or ended before its time.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the policy is wrong, nothing was started\n{0}")]
    Policy(#[from] ConfigError),
    #[error("the policy cannot be watched: {0}")]
    Watch(io::Error),
    #[error("{0} is in use: stop what listens there, or choose another address with --listen")]
    InUse(SocketAddr),
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
    #[error("the database {0} cannot be used: {1}")]
    Database(Database, sqlx::Error),
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error("the server failed: {0}")]
    Server(#[from] io::Error),
}

impl Failure {
    fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Policy(_) => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }
}

async fn start_and_serve<F>(
    options: &Options,
    serve: impl FnOnce(TcpListener, Demo, Shutdown) -> F,
) -> Result<(), Failure>
where
    F: Future<Output = io::Result<()>>,
{
    let shutdown = shutdown()?;
    let mut keys = Keys::open(options.data_dir.as_deref(), &options.database)?;
    let policy = policy::load(options, &keys)?;
    wait_for_dependencies(&policy.palisade).await;
    let listener = listen(options.listen)?;
    let address = listener.local_addr()?;
    let (store, has_demo_data) = open_store(options)
        .await
        .map_err(|why| Failure::Database(options.database.clone(), why))?;

    let mut text = greeting::listening(address);
    if policy.own_keys {
        keys.make_api_key().await?;
        if let Some(folder) = &options.data_dir {
            keys.save(folder)?;
        }
        if has_demo_data {
            let now = SystemClock::default().unix_millis() / 1000;
            text.push_str(&greeting::demo_users(address, &keys, now)?);
        }
        text.push_str(&greeting::api_key(address, &keys));
    }
    drop(keys);
    // Nobody may be listening to stdout; the server serves all the same.
    let mut stdout = io::stdout();
    let _ = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());

    let demo = Demo {
        store,
        palisade: policy.palisade,
        head_timeout: Duration::from_secs(options.head_timeout.get().into()),
    };
    let _watch = policy.watch;
    let too_late = shutdown.clone().then(|()| tokio::time::sleep(DRAIN));
    tokio::select! {
        served = serve(listener, demo, shutdown) => Ok(served?),
        () = too_late => Ok(()),
    }
}

/// Issuers and databases that the policy names may come up later than this server.
async fn wait_for_dependencies(palisade: &Palisade) {
    let missing = match tokio::time::timeout(PATIENCE, palisade.ready()).await {
        Ok(Ok(())) => return,
        Ok(Err(why)) => why.to_string(),
        Err(_) => "something that the policy depends on gives no answer".to_owned(),
    };
    tracing::warn!("{missing}: until it is there, requests that need it are answered 503");
}

fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(address).map_err(|why| match why.kind() {
        io::ErrorKind::AddrInUse => Failure::InUse(address),
        _ => Failure::Listen(address, why),
    })?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

async fn open_store(options: &Options) -> Result<(Store, bool), sqlx::Error> {
    let store = Store::open(options.database.url()).await?;
    let demo_data = options.demo_data || options.database.in_memory();
    if demo_data {
        store.load_demo_data(ISSUER).await?;
    }
    Ok((store, demo_data))
}

/// Listens to the signals from now on, not only from the first poll.
#[cfg(unix)]
fn shutdown() -> io::Result<Shutdown> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let either = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    Ok(either.boxed().shared())
}

#[cfg(not(unix))]
fn shutdown() -> io::Result<Shutdown> {
    Ok(tokio::signal::ctrl_c().map(|_| ()).boxed().shared())
}

fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .init();
}
