//! How the centre itself does: a probe that walks the chain, health, figures, the rescue page and
//! the box page.

mod api;
mod page;
mod store;
mod task;

pub use api::add_routes;
pub use task::Probe;
