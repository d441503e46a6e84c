//! The demo API on axum.

use axum::{
    Json, Router,
    body::Body,
    extract::{ConnectInfo, State},
    handler::Handler,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use palisade_example_demo::{
    Demo, DomainError, Item, ItemPath, ItemQuery, NewItem, NewUser, Store, User, answers,
    serve_with_hyper,
};
use palisade_tower::{
    Granted, Palisade, Principal, Rejection, SecuredRouter, SecurityLayer, ValidJson, ValidPath,
    ValidQuery, require, scope,
};
use std::{future::Future, io, net::TcpListener};
use tower::ServiceExt;

/// The routes, inside the one layer that guards them all.
pub fn app(store: Store, palisade: Palisade) -> SecuredRouter {
    let can_write = require(scope("items:write"));
    let routes = Router::new()
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
        .fallback(nothing_here)
        .with_state(store);
    SecurityLayer::new(palisade).around(routes)
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
    let app = app(demo.store, demo.palisade);
    // Not `axum::serve`, which waits for ever for the head of a request.
    serve_with_hyper(
        listener,
        demo.head_timeout,
        shutdown,
        move |request, peer| {
            let mut request = request.map(Body::new);
            // The address of the other end, which limits and the audit need.
            request.extensions_mut().insert(ConnectInfo(peer));
            app.clone().oneshot(request)
        },
    )
    .await
}

async fn me(caller: Principal) -> Response {
    Json(answers::me(&caller)).into_response()
}

async fn users(
    Granted(grant): Granted,
    State(store): State<Store>,
) -> Result<Json<Vec<User>>, Rejection> {
    let found = store.users().await;
    Ok(Json(found.map_err(|why| grant.refuse(why))?))
}

async fn add_user(
    Granted(grant): Granted,
    State(store): State<Store>,
    ValidJson(new): ValidJson<NewUser>,
) -> Result<impl IntoResponse, Rejection> {
    let added = store.add_user(new).await;
    Ok((
        StatusCode::CREATED,
        Json(added.map_err(|why| grant.refuse(why))?),
    ))
}

async fn items(
    caller: Principal,
    Granted(grant): Granted,
    State(store): State<Store>,
    ValidQuery(query): ValidQuery<ItemQuery>,
) -> Result<Json<Vec<Item>>, Rejection> {
    let found = store.items(&caller, &query).await;
    Ok(Json(found.map_err(|why| grant.refuse(why))?))
}

async fn add_item(
    caller: Principal,
    Granted(grant): Granted,
    State(store): State<Store>,
    ValidJson(new): ValidJson<NewItem>,
) -> Result<impl IntoResponse, Rejection> {
    let added = store.add_item(&caller, new).await;
    let created = added.map_err(|why| grant.refuse(why))?;
    let location = [(header::LOCATION, format!("/items/{}", created.id))];
    Ok((StatusCode::CREATED, location, Json(created)))
}

async fn item(
    caller: Principal,
    Granted(grant): Granted,
    State(store): State<Store>,
    ValidPath(path): ValidPath<ItemPath>,
) -> Result<Json<Item>, Rejection> {
    let found = store.item(&caller, path.id).await;
    Ok(Json(found.map_err(|why| grant.refuse(why))?))
}

async fn replace_item(
    caller: Principal,
    Granted(grant): Granted,
    State(store): State<Store>,
    ValidPath(path): ValidPath<ItemPath>,
    ValidJson(new): ValidJson<NewItem>,
) -> Result<Json<Item>, Rejection> {
    let replaced = store.replace_item(&caller, path.id, new).await;
    Ok(Json(replaced.map_err(|why| grant.refuse(why))?))
}

async fn remove_item(
    Granted(grant): Granted,
    State(store): State<Store>,
    ValidPath(path): ValidPath<ItemPath>,
) -> Result<StatusCode, Rejection> {
    let removed = store.remove_item(path.id).await;
    removed.map_err(|why| grant.refuse(why))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn user_specific(caller: Principal) -> Response {
    Json(answers::user_specific(&caller)).into_response()
}

async fn resource(caller: Principal) -> Response {
    Json(answers::resource(&caller)).into_response()
}

async fn users_v1(
    Granted(grant): Granted,
    State(store): State<Store>,
) -> Result<impl IntoResponse, Rejection> {
    let found = store.users().await;
    let users = answers::users_v1(found.map_err(|why| grant.refuse(why))?);
    Ok((answers::V1_USERS_HEADERS, Json(users)))
}

async fn users_v2(
    Granted(grant): Granted,
    State(store): State<Store>,
) -> Result<impl IntoResponse, Rejection> {
    let found = store.users().await;
    Ok(Json(answers::users_v2(
        found.map_err(|why| grant.refuse(why))?,
    )))
}

async fn nothing_here(Granted(grant): Granted) -> Rejection {
    grant.refuse(DomainError::NotFound).into()
}
