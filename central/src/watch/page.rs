//! The rescue page as text.

use std::fmt::Write;

use zhiban_kernel::health::{Report, Status};

use super::api::BoxView;

const HEAD: &str = "<!doctype html><html lang=\"zh-CN\"><head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
<meta http-equiv=\"refresh\" content=\"15\"><title>值班 · Zhiban</title><style>\
body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:44rem;padding:0 1rem;color:#111}\
table{border-collapse:collapse;width:100%;margin:1rem 0}\
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #999}</style></head><body><main>";

/// The page; `view` only for those who may see it.
pub(super) fn status(report: &Report, view: Option<&BoxView>) -> String {
    let mut page = String::from(HEAD);
    let whole = words(report.status);
    // Writing to a text cannot fail.
    let _ = write!(page, "<h1>值班中心 · Zhiban central: {whole}</h1>");
    page.push_str("<table><caption>各部分 · Parts</caption><thead><tr><th scope=\"col\">部分 · Part</th><th scope=\"col\">状态 · State</th><th scope=\"col\">说明 · Detail</th><th scope=\"col\">秒前 · Seconds ago</th></tr></thead><tbody>");
    for part in &report.parts {
        let (state, detail) = (words(part.status), escaped(&part.said().both()));
        let _ = write!(
            page,
            "<tr><th scope=\"row\">{}</th><td>{state}</td><td>{detail}</td><td>{}</td></tr>",
            part.part, part.age_s
        );
    }
    page.push_str("</tbody></table>");
    if let Some(view) = view {
        page.push_str(&details(view));
    }
    page.push_str("<p><a href=\"/\">面板 · Panel</a></p></main></body></html>");
    page
}

fn details(view: &BoxView) -> String {
    let last = view.intake.last.map_or("—".into(), |last| last.to_string());
    let rows = [
        ("版本 · Version", view.version.to_owned()),
        ("启动 · Started", view.started.to_string()),
        (
            "数据库字节 · Database bytes",
            view.database_bytes.to_string(),
        ),
        ("监听 · Listening", view.listen.join(", ")),
        ("已收条目 · Items received", view.intake.items.to_string()),
        ("重复 · Duplicates", view.intake.duplicates.to_string()),
        ("死信 · Dead letters", view.intake.dead_letters.to_string()),
        ("最近接收 · Last received", last),
        ("营业厅 · Halls", view.stores.known.to_string()),
        ("在线 · Live", view.stores.live.to_string()),
        ("滞后 · Late", view.stores.late.to_string()),
        ("离线 · Offline", view.stores.offline.to_string()),
    ];
    let mut table = String::from("<table><caption>中心 · Centre</caption><tbody>");
    for (name, value) in rows {
        let value = escaped(&value);
        let _ = write!(
            table,
            "<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>"
        );
    }
    table.push_str("</tbody></table>");
    table
}

fn words(status: Status) -> &'static str {
    match status {
        Status::Ok => "正常 · ok",
        Status::Degraded => "受损 · degraded",
        Status::Failing => "故障 · failing",
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use zhiban_kernel::health::Part;

    #[test]
    fn the_page_has_no_script_and_shows_text_as_text() {
        let part = Part {
            part: "store",
            status: Status::Failing,
            detail: "<script>alert(1)</script>".into(),
            detail_zh: "<script>alert(1)</script>".into(),
            age_s: 3,
            is_silent: false,
        };
        let report = Report {
            status: Status::Failing,
            parts: vec![part],
        };
        let page = status(&report, None);
        assert!(!page.contains("<script"), "{page}");
        assert!(page.contains("故障 · failing"), "{page}");
    }
}
