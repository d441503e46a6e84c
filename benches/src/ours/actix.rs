//! actix-web: one `wrap`.

use actix_web::{
    App,
    body::{BoxBody, EitherBody},
};
use palisade_actix::SecurityLayer;
use palisade_core::Palisade;

use crate::drive::actix::{Guarded, app as bare};

/// The app behind its policy, which is compiled outside: actix builds the app once for each worker.
pub(crate) fn app(palisade: Palisade) -> App<impl Guarded<EitherBody<BoxBody>>> {
    bare().wrap(SecurityLayer::new(palisade))
}
