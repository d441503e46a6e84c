//! axum: one layer.

use palisade_tower::{SecuredRouter, SecurityLayer};

use crate::{drive::axum::app as bare, rows::Row};

/// The router behind the policy of one row.
pub(crate) fn app(row: Row) -> SecuredRouter {
    SecurityLayer::new(super::palisade(row)).around(bare())
}
