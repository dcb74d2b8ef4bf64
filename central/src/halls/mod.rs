//! Single halls: the list with how each does now, and one day of one hall.

mod api;
mod day;

pub use api::add_routes;
pub(crate) use api::rows_today;
