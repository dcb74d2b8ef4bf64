//! Roles (requirements §1.2) and what each may do. A title is a label; rights hang on the role.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant,)* }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            #[must_use]
            pub fn from_text(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

words! {
    /// What a person is to the hall or the centre.
    Role {
        /// R-01 营业厅经理
        HallManager = "hall-manager",
        /// R-02 值班长
        DutyManager = "duty-manager",
        /// R-03 营业员
        Clerk = "clerk",
        /// R-05 投诉员
        ComplaintOfficer = "complaint-officer",
        /// R-06 稽核员
        Auditor = "auditor",
        /// R-08 自助终端管理员
        KioskAdministrator = "kiosk-administrator",
        /// R-14 市级、省级管理人员
        Operator = "operator",
        /// R-16 安装、系统管理员
        Installer = "installer",
        /// A screen on the wall: sees the floor, nothing else.
        WallDisplay = "wall-display",
    }
}

words! {
    /// What a route may ask for.
    Capability {
        FloorRead = "floor.read",
        TicketsRead = "tickets.read",
        DevicesRead = "devices.read",
        DevicesManage = "devices.manage",
        DevicesCommand = "devices.command",
        DeadLettersRead = "deadletters.read",
        BoxRead = "box.read",
        BoxManage = "box.manage",
        PeopleManage = "people.manage",
        AuditRead = "audit.read",
        HallsRead = "halls.read",
        /// Asks a hall for the rows behind a figure; the hall judges by its own rights again.
        HallsDrill = "halls.drill",
        FleetTrust = "fleet.trust",
        MastersRead = "masters.read",
        MastersPropose = "masters.propose",
        MastersManage = "masters.manage",
    }
}

impl Role {
    /// The capabilities of a role. Least privilege: what is not listed is refused.
    #[must_use]
    pub fn capabilities(self) -> &'static [Capability] {
        use Capability as C;
        match self {
            Self::HallManager => &[
                C::FloorRead,
                C::TicketsRead,
                C::DevicesRead,
                C::DevicesManage,
                C::DevicesCommand,
                C::DeadLettersRead,
                C::BoxRead,
                C::BoxManage,
                C::PeopleManage,
                C::MastersRead,
                C::MastersPropose,
            ],
            Self::DutyManager => &[
                C::FloorRead,
                C::TicketsRead,
                C::DevicesRead,
                C::DevicesCommand,
                C::DeadLettersRead,
                C::BoxRead,
                C::MastersRead,
            ],
            Self::Clerk | Self::ComplaintOfficer => &[C::FloorRead, C::TicketsRead, C::MastersRead],
            Self::Auditor => &[
                C::FloorRead,
                C::TicketsRead,
                C::AuditRead,
                C::HallsRead,
                C::HallsDrill,
                C::MastersRead,
            ],
            Self::KioskAdministrator => &[
                C::FloorRead,
                C::DevicesRead,
                C::DevicesCommand,
                C::MastersRead,
            ],
            Self::Operator => &[
                C::HallsRead,
                C::HallsDrill,
                C::TicketsRead,
                C::DevicesRead,
                C::BoxRead,
                C::MastersRead,
                C::MastersManage,
            ],
            Self::Installer => &[
                C::FloorRead,
                C::DevicesRead,
                C::DevicesManage,
                C::DevicesCommand,
                C::DeadLettersRead,
                C::BoxRead,
                C::BoxManage,
                C::PeopleManage,
                C::FleetTrust,
                C::MastersRead,
                C::MastersPropose,
                C::MastersManage,
            ],
            Self::WallDisplay => &[C::FloorRead],
        }
    }

    #[must_use]
    pub fn may(self, capability: Capability) -> bool {
        self.capabilities().contains(&capability)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_display_sees_only_the_floor() {
        assert_eq!(Role::WallDisplay.capabilities(), [Capability::FloorRead]);
    }

    #[test]
    fn nobody_who_manages_people_reads_the_audit_log_about_it() {
        for role in Role::ALL {
            assert!(!(role.may(Capability::PeopleManage) && role.may(Capability::AuditRead)));
        }
    }
}
