//! Web pages and API of a program: one error form, one table of routes with the right each needs,
//! embedded pages, and a server that stops in time.

mod access;
mod assets;
mod error;
mod file;
mod listen;
mod places;
mod server;

pub use access::{Access, Api, RouteRule};
pub use assets::{asset, entry_page};
pub use error::{ErrorBody, Result, WebError};
pub use file::file;
pub use listen::{Listeners, check_pages, page_address};
pub use server::{Caller, Peer, Transport, finish};
