//! The security layer.

#[cfg(feature = "axum")]
use crate::confirm::{Confirm, PlaceKind, Places, confirm_route, places_of};
use crate::{
    body::GuardedBody,
    head::{Head, Outgoing},
    reply::into_response,
};
#[cfg(feature = "axum")]
use axum::{
    ServiceExt,
    extract::{MatchedPath, OriginalUri, connect_info::IntoMakeServiceWithConnectInfo},
    routing::future::RouteFuture,
};
use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body::Body;
use palisade_core::{Exchange, Grant, Palisade, Reply, Verdict};
use pin_project_lite::pin_project;
#[cfg(feature = "axum")]
use std::{any::type_name, convert::Infallible, error::Error};
use std::{
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};
use tower_layer::Layer;
use tower_service::Service;

/// Wraps an application in its security policy.
///
/// A response leaves through the policy, and an error of a service is no response: so the layer
/// answers it with 500, logs it, and audits it as `service_error`. What shall be answered
/// otherwise, such as the error of `tower::timeout` or of `tower::load_shed`, is made a response
/// inside of this layer, for instance by axum's `HandleErrorLayer`.
#[derive(Debug, Clone)]
pub struct SecurityLayer {
    palisade: Palisade,
    #[cfg(feature = "axum")]
    confirmed_mounts: Vec<String>,
}

impl SecurityLayer {
    /// Enforces this policy.
    pub fn new(palisade: Palisade) -> Self {
        Self {
            palisade,
            #[cfg(feature = "axum")]
            confirmed_mounts: Vec::new(),
        }
    }
}

#[cfg(feature = "axum")]
impl SecurityLayer {
    /// Says that the routes beneath a `nest_service` confirm themselves, or those of the
    /// `fallback_service` of a router that is nested there (for `""`, of the whole router), because [`confirm`](crate::confirm()) was put on the router that is mounted there.
    ///
    /// What is mounted as a service finds its way in a manner of its own. A request beneath it passes
    /// only if no rule that could be meant for a route there is stricter than the one that was
    /// applied; others are answered with 500. Routes that confirm themselves need no such caution:
    /// with this, it ends. The answer of a route that did not is withheld.
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use palisade_tower::{Palisade, Policy, SecurityLayer, confirm};
    ///
    /// # fn app(palisade: Palisade) {
    /// let reports = Router::new().route("/{id}", get(|| async {})).layer(confirm());
    /// let app = Router::new().nest_service("/reports", reports);
    /// let app = SecurityLayer::new(palisade).confirmed_mount("/reports").around(app);
    /// # }
    /// ```
    #[must_use]
    pub fn confirmed_mount(mut self, path: impl Into<String>) -> Self {
        self.confirmed_mounts.push(path.into());
        self
    }

    /// Wraps a whole router, outside of its routing, and confirms each of its routes before it
    /// runs: see [`confirm`](crate::confirm()).
    ///
    /// `Router::layer` would put the policy inside of each route, where axum still adds an
    /// `Allow` to answers for methods that the route lacks: refusals would differ from those of
    /// the other frameworks. To make the result a part of another router, use
    /// `Router::fallback_service`.
    pub fn around(self, router: axum::Router) -> SecuredRouter {
        let places = places_of(&router).map(|mut places| {
            for place in &mut places {
                place.confirms = place.kind != PlaceKind::FallbackHandler
                    && self.confirmed_mounts.contains(&place.prefix);
            }
            places
        });
        let router = match places {
            // A release of axum that shows its routers otherwise: what has no template is refused.
            None => router.layer(Confirm::default()),
            Some(places) => {
                let has_fallback = places.iter().any(|place| place.kind != PlaceKind::Mount);
                let confirm = Confirm::at(places, has_fallback);
                match router.has_routes() {
                    _ if has_fallback => router.layer(confirm),
                    true => router.route_layer(confirm),
                    false => router,
                }
            }
        };
        // As `axum::serve` does with a router: routes are made now, not on each request.
        self.layer(Routes(router.with_state(())))
    }
}

impl<S> Layer<S> for SecurityLayer {
    type Service = Security<S>;

    fn layer(&self, inner: S) -> Security<S> {
        Security {
            palisade: self.palisade.clone(),
            inner,
        }
    }
}

/// An application wrapped in its security policy.
#[derive(Debug, Clone)]
pub struct Security<S> {
    palisade: Palisade,
    inner: S,
}

