//! People passing a door (客流).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Measurement `people.count`: how far a counter at a door has counted. It starts again at 0 when
/// it loses power or overflows, so only differences mean anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PeopleCount {
    pub entered: u64,
    /// Absent for a counter that cannot tell the direction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<u64>,
}
