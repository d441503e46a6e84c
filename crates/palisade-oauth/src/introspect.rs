//! Asking an authorization server about opaque tokens (RFC 7662). What its answers mean is
//! judged in core.

use crate::{
    discovery::{Location, Wanted},
    fetch::{Answer, Fetch, FetchError},
};
use palisade_core::{
    BoxFuture, SourceError,
    companion::{ClientAuth, Introspector, RemoteIntrospection, Unfit},
};
use palisade_runtime::Background;
use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};
use tokio::sync::Semaphore;
use url::{Url, form_urlencoded::byte_serialize};

/// The largest answer.
const LIMIT: usize = 64 * 1024;

/// What the server is asked to see whether it is there: no server issues such a token.
const NO_TOKEN: &str = "palisade-asks-whether-you-are-there";

/// Asks one server.
pub(crate) struct RemoteIntrospector {
    server: Arc<Server>,
    background: Background,
    questions: Arc<Semaphore>,
}

struct Server {
    location: Location,
    client_id: String,
    client_secret: SecretSlice<u8>,
    client_auth: ClientAuth,
    has_answered: AtomicBool,
}

impl RemoteIntrospector {
    pub(crate) fn new(
        source: RemoteIntrospection,
        fetch: Arc<Fetch>,
        background: Background,
        questions: usize,
    ) -> Result<Self, Unfit> {
        let server = Server {
            location: Location::new(
                Wanted::Introspection,
                source.issuer,
                &source.endpoint,
                fetch,
            )?,
            client_id: source.client_id,
            client_secret: source.client_secret,
            client_auth: source.client_auth,
            has_answered: AtomicBool::new(false),
        };
        Ok(Self {
            server: Arc::new(server),
            background,
            questions: Arc::new(Semaphore::new(questions.min(Semaphore::MAX_PERMITS))),
        })
    }
}

impl Introspector for RemoteIntrospector {
    fn ask(&self, token: SecretString) -> BoxFuture<Result<String, SourceError>> {
        let server = Arc::clone(&self.server);
        let Ok(question) = Arc::clone(&self.questions).try_acquire_owned() else {
            return Box::pin(async move { Err(server.error("too many questions are under way")) });
        };
        self.background.ask("introspection", async move {
            let answer = server.ask(&token).await;
            drop(question);
            answer.map_err(|why| server.error(why))
        })
    }

    /// Once the server has answered anything, it counts as being there.
    fn ready(&self) -> BoxFuture<Result<(), SourceError>> {
        if self.server.has_answered.load(Relaxed) {
            return Box::pin(async { Ok(()) });
        }
        let answer = self.ask(SecretString::from(NO_TOKEN));
        Box::pin(async move { answer.await.map(drop) })
    }
}

impl Server {
    /// One question, within the time that one answer may take.
    async fn ask(&self, token: &SecretString) -> Result<String, String> {
        let limit = self.location.fetch().timeout();
        let question = async {
            let url = self.location.url().await?;
            let answer = self.question(url.clone(), token).await;
            self.location.note(&answer).await;
            let answer = answer.map_err(|why| format!("{url}: {}", explained(&why)))?;
            if !answer.is_json {
                return Err(format!("{url}: the answer is not application/json"));
            }
            String::from_utf8(answer.body).map_err(|_| format!("{url}: the answer is not utf-8"))
        };
        let answer = tokio::time::timeout(limit, question).await;
        let answer = answer.map_err(|_| FetchError::Timeout(limit).to_string())??;
        self.has_answered.store(true, Relaxed);
        Ok(answer)
    }

    /// RFC 7662 §2.1. Client id and secret are form-encoded in either place (RFC 6749 §2.3.1).
    async fn question(&self, url: Url, token: &SecretString) -> Result<Answer, FetchError> {
        let encode = |bytes: &[u8]| byte_serialize(bytes).collect::<String>();
        let token = encode(token.expose_secret().as_bytes());
        let id = encode(self.client_id.as_bytes());
        let secret = encode(self.client_secret.expose_secret());
        let mut form = format!("token={token}&token_type_hint=access_token");
        let basic = match self.client_auth {
            ClientAuth::Post => {
                form = format!("{form}&client_id={id}&client_secret={secret}");
                None
            }
            _ => Some((id.as_str(), secret.as_str())),
        };
        self.location.fetch().post(url, basic, form, LIMIT).await
    }

    fn error(&self, why: impl fmt::Display) -> SourceError {
        SourceError::new("introspection", format!("{}: {why}", self.location.issuer))
    }
}

impl fmt::Debug for RemoteIntrospector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteIntrospector")
            .field("issuer", &self.server.location.issuer)
            .finish_non_exhaustive()
    }
}

/// These two speak of us, not of the token (RFC 7662 §2.3).
fn explained(why: &FetchError) -> String {
    match why {
        FetchError::Status(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
            format!("{why}; the server does not accept our client_id and client_secret")
        }
        _ => why.to_string(),
    }
}
