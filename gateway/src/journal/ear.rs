//! For whoever judges a device: its numbered reports as they came, also those that had come before
//! and so are not in the journal twice.

use std::fmt;

use bytes::Bytes;
use zhiban_vocabulary::DeviceId;
use zhiban_vocabulary::report::{Kind, Origin};

use super::model::{Identity, Numbered, Prepared};

/// A numbered report on disk, now or before.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub(crate) device: DeviceId,
    pub(crate) kind: Kind,
    pub(crate) origin: Origin,
    pub(crate) payload: Bytes,
}

/// Called after each commit, before whoever sent the reports is answered.
pub(crate) struct Ear(Box<dyn Fn(Heard) + Send + Sync>);

impl fmt::Debug for Ear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ear")
    }
}

impl Ear {
    pub(super) fn new(hear: impl Fn(Heard) + Send + Sync + 'static) -> Self {
        Self(Box::new(hear))
    }

    pub(super) fn tell(&self, prepared: &[Prepared]) {
        prepared.iter().filter_map(heard).for_each(&self.0);
    }
}

fn heard(prepared: &Prepared) -> Option<Heard> {
    let Prepared::Report(Numbered {
        device,
        kind,
        payload,
        identity: Identity::Numbered(origin),
        ..
    }) = prepared
    else {
        return None;
    };
    Some(Heard {
        device: device.clone(),
        kind: *kind,
        origin: origin.clone(),
        payload: payload.clone(),
    })
}
