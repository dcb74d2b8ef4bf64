//! Every crate that is linked has a licence `deny.toml` allows, and none of the banned is there.
//! (`cargo deny check` says the same where it is installed; this needs nothing but cargo.)

use std::process::Command;

use serde_json::Value;

fn packages() -> Vec<Value> {
    let out = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .output()
        .expect("cargo runs");
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "cargo metadata: {said}");
    let metadata: Value = serde_json::from_slice(&out.stdout).expect("metadata is JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

fn deny() -> toml::Table {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../deny.toml");
    toml::from_str(&std::fs::read_to_string(file).expect("deny.toml")).expect("deny.toml is TOML")
}

/// Whether an SPDX expression can be met: any side of an `OR`, every side of an `AND`.
fn is_met(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    let expression = expression.trim();
    if let Some(inner) = whole_brackets(expression) {
        return is_met(inner, allowed);
    }
    for (operator, any) in [(" OR ", true), ("/", true), (" AND ", false)] {
        let parts = split_outside_brackets(expression, operator);
        if parts.len() > 1 {
            let mut met = parts.iter().map(|part| is_met(part, allowed));
            return if any {
                met.any(|yes| yes)
            } else {
                met.all(|yes| yes)
            };
        }
    }
    allowed(expression)
}

fn whole_brackets(expression: &str) -> Option<&str> {
    let inner = expression.strip_prefix('(')?.strip_suffix(')')?;
    let mut depth = 0;
    let closes_early = inner.chars().any(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth < 0
    });
    (!closes_early).then_some(inner)
}

fn split_outside_brackets<'e>(expression: &'e str, operator: &str) -> Vec<&'e str> {
    let (mut parts, mut depth, mut from) = (Vec::new(), 0, 0);
    for (at, c) in expression.char_indices() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        if depth == 0 && at >= from && expression[at..].starts_with(operator) {
            parts.push(&expression[from..at]);
            from = at + operator.len();
        }
    }
    parts.push(&expression[from..]);
    parts
}

#[test]
fn every_crate_has_a_licence_we_may_ship() {
    let deny = deny();
    let list = deny["licenses"]["allow"]
        .as_array()
        .expect("licenses.allow");
    let allowed = |name: &str| list.iter().any(|entry| entry.as_str() == Some(name.trim()));
    let packages = packages();
    assert!(
        packages.len() > 100,
        "only {} packages were seen",
        packages.len()
    );
    let bad: Vec<_> = packages
        .iter()
        .filter(|package| {
            !package["license"]
                .as_str()
                .is_some_and(|text| is_met(text, &allowed))
        })
        .map(|package| format!("{} {}", package["name"], package["license"]))
        .collect();
    assert!(
        bad.is_empty(),
        "licences deny.toml does not allow: {bad:#?}"
    );
}

#[test]
fn no_banned_crate_is_linked() {
    let deny = deny();
    let packages = packages();
    for ban in deny["bans"]["deny"].as_array().expect("bans.deny") {
        let (name, below) = ban["crate"]
            .as_str()
            .map(|text| text.split_once(":<").unwrap_or((text, "")))
            .expect("crate");
        let found = packages
            .iter()
            .filter(|package| package["name"] == name)
            .any(|package| {
                let version = package["version"].as_str().unwrap_or_default();
                below.is_empty()
                    || version
                        .split('.')
                        .take(2)
                        .map(|part| part.parse().unwrap_or(0))
                        .lt(below
                            .split('.')
                            .map(|part| part.parse::<u32>().unwrap_or(0)))
            });
        assert!(!found, "{name} is banned: {}", ban["reason"]);
    }
}

#[test]
fn expressions_are_read_as_written() {
    let allowed = |name: &str| name == "MIT" || name == "ISC";
    for good in [
        "MIT",
        "GPL-3.0 OR MIT",
        "MIT/Apache-2.0",
        "(GPL-3.0 OR ISC) AND MIT",
    ] {
        assert!(is_met(good, &allowed), "{good}");
    }
    for bad in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR ISC) AND GPL-3.0", ""] {
        assert!(!is_met(bad, &allowed), "{bad}");
    }
}
