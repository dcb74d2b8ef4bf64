use proptest::prelude::*;

use super::*;

fn check(content_type: &str, body: &str, expected: &str) {
    let said = match Fields::read(&[], content_type, body.as_bytes()) {
        Ok(fields) => {
            let pairs = fields.0.iter().map(|(name, text)| format!("{name}={text}"));
            pairs.collect::<Vec<_>>().join(" ")
        }
        Err(error) => error.to_string(),
    };
    assert_eq!(said, expected, "{content_type} {body}");
}

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json; charset=utf-8";

#[test]
fn a_body_is_what_its_type_says() {
    check(FORM, "a=1&b=%E8%AF%B7+x", "a=1 b=请 x");
    check(JSON, r#"{"a":1,"b":"请","c":null,"d":[1],"e":{"f":true}}"#, "a=1 b=请 c= e.f=true");
    check("Application/Vnd.Pad+JSON", r#"{"a":5}"#, "a=5");
    check("", r#" {"a":5}"#, "a=5");
    check("text/plain", "a=5", "a=5");
    check(JSON, "", "");
    check(FORM, " \n", "");
    check(JSON, "[1]", "body: not a JSON object: something else");
    check(JSON, "{\"a\":\n", "body: not a JSON object: line 2 column 0");
    check(
        "multipart/form-data; boundary=x",
        "--x",
        "body: expected a form or a JSON object, found multipart/form-data",
    );
    let many = "a=1&".repeat(FIELDS_MAX + 1);
    check(FORM, &many, "more than 200 fields");
    let nested = format!("{}{}", "{\"a\":".repeat(500), "}".repeat(500));
    assert!(Fields::read(&[], JSON, nested.as_bytes()).is_err());
    assert_eq!(Fields::read(&[], FORM, b"a=\xFF"), Err(BadRequest::NotText));
}

#[test]
fn query_and_body_are_one_request() {
    let query = [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())];
    let fields = Fields::read(&query, FORM, b"b=2&c=3").unwrap();
    assert_eq!(fields.get("a"), Ok(Some("1")));
    assert_eq!(fields.get("b"), Ok(Some("2")));
    assert_eq!(fields.get("c"), Ok(Some("3")));
    assert_eq!(fields.get("d"), Ok(None));
    let fields = Fields::read(&query, FORM, b"b=3").unwrap();
    assert_eq!(fields.get("b"), Err(BadRequest::Twice("b".into())));
}

#[test]
fn the_monitor_reads_what_was_noted() {
    let texts = |bytes: &[u8]| -> Vec<String> {
        explain(bytes).into_iter().map(|piece| piece.text).collect()
    };
    assert_eq!(texts(b"score=5&ticket=A001"), ["score 5, ticket A001"]);
    assert_eq!(texts(b"\xFF"), ["?"]);
    assert!(texts(b"").is_empty());
}

proptest! {
    #[test]
    fn any_body_is_read_or_refused(
        body in proptest::collection::vec(
            prop_oneof![any::<u8>(), Just(b'{'), Just(b'"'), Just(b':'), Just(b'='), Just(b'&')], 0..200),
    ) {
        fuzz(&body);
    }

    #[test]
    fn forms_of_any_text_are_the_same_as_json(
        pairs in proptest::collection::vec(("[a-z]{1,4}", "\\PC{0,10}"), 0..6),
    ) {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(&pairs);
        fuzz(form.finish().as_bytes());
    }
}
