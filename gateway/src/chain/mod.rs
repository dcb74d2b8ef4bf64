//! Proof that the box works: not "the port is open" but "a row was committed, a message went
//! round, the followers keep up". `/health`, `/metrics` and the box page.

mod api;
mod probe;

pub use api::{BoxState, Watch, add_routes, health_router};
pub use probe::run_probes;
