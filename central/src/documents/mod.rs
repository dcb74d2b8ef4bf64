//! What flows down to halls: documents with a family, a scope and the number of their last change;
//! the organization they flow along, and what halls propose.

mod api;
mod drawings;
mod edit;
mod follow;
mod model;
mod store;
mod table;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use zhiban_kernel::StoreError;
use zhiban_kernel::sql::Sql;
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::masters::Proposal;

pub use api::add_routes;
pub use follow::{Changes, Concerned, changes, since};

/// Keeps what a hall proposes; gives the reason when it cannot be used.
///
/// # Errors
/// When the database refuses.
pub fn propose(
    tx: &dyn Sql,
    store: &StoreId,
    proposal: &Proposal,
    now: Timestamp,
) -> Result<Result<(), String>, StoreError> {
    if let Err(unfit) = proposal.check() {
        return Ok(Err(unfit.to_string()));
    }
    match store::file(tx, store.as_str(), proposal, now)? {
        true => Ok(Ok(())),
        false => Ok(Err("too many proposals of this hall wait".into())),
    }
}
