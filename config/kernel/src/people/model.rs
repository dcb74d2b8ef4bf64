//! An account, and a person who is signed in with one.

use jiff::Timestamp;
use zhiban_vocabulary::StaffId;
use zhiban_vocabulary::roles::{Capability, Role};

/// A person who may sign in.
#[derive(Debug, Clone)]
pub struct Account {
    pub staff: StaffId,
    pub name: String,
    pub roles: Vec<Role>,
    pub password_hash: Option<String>,
    pub must_change_password: bool,
    pub active: bool,
    pub last_seen: Option<Timestamp>,
}

/// A person behind a request, put into it by the guard.
#[derive(Debug, Clone)]
pub struct SignedIn {
    pub staff: StaffId,
    pub name: String,
    pub roles: Vec<Role>,
    pub must_change_password: bool,
    pub expires: Timestamp,
}

impl SignedIn {
    #[must_use]
    pub fn may(&self, capability: Capability) -> bool {
        self.roles.iter().any(|role| role.may(capability))
    }

    /// All capabilities, sorted, each once.
    #[must_use]
    pub fn capabilities(&self) -> Vec<Capability> {
        let mut all: Vec<_> = self
            .roles
            .iter()
            .flat_map(|role| role.capabilities())
            .copied()
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}
