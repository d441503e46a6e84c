//! poem: one `with`.

use ::poem::{Endpoint, EndpointExt};
use palisade_poem::SecurityLayer;

use crate::{drive::poem::app as bare, rows::Row};

/// The route behind the policy of one row.
pub(crate) fn app(row: Row) -> impl Endpoint {
    bare().with(SecurityLayer::new(super::palisade(row)))
}
