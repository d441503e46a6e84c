//! The demo API on actix-web.

use actix_web::{
    App, Error, HttpResponse, HttpServer, Route,
    body::MessageBody,
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    guard,
    http::header,
    web::{self, Data, Json, post, put},
};
use palisade_actix::{
    Granted, Palisade, Principal, Rejection, Routes, SecurityLayer, ValidJson, ValidPath,
    ValidQuery, require, routes, scope,
};
use palisade_example_demo::{
    Demo, DomainError, Item, ItemPath, ItemQuery, NewItem, NewUser, Store, User, answers,
};
use std::{future::Future, io, net::TcpListener};

/// The routes, inside the one layer that guards them all.
///
/// actix-web calls this once per worker: store and policy are made before and shared.
pub fn app(
    store: Store,
    palisade: Palisade,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    App::new()
        .app_data(Data::new(store))
        .configure(routes(add_routes))
        .default_service(web::to(nothing_here))
        .wrap(SecurityLayer::new(palisade))
}

fn add_routes(routes: &mut Routes<'_>) {
    let can_write = require(scope("items:write"));
    routes
        .route("/health", get().to(async || Json(answers::health())))
        .route("/users/me", get().to(me))
        .resource("/users", |all| {
            all.route(get().to(users)).route(post().to(add_user))
        })
        .resource("/items", |all| {
            all.route(get().to(items))
                .route(post().to(add_item).wrap(can_write))
        })
        .resource("/items/{id}", |one| {
            one.route(get().to(item))
                .route(put().to(replace_item))
                .route(web::delete().to(remove_item))
        })
        .route("/api/public", get().to(async || Json(answers::public())))
        .route(
            "/api/sensitive",
            post().to(async || Json(answers::sensitive())),
        )
        .route("/api/user-specific", get().to(user_specific))
        .route("/api/resource", get().to(api_resource))
        .route("/api/data", get().to(async || Json(answers::data())))
        .route("/api/v1/users", get().to(users_v1))
        .route("/api/v2/users", get().to(users_v2));
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
    HttpServer::new(move || app(demo.store.clone(), demo.palisade.clone()))
        .client_request_timeout(demo.head_timeout)
        .shutdown_signal(shutdown)
        .listen(listener)?
        .run()
        .await
}

/// GET and HEAD; actix-web's own `get()` leaves HEAD out.
fn get() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

async fn me(caller: Principal) -> HttpResponse {
    HttpResponse::Ok().json(answers::me(&caller))
}

async fn users(Granted(grant): Granted, store: Data<Store>) -> Result<Json<Vec<User>>, Rejection> {
    let found = store.users().await;
    Ok(Json(found.map_err(|why| grant.refuse(why))?))
}

async fn add_user(
    Granted(grant): Granted,
    store: Data<Store>,
    ValidJson(new): ValidJson<NewUser>,
) -> Result<HttpResponse, Rejection> {
    let added = store.add_user(new).await;
    Ok(HttpResponse::Created().json(added.map_err(|why| grant.refuse(why))?))
}

async fn items(
    caller: Principal,
    Granted(grant): Granted,
    store: Data<Store>,
    ValidQuery(query): ValidQuery<ItemQuery>,
) -> Result<Json<Vec<Item>>, Rejection> {
    let found = store.items(&caller, &query).await;
    Ok(Json(found.map_err(|why| grant.refuse(why))?))
}

async fn add_item(
    caller: Principal,
    Granted(grant): Granted,
    store: Data<Store>,
    ValidJson(new): ValidJson<NewItem>,
) -> Result<HttpResponse, Rejection> {
    let added = store.add_item(&caller, new).await;
    let created = added.map_err(|why| grant.refuse(why))?;
    let location = (header::LOCATION, format!("/items/{}", created.id));
    Ok(HttpResponse::Created()
        .insert_header(location)
        .json(created))
}

async fn item(
    caller: Principal,
    Granted(grant): Granted,
    store: Data<Store>,
    ValidPath(path): ValidPath<ItemPath>,
) -> Result<Json<Item>, Rejection> {
    let found = store.item(&caller, path.id).await;
    Ok(Json(found.map_err(|why| grant.refuse(why))?))
}

async fn replace_item(
    caller: Principal,
    Granted(grant): Granted,
    store: Data<Store>,
    ValidPath(path): ValidPath<ItemPath>,
    ValidJson(new): ValidJson<NewItem>,
) -> Result<Json<Item>, Rejection> {
    let replaced = store.replace_item(&caller, path.id, new).await;
    Ok(Json(replaced.map_err(|why| grant.refuse(why))?))
}

async fn remove_item(
    Granted(grant): Granted,
    store: Data<Store>,
    ValidPath(path): ValidPath<ItemPath>,
) -> Result<HttpResponse, Rejection> {
    let removed = store.remove_item(path.id).await;
    removed.map_err(|why| grant.refuse(why))?;
    Ok(HttpResponse::NoContent().finish())
}

async fn user_specific(caller: Principal) -> HttpResponse {
    HttpResponse::Ok().json(answers::user_specific(&caller))
}

async fn api_resource(caller: Principal) -> HttpResponse {
    HttpResponse::Ok().json(answers::resource(&caller))
}

async fn users_v1(Granted(grant): Granted, store: Data<Store>) -> Result<HttpResponse, Rejection> {
    let found = store.users().await;
    let users = answers::users_v1(found.map_err(|why| grant.refuse(why))?);
    let mut response = HttpResponse::Ok();
    for line in answers::V1_USERS_HEADERS {
        response.insert_header(line);
    }
    Ok(response.json(users))
}

async fn users_v2(Granted(grant): Granted, store: Data<Store>) -> Result<HttpResponse, Rejection> {
    let found = store.users().await;
    Ok(HttpResponse::Ok().json(answers::users_v2(found.map_err(|why| grant.refuse(why))?)))
}

async fn nothing_here(Granted(grant): Granted) -> Result<HttpResponse, Rejection> {
    Err(grant.refuse(DomainError::NotFound).into())
}
