//! Hands over a file somebody brought: as what it was judged to be, and never as a page of ours.

use axum::body::Bytes;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};

/// A file that runs nothing, whatever is in it: no scripts, no links to us, and only pictures are
/// shown where they are asked for. `name` is for people and may be in any language.
#[must_use]
pub fn file(media: &str, name: &str, bytes: Vec<u8>) -> Response {
    const POLICY: &str = "default-src 'none'; sandbox";
    let shown = match media {
        "image/png" | "image/jpeg" => "inline",
        _ => "attachment",
    };
    let ending = media.rsplit('/').next().unwrap_or_default();
    let disposition = format!("{shown}; filename*=UTF-8''{}.{ending}", encoded(name));
    let header = |name: HeaderName, value: &str| {
        let value = HeaderValue::from_str(value);
        (
            name,
            value.unwrap_or(HeaderValue::from_static("attachment")),
        )
    };
    let headers = [
        header(header::CONTENT_TYPE, media),
        header(header::CONTENT_DISPOSITION, &disposition),
        header(header::CONTENT_SECURITY_POLICY, POLICY),
        header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, Bytes::from(bytes)).into_response()
}

/// As RFC 5987 writes a name.
fn encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let byte = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    name.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_and_runs_nothing() {
        let answer = file("application/pdf", "一层\r\n\"x\"", vec![1]);
        let of = |name: HeaderName| answer.headers()[name].to_str().unwrap().to_owned();
        let name = "filename*=UTF-8''%E4%B8%80%E5%B1%82%0D%0A%22x%22.pdf";
        assert_eq!(
            of(header::CONTENT_DISPOSITION),
            format!("attachment; {name}")
        );
        assert!(of(header::CONTENT_SECURITY_POLICY).contains("sandbox"));
        let picture = file("image/png", "x", vec![1]);
        let of = |name: HeaderName| picture.headers()[name].to_str().unwrap().to_owned();
        assert!(of(header::CONTENT_DISPOSITION).starts_with("inline;"));
        assert_eq!(of(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
    }
}
