//! People: accounts, first boot, sign-in, sessions, roles, and the audit log of what they did.
//!
//! No default password exists. First boot prints a one-time code; whoever holds it makes the
//! first account. Everything else is done by people that account appoints.

mod api;
mod audit;
mod model;
mod password;
mod session;
mod store;
mod throttle;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use api::{SessionView, add_routes};
pub use audit::{Audit, first_broken_link, note};
pub use model::{Account, SignedIn};

use zhiban_config::WebConfig;

use crate::people::throttle::Throttle;
use crate::web::page_address;
use crate::{Clock, Database, StoreError};

/// Which program the sign-in page belongs to.
#[derive(Debug, Clone)]
pub struct Program {
    /// `gateway` or `central`
    pub kind: &'static str,
    /// Tells the programs of one host apart: browsers share cookies between ports.
    pub id: String,
    pub version: &'static str,
    /// Name of the hall or the centre.
    pub name: String,
    /// IANA zone that times are shown in.
    pub time_zone: String,
    pub clock: Clock,
}

/// The people of one program; cheap to clone.
#[derive(Debug, Clone)]
pub struct People(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Database,
    program: Program,
    setup_code_file: PathBuf,
    throttle: Throttle,
    password_work: tokio::sync::Semaphore,
}

impl People {
    /// Opens the people of `store`. When there are none yet, makes the first-boot code (or keeps
    /// the one made before) in `data`, readable by the owner only, and returns it.
    ///
    /// # Errors
    /// When the database or the directory cannot be used.
    pub async fn open(
        store: impl Into<Database>,
        program: Program,
        data: &Path,
    ) -> Result<(Self, Option<String>), StoreError> {
        let store = store.into();
        let first_boot = store.read(store::is_empty).await?;
        let code = if first_boot {
            Some(password::setup_code(&setup_code_file(data))?)
        } else {
            None
        };
        Ok((Self::new(store, program, data), code))
    }

    /// The people of `store`, for a program where nobody is the first to sign in.
    #[must_use]
    pub fn new(store: impl Into<Database>, program: Program, data: &Path) -> Self {
        Self(Arc::new(Inner {
            store: store.into(),
            program,
            setup_code_file: setup_code_file(data),
            throttle: Throttle::default(),
            password_work: tokio::sync::Semaphore::new(2),
        }))
    }

    fn store(&self) -> &Database {
        &self.0.store
    }
}

fn setup_code_file(data: &Path) -> PathBuf {
    data.join("setup-code")
}

/// Address of the pages and the code of the first sign-in, for the person in front of the box.
///
/// # Errors
/// When there is no code: before the first start, and after the first account.
pub fn setup_code(data: &Path, web: &WebConfig) -> std::io::Result<String> {
    let file = setup_code_file(data);
    let code = std::fs::read_to_string(&file).map_err(|error| {
        let why = "the service has not started yet, or the first account was made already";
        std::io::Error::new(error.kind(), format!("{}: {why}", file.display()))
    })?;
    let page = page_address(web.listen, web.tls.as_ref().map(|tls| tls.listen));
    Ok(format!("{page}  {}", code.trim()))
}

/// The tables of this module.
pub mod migrations {
    refinery::embed_migrations!("migrations");
}
