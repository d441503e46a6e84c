//! axum: one layer.

use ::axum::Router;
use palisade_tower::SecurityLayer;

use crate::{drive::axum::app as bare, rows::Row};

/// The router behind the policy of one row.
pub(crate) fn app(row: Row) -> Router {
    SecurityLayer::new(super::palisade(row)).around(bare())
}
