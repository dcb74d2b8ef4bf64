//! The panel's files, and its entry page for every address that is a page.

use axum::Router;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;
use zhiban_kernel::web::{WebError, asset, entry_page};

/// Built by `make panel`; the program also builds without it.
#[derive(RustEmbed)]
#[folder = "../gateway/panel/dist/"]
#[allow_missing = true]
struct Panel;

/// Serves the panel wherever no route is.
pub(crate) fn add_to(router: Router) -> Router {
    router.fallback(page)
}

async fn page(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    let is_page = !path.rsplit('/').next().unwrap_or_default().contains('.');
    let below_api = path == "api" || path.starts_with("api/");
    let missing = || WebError::NotFound(uri.path().to_owned()).into_response();
    if below_api || !matches!(method, Method::GET | Method::HEAD) {
        return missing();
    }
    if is_page {
        return entry_page::<Panel>("centre.html", &headers);
    }
    asset::<Panel>(path, &headers).unwrap_or_else(missing)
}
