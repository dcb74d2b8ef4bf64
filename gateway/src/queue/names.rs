//! Readable names of queues, counters and people.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;
use zhiban_config::GatewayConfig;

/// Readable names of queues, counters and people, from the configuration.
#[derive(Debug, Clone, Default)]
pub struct Names(Arc<NameTables>);

#[derive(Debug, Default)]
struct NameTables {
    queues: HashMap<String, String>,
    counters: Vec<(String, String)>,
    staff: HashMap<String, String>,
}

impl Names {
    #[must_use]
    pub fn new(config: &GatewayConfig) -> Self {
        let queues = config
            .queues
            .iter()
            .map(|q| (q.id.to_string(), q.name.clone()));
        let counters = config
            .counters
            .iter()
            .map(|c| (c.id.to_string(), c.name.clone()));
        let staff = config
            .staff
            .iter()
            .map(|s| (s.id.to_string(), s.name.clone()));
        Self(Arc::new(NameTables {
            queues: queues.collect(),
            counters: counters.collect(),
            staff: staff.collect(),
        }))
    }

    /// The id itself when nobody named it.
    #[must_use]
    pub fn queue(&self, id: &str) -> String {
        self.0
            .queues
            .get(id)
            .cloned()
            .unwrap_or_else(|| id.to_owned())
    }

    #[must_use]
    pub fn staff(&self, id: &str) -> String {
        self.0
            .staff
            .get(id)
            .cloned()
            .unwrap_or_else(|| id.to_owned())
    }

    /// Configured counters, in the order of the configuration.
    #[must_use]
    pub fn counters(&self) -> &[(String, String)] {
        &self.0.counters
    }

    /// Configured queues by id.
    #[must_use]
    pub fn queues(&self) -> &HashMap<String, String> {
        &self.0.queues
    }
}

/// A member of staff.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PersonView {
    pub staff: String,
    pub name: String,
}
