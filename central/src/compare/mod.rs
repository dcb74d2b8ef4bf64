//! Halls side by side over a period: sums, percentiles of merged histograms, and with every
//! figure how old and how complete it is. What is not known is absent, never zero.

mod api;
mod due;
mod model;
mod rows;
mod series;
mod stream;

pub(crate) use api::completeness_bp;
pub use api::{Numbers, add_routes};
pub use due::{Fresh, Moment, opening};
pub(crate) use model::parse_day;
pub use model::{Measure, Period};
pub use rows::{HallRow, row_of, rows};
