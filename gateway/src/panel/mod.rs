//! Pages: the embedded panel, and the plain status page for rescue.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use rust_embed::RustEmbed;
use zhiban_kernel::health::Status;
use zhiban_kernel::web::{Caller, WebError, asset, entry_page};

use crate::chain::Watch;

#[derive(RustEmbed)]
#[folder = "panel/dist"]
#[allow_missing = true]
struct Panel;

/// Pages for every path the API does not have.
pub fn router(name: &str, watch: Watch) -> Router {
    let status = StatusPage {
        name: name.to_owned(),
        watch,
    };
    Router::new()
        .route("/status", get(status_page))
        .with_state(status)
        .route(
            "/wall",
            get(async |headers: HeaderMap| entry_page::<Panel>("wall.html", &headers)),
        )
        .fallback(get(page))
}

async fn page(uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    if let Some(found) = asset::<Panel>(path, &headers) {
        return found;
    }
    if path.starts_with("api/") {
        return WebError::NotFound(format!("/{path}")).into_response();
    }
    // Paths of the panel's own pages have no dot; a missing file must not answer with a page.
    if path.contains('.') {
        return StatusCode::NOT_FOUND.into_response();
    }
    entry_page::<Panel>("hall.html", &headers)
}

#[derive(Clone)]
struct StatusPage {
    name: String,
    watch: Watch,
}

/// Works without script, in any browser.
async fn status_page(
    State(status): State<StatusPage>,
    caller: Caller,
    headers: HeaderMap,
) -> Html<String> {
    let report = status.watch.report(caller, &headers).await;
    let rows: String = report
        .parts
        .iter()
        .map(|part| {
            let (part_name, detail) = (part.part, escape(&part.said().both()));
            let words = words(part.status);
            format!("<tr><th scope=row>{part_name}</th><td>{words}</td><td>{detail}</td></tr>")
        })
        .collect();
    let (name, overall) = (escape(&status.name), words(report.status));
    Html(format!(
        "<!doctype html><html lang=zh-CN><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width\"><meta http-equiv=refresh content=10>\
         <title>{name} · Zhiban 值班</title>\
         <style>body{{font:16px/1.6 sans-serif;margin:2rem auto;max-width:50rem;padding:0 1rem}}\
         table{{border-collapse:collapse;width:100%}}th,td{{text-align:left;padding:.4rem;\
         border-bottom:1px solid #999}}</style>\
         <h1>{name}</h1><p>状态 Status: <strong>{overall}</strong></p>\
         <table><thead><tr><th scope=col>部分 Part<th scope=col>状态 Status\
         <th scope=col>说明 Detail</thead><tbody>{rows}</tbody></table>\
         <p><a href=/>打开面板 Open the panel</a></p></html>"
    ))
}

fn words(status: Status) -> &'static str {
    match status {
        Status::Ok => "✓ 正常 ok",
        Status::Degraded => "▲ 需要查看 degraded",
        Status::Failing => "✗ 故障 failing",
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
