//! The database as programs hold it: jobs that write, jobs that read, each one transaction,
//! whichever make it is.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use crate::sql::Sql;
use crate::{Store, StoreError};

/// One transaction's work. It may run more than once: what an earlier run wrote was taken back.
pub type Job = Box<dyn FnMut(&dyn Sql) -> Result<(), StoreError> + Send>;
/// What comes of a job, later.
pub type Pending<'d, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'd>>;

/// A make of database.
pub trait Backend: fmt::Debug + Send + Sync {
    /// Runs a job in a transaction and answers after its commit. If the job fails, what it wrote
    /// is taken back.
    fn write(&self, job: Job) -> Pending<'_, ()>;

    /// Runs a job that only reads.
    fn read(&self, job: Job) -> Pending<'_, ()>;

    /// Bytes on disk.
    fn size_bytes(&self) -> Pending<'_, u64>;
}

/// Handle to a database; cheap to clone.
#[derive(Debug, Clone)]
pub struct Database(Arc<dyn Backend>);

impl Database {
    #[must_use]
    pub fn new(backend: impl Backend + 'static) -> Self {
        Self(Arc::new(backend))
    }

    /// Runs `work` in a transaction and answers after its commit. If `work` fails, what it wrote
    /// is taken back.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was kept. [`StoreError::Unreachable`] may also mean that the answer
    /// to the commit was lost: then nobody knows.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl Fn(&dyn Sql) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (job, kept) = keeping(work);
        self.0.write(job).await?;
        taken(&kept)
    }

    /// Runs `work`, which only reads.
    ///
    /// # Errors
    /// [`StoreError`], also when it took longer than 10 s.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl Fn(&dyn Sql) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (job, kept) = keeping(work);
        self.0.read(job).await?;
        taken(&kept)
    }

    /// Bytes on disk.
    ///
    /// # Errors
    /// When the database does not say.
    pub async fn size_bytes(&self) -> Result<u64, StoreError> {
        self.0.size_bytes().await
    }
}

/// A job that puts what `work` gives where its caller finds it.
fn keeping<T: Send + 'static>(
    work: impl Fn(&dyn Sql) -> Result<T, StoreError> + Send + 'static,
) -> (Job, Arc<Mutex<Option<T>>>) {
    let kept = Arc::new(Mutex::new(None));
    let place = Arc::clone(&kept);
    let job = move |sql: &dyn Sql| {
        let value = work(sql)?;
        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        Ok(())
    };
    (Box::new(job), kept)
}

fn taken<T>(kept: &Mutex<Option<T>>) -> Result<T, StoreError> {
    let value = kept.lock().unwrap_or_else(PoisonError::into_inner).take();
    value.ok_or_else(|| StoreError::Database("the job did not run".into()))
}

impl From<Store> for Database {
    fn from(store: Store) -> Self {
        Self::new(store)
    }
}

impl Backend for Store {
    fn write(&self, mut job: Job) -> Pending<'_, ()> {
        Box::pin(Self::write(self, move |connection| job(connection)))
    }

    fn read(&self, mut job: Job) -> Pending<'_, ()> {
        Box::pin(Self::read(self, move |connection| job(connection)))
    }

    fn size_bytes(&self) -> Pending<'_, u64> {
        let bytes = Self::size_bytes(self);
        Box::pin(std::future::ready(Ok(bytes)))
    }
}
