//! The demo API on axum.

use axum::{
    Json, Router,
    extract::State,
    handler::Handler,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use palisade_example_demo::{
    Demo, DomainError, Item, ItemPath, ItemQuery, NewItem, NewUser, PROBLEM_JSON, Store, User,
    answers, problem,
};
use palisade_tower::{
    Palisade, Principal, SecurityLayer, ValidJson, ValidPath, ValidQuery, require, scope,
};
use std::{
    future::Future,
    io,
    net::{SocketAddr, TcpListener},
};

/// The routes, inside the one layer that guards them all.
pub fn app(store: Store, palisade: Palisade) -> Router {
    let can_write = require(scope("items:write"));
    Router::new()
        .route("/health", get(async || Json(answers::health())))
        .route("/users/me", get(me))
        .route("/users", get(users).post(add_user))
        .route("/items", get(items).post(add_item.layer(can_write)))
        .route(
            "/items/{id}",
            get(item).put(replace_item).delete(remove_item),
        )
        .route("/api/public", get(async || Json(answers::public())))
        .route("/api/sensitive", post(async || Json(answers::sensitive())))
        .route("/api/user-specific", get(user_specific))
        .route("/api/resource", get(resource))
        .route("/api/data", get(async || Json(answers::data())))
        .route("/api/v1/users", get(users_v1))
        .route("/api/v2/users", get(users_v2))
        .fallback(async || Problem(DomainError::NotFound))
        .with_state(store)
        .layer(SecurityLayer::new(palisade))
}

/// Serves the demo until `shutdown` is ready and the last request is answered.
///
/// # Errors
/// The listener cannot be used.
pub async fn serve(
    listener: TcpListener,
    demo: Demo,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    // With the address of the other end, which limits and the audit need.
    let app = app(demo.store, demo.palisade).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, app)
        .with_graceful_shutdown(shutdown)
        .await
}

async fn me(caller: Principal) -> impl IntoResponse {
    Json(answers::me(&caller)).into_response()
}

async fn users(State(store): State<Store>) -> Result<Json<Vec<User>>, Problem> {
    Ok(Json(store.users().await?))
}

async fn add_user(
    State(store): State<Store>,
    ValidJson(new): ValidJson<NewUser>,
) -> Result<impl IntoResponse, Problem> {
    Ok((StatusCode::CREATED, Json(store.add_user(new).await?)))
}

async fn items(
    caller: Principal,
    State(store): State<Store>,
    ValidQuery(query): ValidQuery<ItemQuery>,
) -> Result<Json<Vec<Item>>, Problem> {
    Ok(Json(store.items(&caller, &query).await?))
}

async fn add_item(
    caller: Principal,
    State(store): State<Store>,
    ValidJson(new): ValidJson<NewItem>,
) -> Result<impl IntoResponse, Problem> {
    let created = store.add_item(&caller, new).await?;
    let location = [(header::LOCATION, format!("/items/{}", created.id))];
    Ok((StatusCode::CREATED, location, Json(created)))
}

async fn item(
    caller: Principal,
    State(store): State<Store>,
    ValidPath(path): ValidPath<ItemPath>,
) -> Result<Json<Item>, Problem> {
    Ok(Json(store.item(&caller, path.id).await?))
}

async fn replace_item(
    caller: Principal,
    State(store): State<Store>,
    ValidPath(path): ValidPath<ItemPath>,
    ValidJson(new): ValidJson<NewItem>,
) -> Result<Json<Item>, Problem> {
    Ok(Json(store.replace_item(&caller, path.id, new).await?))
}

async fn remove_item(
    State(store): State<Store>,
    ValidPath(path): ValidPath<ItemPath>,
) -> Result<StatusCode, Problem> {
    store.remove_item(path.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn user_specific(caller: Principal) -> Response {
    Json(answers::user_specific(&caller)).into_response()
}

async fn resource(caller: Principal) -> Response {
    Json(answers::resource(&caller)).into_response()
}

async fn users_v1(State(store): State<Store>) -> Result<impl IntoResponse, Problem> {
    let users = answers::users_v1(store.users().await?);
    Ok((answers::V1_USERS_HEADERS, Json(users)))
}

async fn users_v2(State(store): State<Store>) -> Result<impl IntoResponse, Problem> {
    Ok(Json(answers::users_v2(store.users().await?)))
}

/// The domain's errors as responses.
#[derive(Debug)]
struct Problem(DomainError);

impl From<DomainError> for Problem {
    fn from(error: DomainError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, body) = problem(&self.0);
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, [(header::CONTENT_TYPE, PROBLEM_JSON)], body).into_response()
    }
}
