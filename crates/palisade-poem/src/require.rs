//! What a route demands on top of its rule.

use crate::reply::into_response;
use palisade_core::{Grant, Reply, Requirement};
use poem::{Endpoint, IntoResponse, Middleware, Request, Response, Result};
use std::sync::Arc;

/// Demands more of the callers of a route than its rule does; it can never demand less.
///
/// ```
/// use palisade_poem::{require, scope};
/// use poem::{EndpointExt, Route, handler, post};
///
/// #[handler]
/// async fn create() {}
/// let app = Route::new().at("/items", post(create.with(require(scope("items:write")))));
/// ```
pub fn require(requirement: Requirement) -> Require {
    Require {
        requirement: Arc::new(requirement),
    }
}

/// The middleware that [`require`] makes.
#[derive(Debug, Clone)]
pub struct Require {
    requirement: Arc<Requirement>,
}

impl<E: Endpoint> Middleware<E> for Require {
    type Output = Guard<E>;

    fn transform(&self, inner: E) -> Guard<E> {
        Guard {
            requirement: Arc::clone(&self.requirement),
            inner,
        }
    }
}

/// An endpoint behind a requirement.
#[derive(Debug)]
pub struct Guard<E> {
    requirement: Arc<Requirement>,
    inner: E,
}

impl<E: Endpoint> Endpoint for Guard<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let grant = request.extensions().get::<Grant>();
        let checked = grant
            .ok_or_else(Reply::missing_layer)
            .and_then(|grant| grant.require(&self.requirement));
        match checked {
            Ok(()) => self
                .inner
                .call(request)
                .await
                .map(IntoResponse::into_response),
            Err(reply) => Ok(into_response(reply)),
        }
    }
}
