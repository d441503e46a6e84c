//! The demo API on poem.

use palisade_example_demo::{
    Demo, DomainError, ItemPath, ItemQuery, NewItem, NewUser, Store, answers, serve_with_hyper,
};
use palisade_poem::{
    Granted, Palisade, Principal, Rejection, Route, SecurityLayer, ValidJson, ValidPath,
    ValidQuery, require, scope,
};
use poem::{
    Endpoint, EndpointExt, IntoResponse, Request, Response, get, handler,
    http::{StatusCode, header, uri::Scheme},
    post,
    web::{Data, Json, LocalAddr, RemoteAddr},
};
use serde::Serialize;
use std::{future::Future, io, net::TcpListener, sync::Arc};

/// The routes, inside the one layer that guards them all.
pub fn app(store: Store, palisade: Palisade) -> impl Endpoint<Output = Response> + 'static {
    let can_write = require(scope("items:write"));
    Route::new()
        .at("/health", get(health))
        .at("/users/me", get(me))
        .at("/users", get(users).post(add_user))
        .at("/items", get(items).post(add_item.with(can_write)))
        .at(
            "/items/:id",
            get(item).put(replace_item).delete(remove_item),
        )
        .at("/api/public", get(public))
        .at("/api/sensitive", post(sensitive))
        .at("/api/user-specific", get(user_specific))
        .at("/api/resource", get(resource))
        .at("/api/data", get(data))
        .at("/api/v1/users", get(users_v1))
        .at("/api/v2/users", get(users_v2))
        .at("/*rest", nothing_here)
        .data(store)
        .with(SecurityLayer::new(palisade))
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
    let local = listener.local_addr()?;
    let app = Arc::new(app(demo.store, demo.palisade));
    // Not poem's `Server`, which waits for ever for the head of a request.
    serve_with_hyper(
        listener,
        demo.head_timeout,
        shutdown,
        move |request, peer| {
            let app = Arc::clone(&app);
            let addresses = (LocalAddr(local.into()), RemoteAddr(peer.into()));
            let request = Request::from((request, addresses.0, addresses.1, Scheme::HTTP));
            async move { Ok(app.get_response(request).await.into()) }
        },
    )
    .await
}

#[handler]
fn health() -> impl IntoResponse {
    json(answers::health())
}

#[handler]
fn public() -> impl IntoResponse {
    json(answers::public())
}

#[handler]
fn sensitive() -> impl IntoResponse {
    json(answers::sensitive())
}

#[handler]
fn data() -> impl IntoResponse {
    json(answers::data())
}

#[handler]
fn me(caller: Principal) -> Response {
    json(answers::me(&caller))
}

#[handler]
fn user_specific(caller: Principal) -> Response {
    json(answers::user_specific(&caller))
}

#[handler]
fn resource(caller: Principal) -> Response {
    json(answers::resource(&caller))
}

#[handler]
async fn users(Granted(grant): Granted, Data(store): Data<&Store>) -> Result<Response, Rejection> {
    let found = store.users().await;
    Ok(json(found.map_err(|why| grant.refuse(why))?))
}

#[handler]
async fn add_user(
    Granted(grant): Granted,
    Data(store): Data<&Store>,
    ValidJson(new): ValidJson<NewUser>,
) -> Result<impl IntoResponse, Rejection> {
    let added = store.add_user(new).await;
    Ok(json(added.map_err(|why| grant.refuse(why))?).with_status(StatusCode::CREATED))
}

#[handler]
async fn items(
    caller: Principal,
    Granted(grant): Granted,
    Data(store): Data<&Store>,
    ValidQuery(query): ValidQuery<ItemQuery>,
) -> Result<Response, Rejection> {
    let found = store.items(&caller, &query).await;
    Ok(json(found.map_err(|why| grant.refuse(why))?))
}

#[handler]
async fn add_item(
    caller: Principal,
    Granted(grant): Granted,
    Data(store): Data<&Store>,
    ValidJson(new): ValidJson<NewItem>,
) -> Result<impl IntoResponse, Rejection> {
    let added = store.add_item(&caller, new).await;
    let created = added.map_err(|why| grant.refuse(why))?;
    let location = format!("/items/{}", created.id);
    Ok(json(created)
        .with_status(StatusCode::CREATED)
        .with_header(header::LOCATION, location))
}

#[handler]
async fn item(
    caller: Principal,
    Granted(grant): Granted,
    Data(store): Data<&Store>,
    ValidPath(path): ValidPath<ItemPath>,
) -> Result<Response, Rejection> {
    let found = store.item(&caller, path.id).await;
    Ok(json(found.map_err(|why| grant.refuse(why))?))
}

#[handler]
async fn replace_item(
    caller: Principal,
    Granted(grant): Granted,
    Data(store): Data<&Store>,
    ValidPath(path): ValidPath<ItemPath>,
    ValidJson(new): ValidJson<NewItem>,
) -> Result<Response, Rejection> {
    let replaced = store.replace_item(&caller, path.id, new).await;
    Ok(json(replaced.map_err(|why| grant.refuse(why))?))
}

#[handler]
async fn remove_item(
    Granted(grant): Granted,
    Data(store): Data<&Store>,
    ValidPath(path): ValidPath<ItemPath>,
) -> Result<StatusCode, Rejection> {
    let removed = store.remove_item(path.id).await;
    removed.map_err(|why| grant.refuse(why))?;
    Ok(StatusCode::NO_CONTENT)
}

#[handler]
async fn users_v1(
    Granted(grant): Granted,
    Data(store): Data<&Store>,
) -> Result<Response, Rejection> {
    let found = store.users().await;
    let mut response = json(answers::users_v1(found.map_err(|why| grant.refuse(why))?));
    for (name, value) in answers::V1_USERS_HEADERS {
        response = response.with_header(name, value).into_response();
    }
    Ok(response)
}

#[handler]
async fn users_v2(
    Granted(grant): Granted,
    Data(store): Data<&Store>,
) -> Result<Response, Rejection> {
    let found = store.users().await;
    Ok(json(answers::users_v2(
        found.map_err(|why| grant.refuse(why))?,
    )))
}

#[handler]
fn nothing_here(Granted(grant): Granted) -> Result<Response, Rejection> {
    Err(grant.refuse(DomainError::NotFound).into())
}

/// JSON without the `charset` that poem adds: the media type has no such parameter
/// (RFC 8259 §11).
fn json(value: impl Serialize + Send) -> Response {
    Json(value)
        .with_content_type("application/json")
        .into_response()
}
