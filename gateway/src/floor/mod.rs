//! The floor page: the hall right now, in one message, sent again after each change.

mod api;
mod model;

pub(crate) use api::uplink_view;
pub use api::{Floor, add_routes};
pub(crate) use model::UplinkView;
