//! A small help for slices: routes with their state filled in.

use utoipa_axum::router::UtoipaMethodRouter;

/// Gives `routes!(…)` of a slice the slice's own state.
pub(crate) fn with_state<S: Clone + Send + Sync + 'static>(
    (schemas, paths, handlers): UtoipaMethodRouter<S>,
    state: &S,
) -> UtoipaMethodRouter {
    (schemas, paths, handlers.with_state(state.clone()))
}
