//! The security layer.

use crate::{
    body::guarded,
    confirm::{warn_of_own_routes, withhold_unconfirmed},
    head::{Head, Outgoing},
    reply::into_response,
};
use futures_util::FutureExt;
use palisade_core::{Exchange, Grant, Palisade, Verdict};
use poem::{Endpoint, IntoResponse, Middleware, Request, Response, Result};
use std::{future::poll_fn, panic::AssertUnwindSafe};

/// Wraps an application in its security policy.
#[derive(Debug, Clone)]
pub struct SecurityLayer {
    palisade: Palisade,
}

impl SecurityLayer {
    /// Enforces this policy.
    pub fn new(palisade: Palisade) -> Self {
        Self { palisade }
    }
}

impl<E: Endpoint> Middleware<E> for SecurityLayer {
    type Output = Security<E>;

    fn transform(&self, inner: E) -> Security<E> {
        warn_of_own_routes::<E>();
        Security {
            palisade: self.palisade.clone(),
            inner,
        }
    }
}

/// An application wrapped in its security policy.
#[derive(Debug)]
pub struct Security<E> {
    palisade: Palisade,
    inner: E,
}

impl<E: Endpoint> Endpoint for Security<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let grant = request.extensions().get::<Grant>();
        if let Some(grant) = grant.filter(|grant| grant.is_from(&self.palisade)) {
            let method = request.method().as_str().as_bytes();
            return match grant.confirm_unchanged(method, Head(&request).path()) {
                Ok(()) => {
                    let answer = self.inner.call(request).await;
                    answer.map(IntoResponse::into_response)
                }
                Err(reply) => Ok(into_response(reply)),
            };
        }
        let mut exchange = self.palisade.open(&Head(&request));
        let mut response = self.answer(&mut exchange, request).await;
        exchange.close(&mut Outgoing(&mut response));
        Ok(response)
    }
}

impl<E: Endpoint> Security<E> {
    async fn answer(&self, exchange: &mut Exchange, mut request: Request) -> Response {
        let mut verdict = poll_fn(|context| exchange.poll_decide(context)).await;
        if let Verdict::Collect(guard) = verdict {
            let body = guarded(request.take_body(), guard);
            exchange.collected(body.into_bytes().await.ok());
            verdict = poll_fn(|context| exchange.poll_decide(context)).await;
        }
        match verdict {
            // Core asks for a body once.
            Verdict::Collect(_) => into_response(exchange.panicked()),
            Verdict::Answer(reply) | Verdict::Refuse(reply) => into_response(reply),
            Verdict::Admit(admission) => {
                admission.edits.make_in(request.headers_mut());
                request.extensions_mut().insert(admission.grant.clone());
                if let Some(guard) = admission.body {
                    let body = guarded(request.take_body(), guard);
                    request.set_body(body);
                }
                match AssertUnwindSafe(self.inner.call(request))
                    .catch_unwind()
                    .await
                {
                    Ok(answer) => {
                        let answer = answer.map(IntoResponse::into_response);
                        withhold_unconfirmed::<E>(&admission.grant, answer)
                    }
                    Err(_) => into_response(exchange.panicked()),
                }
            }
        }
    }
}