impl<S, B, RB> Service<Request<B>> for Security<S>
where
    S: Service<Request<GuardedBody<B>>, Response = Response<RB>> + Clone,
    S::Error: fmt::Display,
    B: Body<Data = Bytes>,
    RB: From<Bytes>,
{
    type Response = Response<RB>;
    type Error = S::Error;
    type Future = SecurityFuture<S, B>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let grant = request.extensions().get::<Grant>();
        if let Some(grant) = grant.filter(|grant| grant.is_from(&self.palisade)) {
            let method = request.method().as_str().as_bytes();
            let unchanged = grant.confirm_unchanged(method, Head::of(&request).path());
            #[cfg(feature = "axum")]
            let unchanged =
                unchanged.and_then(|()| confirm_inside_routing::<S, B>(grant, &request));
            let state = match unchanged {
                Ok(()) => State::Running {
                    future: self
                        .inner
                        .call(request.map(|body| GuardedBody::new(body, None))),
                },
                Err(reply) => State::Answered { reply: Some(reply) },
            };
            return SecurityFuture {
                exchange: None,
                state,
            };
        }
        let mut exchange = self.palisade.open(&Head::of(&request));
        // Nearly every verdict is there at once, so that neither the service nor the request has
        // to be kept. One that is not is asked for again by whoever polls the future.
        let mut nobody = Context::from_waker(Waker::noop());
        let state = match exchange.poll_decide(&mut nobody) {
            Poll::Ready(verdict) => enact(verdict, &mut self.inner, request, &mut exchange),
            Poll::Pending => {
                // The clone takes the place of the service that is ready, which alone may be called.
                let clone = self.inner.clone();
                let ready = std::mem::replace(&mut self.inner, clone);
                State::Deciding {
                    next: Some((ready, request)),
                }
            }
        };
        SecurityFuture {
            exchange: Some(exchange),
            state,
        }
    }
}

/// A router of axum behind its security policy.
#[cfg(feature = "axum")]
pub type SecuredRouter = Security<Routes>;

/// The router inside of a [`SecuredRouter`].
#[cfg(feature = "axum")]
#[derive(Debug, Clone)]
pub struct Routes(axum::Router);

#[cfg(feature = "axum")]
impl SecuredRouter {
    /// What `axum::serve` takes. `C` is the address of a peer, `SocketAddr` for TCP; without it
    /// every request is refused.
    pub fn into_make_service_with_connect_info<C>(self) -> IntoMakeServiceWithConnectInfo<Self, C> {
        ServiceExt::<axum::extract::Request>::into_make_service_with_connect_info(self)
    }
}

#[cfg(feature = "axum")]
impl<B> Service<Request<GuardedBody<B>>> for Routes
where
    B: http_body::Body<Data = Bytes, Error: Error + Send + Sync> + Send + 'static,
{
    type Response = axum::response::Response;
    type Error = Infallible;
    type Future = RouteFuture<Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Routers always are.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<GuardedBody<B>>) -> Self::Future {
        // The body of a request is mostly axum's own already; only a limit makes it another.
        self.0.call(request.map(|body| match body.unguarded() {
            Ok(body) => axum::body::Body::new(body),
            Err(body) => axum::body::Body::new(body),
        }))
    }
}

/// Calls the service, or answers in its place.
fn enact<S, B>(
    verdict: Verdict,
    service: &mut S,
    mut request: Request<B>,
    exchange: &mut Exchange,
) -> State<S, B, S::Future>
where
    S: Service<Request<GuardedBody<B>>>,
{
    let admission = match verdict {
        Verdict::Admit(admission) => admission,
        Verdict::Answer(reply) | Verdict::Refuse(reply) => {
            return State::Answered { reply: Some(reply) };
        }
        Verdict::Collect(guard) => {
            return State::Collecting {
                body: Box::pin(GuardedBody::new(request.into_body(), Some(guard))),
                bytes: BytesMut::new(),
            };
        }
    };
    admission.edits.make_in(request.headers_mut());
    #[cfg(feature = "axum")]
    if let Err(reply) = confirm_inside_routing::<S, B>(&admission.grant, &request) {
        return State::Answered { reply: Some(reply) };
    }
    request.extensions_mut().insert(admission.grant);
    let request = request.map(|body| GuardedBody::new(body, admission.body));
    match catch_unwind(AssertUnwindSafe(|| service.call(request))) {
        Ok(future) => State::Running { future },
        Err(_) => State::Answered {
            reply: Some(exchange.panicked()),
        },
    }
}

/// Confirms the route of a request at a layer that stands inside of axum's routing, where nothing further inside does.
///
/// Where axum names no route, as beneath `nest_service` and in a fallback, the rule must be as strict as that of any
/// route that could be meant.
#[cfg(feature = "axum")]
fn confirm_inside_routing<S, B>(grant: &Grant, request: &Request<B>) -> Result<(), Reply> {
    let extensions = request.extensions();
    let is_inside =
        extensions.get::<MatchedPath>().is_some() || extensions.get::<OriginalUri>().is_some();
    // Middleware around a router that `around` wrapped names it in its type.
    if !is_inside || type_name::<S>().contains(type_name::<Routes>()) {
        return Ok(());
    }
    warn_inside_routing();
    confirm_route(grant, request, &Places::default())
}

