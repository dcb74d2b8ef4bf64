//! The polls that wait, one for each hall, and the number of the last one of each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use zhiban_sync::seal::PublicKey;
use zhiban_vocabulary::StoreId;

use crate::documents::Concerned;
use crate::trust::Members;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Polls(Mutex<HashMap<StoreId, Place>>);

#[derive(Debug)]
struct Place {
    number: u64,
    key: PublicKey,
    wake: Arc<Notify>,
}

impl Polls {
    /// Takes the place of a hall; the poll that had it is woken to end.
    ///
    /// # Errors
    /// The last number heard, when this one is not greater.
    pub(super) fn enter(
        &self,
        store: &StoreId,
        number: u64,
        key: PublicKey,
    ) -> Result<Arc<Notify>, u64> {
        let mut places = self.places();
        if let Some(place) = places.get(store) {
            if number <= place.number {
                return Err(place.number);
            }
            place.wake.notify_one();
        }
        let wake = Arc::new(Notify::new());
        let place = Place {
            number,
            key,
            wake: Arc::clone(&wake),
        };
        places.insert(store.clone(), place);
        Ok(wake)
    }

    /// Whether no newer poll of the hall came.
    pub(super) fn is_newest(&self, store: &StoreId, number: u64) -> bool {
        self.places()
            .get(store)
            .is_some_and(|place| place.number == number)
    }

    pub(super) fn wake(&self, concerned: &Concerned) {
        let places = self.places();
        match concerned {
            Concerned::All => places.values().for_each(|place| place.wake.notify_one()),
            Concerned::Halls(halls) => {
                let found = halls.iter().filter_map(|hall| places.get(hall));
                found.for_each(|place| place.wake.notify_one());
            }
        }
    }

    /// Wakes the polls whose key counts no longer.
    pub(super) fn wake_shut_out(&self, members: &Members) {
        for (store, place) in self.places().iter() {
            if !members.keys_of(store).contains(&place.key) {
                place.wake.notify_one();
            }
        }
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.places().len()
    }

    fn places(&self) -> MutexGuard<'_, HashMap<StoreId, Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
