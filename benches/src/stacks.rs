//! From the name of a subject to something that runs: in this process or as a server.

use std::{net::TcpListener, rc::Rc, sync::Arc};

use tokio::runtime::{Builder, Runtime};

use crate::{
    drive,
    measure::Stack,
    ours,
    peers::{self, Bearer, Limiter},
    rows::{Framework, Side, Subject},
};

/// One thread for everything, so that the cost of a call is the cost on one core.
pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// The subject as a stack inside this process.
pub(crate) fn stack(runtime: &Rc<Runtime>, subject: Subject) -> Stack {
    let row = subject.row;
    match (subject.framework, subject.side) {
        (Framework::Axum, Side::Ours) => drive::axum::stack(runtime, subject, ours::axum::app(row)),
        (Framework::Axum, _) => drive::axum::stack(runtime, subject, peers::axum::app(row)),
        (Framework::Actix, Side::Ours) => {
            drive::actix::stack(runtime, subject, ours::actix::app(ours::palisade(row)))
        }
        (Framework::Actix, _) => peers::actix::stack(runtime, subject),
        (Framework::Poem, Side::Ours) => drive::poem::stack(runtime, subject, ours::poem::app(row)),
        (Framework::Poem, _) => peers::poem::stack(runtime, subject),
    }
}

/// The subject as a server: the bare router or a full stack, until the process ends.
pub(crate) async fn serve(subject: Subject, listener: TcpListener) {
    let row = subject.row;
    match (subject.framework, subject.side) {
        (Framework::Axum, Side::Ours) => drive::axum::serve(ours::axum::app(row), listener).await,
        (Framework::Axum, _) => drive::axum::serve(peers::axum::app(row), listener).await,
        (Framework::Actix, Side::Bare) => drive::actix::serve(drive::actix::app, listener).await,
        (Framework::Actix, Side::Ours) => {
            let palisade = ours::palisade(row);
            drive::actix::serve(move || ours::actix::app(palisade.clone()), listener).await;
        }
        (Framework::Actix, Side::Peers) => {
            let limiter = Arc::new(Limiter::of(row));
            let keys = Arc::new(Bearer::of(row));
            let app = move || peers::actix::full(Arc::clone(&limiter), Arc::clone(&keys));
            drive::actix::serve(app, listener).await;
        }
        (Framework::Poem, Side::Bare) => drive::poem::serve(drive::poem::app(), listener).await,
        (Framework::Poem, Side::Ours) => drive::poem::serve(ours::poem::app(row), listener).await,
        (Framework::Poem, Side::Peers) => {
            drive::poem::serve(peers::poem::full(row), listener).await;
        }
    }
}