/// Says once that the layer stands where axum has chosen a route already.
#[cfg(feature = "axum")]
fn warn_inside_routing() {
    static TOLD: std::sync::Once = std::sync::Once::new();
    TOLD.call_once(|| {
        tracing::warn!(
            target: "palisade",
            "the security layer is inside of axum's routing, as `Router::layer` puts it: paths \
             without a route pass it by, and axum adds `Allow` to its refusals; wrap the router \
             with `SecurityLayer::around` instead"
        );
    });
}

pin_project! {
    /// The response of a [`Security`].
    pub struct SecurityFuture<S, B>
    where
        S: Service<Request<GuardedBody<B>>>,
    {
        exchange: Option<Exchange>,
        #[pin]
        state: State<S, B, S::Future>,
    }
}

pin_project! {
    #[project = Stage]
    enum State<S, B, F> {
        Deciding { next: Option<(S, Request<B>)> },
        Collecting { body: Pin<Box<GuardedBody<B>>>, bytes: BytesMut },
        Running { #[pin] future: F },
        Answered { reply: Option<Reply> },
    }
}

impl<S, B, RB> Future for SecurityFuture<S, B>
where
    S: Service<Request<GuardedBody<B>>, Response = Response<RB>>,
    S::Error: fmt::Display,
    B: Body<Data = Bytes>,
    RB: From<Bytes>,
{
    type Output = Result<Response<RB>, S::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let mut response = loop {
            match this.state.as_mut().project() {
                Stage::Deciding { next } => {
                    let Some(exchange) = this.exchange.as_mut() else {
                        return Poll::Pending;
                    };
                    let state = match (ready!(exchange.poll_decide(context)), next.take()) {
                        (Verdict::Answer(reply) | Verdict::Refuse(reply), _) => {
                            State::Answered { reply: Some(reply) }
                        }
                        (verdict, Some((mut service, request))) => {
                            enact(verdict, &mut service, request, exchange)
                        }
                        (_, None) => return Poll::Pending,
                    };
                    this.state.set(state);
                }
                Stage::Collecting { body, bytes } => {
                    let body = match ready!(body.as_mut().poll_frame(context)) {
                        Some(Ok(frame)) => {
                            if let Ok(data) = frame.into_data() {
                                bytes.extend_from_slice(&data);
                            }
                            continue;
                        }
                        Some(Err(_)) => None,
                        None => Some(std::mem::take(bytes).freeze()),
                    };
                    if let Some(exchange) = this.exchange.as_mut() {
                        exchange.collected(body);
                    }
                    this.state.set(State::Deciding { next: None });
                }
                Stage::Answered { reply } => match reply.take() {
                    Some(reply) => break into_response(reply),
                    // A future that was ready before is polled again: never ready again.
                    None => return Poll::Pending,
                },
                Stage::Running { future } => {
                    match catch_unwind(AssertUnwindSafe(|| future.poll(context))) {
                        Ok(outcome) => match (ready!(outcome), this.exchange.as_mut()) {
                            (Ok(response), _) => break response,
                            // An outer layer of the policy answers.
                            (Err(error), None) => return Poll::Ready(Err(error)),
                            (Err(error), Some(exchange)) => {
                                break into_response(exchange.service_failed(&error));
                            }
                        },
                        Err(panic) => break panicked(this.exchange, panic),
                    }
                }
            }
        };
        if let Some(exchange) = this.exchange {
            let promise = exchange.grant().map(Grant::check_promise);
            if let Some(Err(reply)) = promise {
                response = into_response(reply);
            }
            exchange.close(&mut Outgoing(&mut response));
        }
        Poll::Ready(Ok(response))
    }
}

/// The response of a handler that panicked; without an exchange, an outer layer answers.
fn panicked<RB: From<Bytes>>(
    exchange: &mut Option<Exchange>,
    panic: Box<dyn std::any::Any + Send>,
) -> Response<RB> {
    match exchange {
        Some(exchange) => into_response(exchange.panicked()),
        None => std::panic::resume_unwind(panic),
    }
}

impl<S, B> fmt::Debug for SecurityFuture<S, B>
where
    S: Service<Request<GuardedBody<B>>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecurityFuture")
            .field("exchange", &self.exchange)
            .finish_non_exhaustive()
    }
}
