//! What is polled of a printer.

use zhiban_vocabulary::device::{DeviceIdentity, DeviceKind};
use zhiban_vocabulary::printer::PrinterHealth;
use zhiban_vocabulary::report::Observation;

use super::mib;
use crate::link::snmp::{Subject, Walk};

pub(super) struct Printer;

impl Subject for Printer {
    type State = PrinterHealth;

    const DEVICE: DeviceKind = DeviceKind::Printer;
    const MARKS: &[&[u32]] = &[mib::ERROR_STATE];
    const STATE: &[&[u32]] = mib::STATE;
    const IDENTITY: &[&[u32]] = mib::IDENTITY;
    const LACK: &str = "has no printer to tell of";

    fn read(walk: &Walk) -> Option<PrinterHealth> {
        Some(mib::Printer::read(walk)?.health())
    }

    fn identity(walk: &Walk) -> DeviceIdentity {
        mib::identity(walk)
    }

    fn trouble(health: &PrinterHealth) -> Option<String> {
        mib::trouble(health)
    }

    fn is_news(last: Option<&PrinterHealth>, health: &PrinterHealth) -> bool {
        last != Some(health)
    }

    fn observation(health: PrinterHealth) -> Observation {
        Observation::Printer(health)
    }
}
