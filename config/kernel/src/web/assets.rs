//! Embedded pages: served compressed when a compressed copy was embedded, cached for ever when
//! their name carries a hash.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

/// What is shown when the panel was not built into the program.
const HINT: &str = "<!doctype html><meta charset=utf-8><title>Zhiban</title>\
<p>面板尚未构建 · The panel was not built: run <code>make panel</code> and build again. \
<a href=/status>/status</a></p>";

/// One file of the panel, or `None`.
#[must_use]
pub fn asset<A: RustEmbed>(path: &str, headers: &HeaderMap) -> Option<Response> {
    let accepted = headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok());
    let packed = [("br", ".br"), ("gzip", ".gz")]
        .into_iter()
        .filter(|(coding, _)| accepted.is_some_and(|all| all.contains(coding)))
        .find_map(|(coding, ending)| Some((coding, A::get(&format!("{path}{ending}"))?)));
    let kind = A::get(path)?.metadata.mimetype().to_owned();
    let cache = if path.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let base = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, cache.to_owned()),
    ];
    let response = match packed {
        Some((coding, file)) => {
            let coding = [
                (header::CONTENT_ENCODING, coding),
                (header::VARY, "accept-encoding"),
            ];
            (base, coding, body(file.data)).into_response()
        }
        None => (base, body(A::get(path)?.data)).into_response(),
    };
    Some(response)
}

/// The html page a browser starts with.
#[must_use]
pub fn entry_page<A: RustEmbed>(page: &str, headers: &HeaderMap) -> Response {
    asset::<A>(page, headers).unwrap_or_else(|| {
        let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
        (StatusCode::OK, kind, HINT).into_response()
    })
}

fn body(data: Cow<'static, [u8]>) -> Body {
    match data {
        Cow::Borrowed(bytes) => Body::from(bytes),
        Cow::Owned(bytes) => Body::from(bytes),
    }
}
