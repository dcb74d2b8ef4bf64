//! The rules of the house, held against the sources. What is over a limit stands in a list that
//! may only get shorter.

use std::fs;
use std::path::{Path, PathBuf};

use zhiban_tests::harness::peers::workspace;
use zhiban_tests::harness::programs;

const LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

/// Functions over [`FUNCTION_LINES_MAX`], with the lines they have.
const LONG_FUNCTIONS: [(&str, &str, usize); 1] = [
    // All wiring, in reading order.
    ("gateway/src/appliance.rs", "run", 85),
];

/// Tasks begin here and nowhere else. (Beside `Tasks::spawn`, which stops the program when a task
/// ends, and trackers that are waited for.)
const MAY_SPAWN: [&str; 11] = [
    "drivers/src/link/http.rs",
    "drivers/src/testing/hall.rs",
    "config/kernel/src/runtime.rs",
    "drivers/src/supervise.rs",
    "drivers/src/thread.rs",
    "drivers/src/simulator/place.rs",
    "gateway/src/check_device.rs",
    "gateway/src/commands/task.rs",
    "gateway/src/devices/mod.rs",
    "gateway/src/devices/presence.rs",
    "gateway/src/joining/mod.rs",
];

/// Text that stands nowhere, and why.
const FORBIDDEN: [(&str, &str); 4] = [
    ("unbounded_channel", "every queue has a bound"),
    ("mpsc::unbounded", "every queue has a bound"),
    ("std::sync::mpsc::channel", "every queue has a bound"),
    (
        "#[allow(",
        "#[expect(…, reason)] says why and goes away by itself",
    ),
];

/// What gives away where somebody builds; the repository works with the public registries.
const REGISTRY_MARKS: [&str; 6] = [
    "index-url",
    "replace-with",
    "_authToken",
    "npmmirror",
    "registry = \"http",
    "registry=http",
];

/// Crates that must not know each other.
const STRANGERS: [(&str, &[&str]); 4] = [
    ("central/Cargo.toml", &["zhiban-gateway", "zhiban-drivers"]),
    ("gateway/Cargo.toml", &["zhiban-central"]),
    (
        "drivers/Cargo.toml",
        &["zhiban-config", "zhiban-kernel", "rusqlite", "axum"],
    ),
    (
        "config/vocabulary/Cargo.toml",
        &["tokio", "rusqlite", "zhiban-"],
    ),
];

/// What is not ours, or made by programs.
const SKIPPED: [&str; 6] = [
    "target",
    "node_modules",
    ".git",
    "dist",
    "data",
    "Cargo.lock",
];

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name();
        if SKIPPED.iter().any(|skipped| name == *skipped) {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            walk(&entry.path(), found);
        } else {
            found.push(entry.path());
        }
    }
}

/// All files of the repository with one of these endings, by their path from the top, with text.
fn sources(endings: &[&str]) -> Vec<(String, String)> {
    let (top, mut found) = (workspace(), Vec::new());
    walk(&top, &mut found);
    found.sort();
    let path = |file: &PathBuf| {
        file.strip_prefix(&top)
            .unwrap()
            .to_string_lossy()
            .into_owned()
    };
    let ours = |name: &String| endings.iter().any(|ending| name.ends_with(ending));
    let files = found
        .iter()
        .map(|file| (path(file), file))
        .filter(|(name, _)| ours(name));
    files
        .filter_map(|(name, file)| Some((name, fs::read_to_string(file).ok()?)))
        .collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(workspace().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Without what is only compiled for tests, which stands at the end of a file.
fn production(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text)
}

fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs") || path.starts_with("tests/")
}

fn report(rule: &str, wrong: &[String]) {
    assert!(wrong.is_empty(), "{rule}:\n  {}", wrong.join("\n  "));
}

#[test]
fn no_file_is_longer_than_can_be_read_at_once() {
    let mut wrong = Vec::new();
    for (path, text) in sources(&[".rs", ".ts", ".vue", ".mjs", ".py", ".sh"]) {
        let lines = text.lines().count();
        // A table of words is not read from top to bottom.
        if lines > LINES_MAX && !path.ends_with("schema.ts") {
            wrong.push(format!(
                "{path} has {lines} lines, at most {LINES_MAX} are allowed"
            ));
        }
    }
    report("files", &wrong);
}

/// Name and length of every function; the sources are formatted, so indentation tells the end.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<_> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let words = ["pub ", "pub(crate) ", "pub(super) ", "async ", "const "];
        let mut bare = code;
        while let Some(rest) = words.iter().find_map(|word| bare.strip_prefix(word)) {
            bare = rest;
        }
        let Some(rest) = bare.strip_prefix("fn ") else {
            continue;
        };
        let end = format!("{}}}", " ".repeat(line.len() - code.len()));
        let declared = lines[at..]
            .iter()
            .position(|line| line.ends_with(';') || line.ends_with('{'));
        if declared.is_some_and(|more| lines[at + more].ends_with(';')) || line.ends_with('}') {
            continue;
        }
        let length = lines[at..]
            .iter()
            .position(|line| *line == end)
            .unwrap_or(0)
            + 1;
        let name = rest.split(['(', '<']).next().unwrap_or(rest);
        found.push((name.to_owned(), length));
    }
    found
}

#[test]
fn no_function_is_longer_than_a_screen() {
    let mut wrong = Vec::new();
    for (path, text) in sources(&[".rs"]) {
        for (name, lines) in functions(&text) {
            let listed = LONG_FUNCTIONS
                .iter()
                .find(|(file, function, _)| *file == path && *function == name);
            let allowed = listed.map_or(FUNCTION_LINES_MAX, |(_, _, lines)| *lines);
            if lines > allowed {
                wrong.push(format!(
                    "{path}: {name} has {lines} lines, at most {allowed} are allowed"
                ));
            }
            if let Some((_, _, was)) = listed.filter(|(_, _, was)| lines < *was) {
                wrong.push(format!(
                    "{path}: {name} went from {was} to {lines}: shorten the list, too"
                ));
            }
        }
    }
    report("functions", &wrong);
}

#[test]
fn what_is_forbidden_stands_nowhere() {
    let mut wrong = Vec::new();
    for (path, text) in sources(&[".rs"])
        .iter()
        .filter(|(path, _)| path != "tests/tests/tidy.rs")
    {
        for (forbidden, why) in FORBIDDEN {
            if text.contains(forbidden) {
                wrong.push(format!("{path}: {forbidden}: {why}"));
            }
        }
        let spawns = production(text).contains("tokio::spawn(")
            || production(text).contains("tokio::task::spawn(");
        if spawns && !is_test(path) && !MAY_SPAWN.contains(&path.as_str()) {
            wrong.push(format!(
                "{path}: spawns a task; only {} may",
                MAY_SPAWN.join(", ")
            ));
        }
    }
    report("forbidden", &wrong);
}

#[test]
fn crates_know_only_whom_they_may() {
    let mut wrong = Vec::new();
    for (path, strangers) in STRANGERS {
        let text = read(path);
        let own = text
            .lines()
            .filter(|line| !line.starts_with("name ") && !line.trim_start().starts_with('#'));
        let dependencies: Vec<_> = own
            .take_while(|line| *line != "[dev-dependencies]")
            .collect();
        for stranger in strangers {
            let known = dependencies.iter().find(|line| line.starts_with(stranger));
            wrong.extend(known.map(|line| format!("{path}: {line}")));
        }
    }
    report("strangers", &wrong);
}

#[test]
fn every_path_the_documents_name_exists() {
    let mut wrong = Vec::new();
    let tops = [
        "gateway/", "drivers/", "central/", "config/", "tests/", "deploy/",
    ];
    for document in [
        "ARCHITECTURE.md",
        "DESIGN.md",
        "README.md",
        "drivers/QUALITY.md",
    ] {
        let text = read(document);
        let quoted = text.split('`').skip(1).step_by(2);
        // A file of ours is named from the top, or nobody finds it.
        let is_ours = |text: &&str| {
            let file = text.split("::").next().unwrap_or(text);
            let is_source = file.contains('/') && file.ends_with(".rs");
            is_source || tops.iter().any(|top| text.starts_with(top))
        };
        let paths = quoted.filter(is_ours);
        for path in paths.filter(|path| !path.contains([' ', '*', '<', '…', '{'])) {
            let path = path.split("::").next().unwrap_or(path);
            // QUALITY.md names the tests of the drivers from where it stands.
            let found =
                workspace().join(path).exists() || workspace().join("drivers").join(path).exists();
            if !found {
                wrong.push(format!("{document}: {path}"));
            }
        }
    }
    report("paths that do not exist", &wrong);
}

/// Folders of `drivers/src` that are no drivers.
const NO_DRIVERS: [&str; 5] = ["link", "picture", "simulator", "supervise", "testing"];

#[test]
fn every_driver_is_complete() {
    let quality = read("drivers/QUALITY.md");
    let rows = quality.lines().filter_map(|line| line.strip_prefix("| "));
    let rows = rows.filter_map(|line| line.split(" | ").next());
    let questions: Vec<&str> = rows.skip(1).take_while(|row| *row != "Part").collect();
    assert_eq!(questions.len(), 7, "{questions:?}");
    let mut wrong = Vec::new();
    let mut drivers = 0;
    for entry in fs::read_dir(workspace().join("drivers/src"))
        .unwrap()
        .map(Result::unwrap)
    {
        let folder = entry.file_name().to_string_lossy().into_owned();
        if !entry.path().is_dir() || NO_DRIVERS.contains(&folder.as_str()) {
            continue;
        }
        drivers += 1;
        for part in ["README.md", "form.toml", "mod.rs", "session.rs"] {
            if !entry.path().join(part).exists() {
                wrong.push(format!("drivers/src/{folder} has no {part}"));
            }
        }
        let readme = fs::read_to_string(entry.path().join("README.md")).unwrap_or_default();
        let answers = readme.rsplit("\n## Quality\n").next().unwrap_or_default();
        let form = fs::read_to_string(entry.path().join("form.toml")).unwrap_or_default();
        let is_said = form.contains("\nunproven = true\n");
        if is_said != readme.contains("**Unproven against hardware") {
            wrong.push(format!(
                "{folder}: unproven in its form or in its README only"
            ));
        }
        if answers.contains("\n| Evidence level | 4") && !is_said {
            wrong.push(format!(
                "{folder}: its form does not say that it is unproven"
            ));
        }
        let unanswered = questions
            .iter()
            .filter(|question| !answers.contains(&format!("\n| {question} | ")));
        wrong.extend(unanswered.map(|question| format!("{folder}: no answer to {question:?}")));
    }
    assert_eq!(drivers, zhiban_drivers::DRIVERS.len());
    report("drivers", &wrong);
}

#[test]
fn every_migration_says_in_prose_what_it_is_for() {
    let files = sources(&[".sql"]);
    assert!(files.len() >= 10, "{}", files.len());
    let silent = files.iter().filter(|(_, text)| {
        let words = text
            .lines()
            .take_while(|line| line.starts_with("-- "))
            .map(str::len);
        words.sum::<usize>() < 40
    });
    report(
        "migrations",
        &silent.map(|(path, _)| path.clone()).collect::<Vec<_>>(),
    );
}

#[test]
fn nothing_tells_where_it_was_built() {
    let mut wrong = Vec::new();
    let endings = [
        "", ".toml", ".json", ".sh", ".npmrc", ".yml", ".md", "Makefile",
    ];
    for (path, text) in sources(&endings)
        .iter()
        .filter(|(path, _)| path != "tests/tests/tidy.rs")
    {
        let marks = REGISTRY_MARKS.iter().filter(|mark| text.contains(**mark));
        wrong.extend(marks.map(|mark| format!("{path}: {mark}")));
        if path.ends_with("package-lock.json") && text.contains("\"resolved\": \"http") {
            wrong.push(format!("{path}: \"resolved\" names a registry"));
        }
    }
    report("registries", &wrong);
}

#[test]
fn every_part_says_its_licence() {
    assert!(read("LICENSE").contains("Apache License"));
    assert!(read("Cargo.toml").contains("license = \"Apache-2.0\""));
    let mut wrong = Vec::new();
    for (path, text) in sources(&["Cargo.toml"])
        .iter()
        .filter(|(path, _)| path != "Cargo.toml")
    {
        // One that is not of the workspace says it by itself.
        let says = ["license.workspace = true", "license = \"Apache-2.0\""];
        if !says.iter().any(|said| text.contains(said)) {
            wrong.push(path.clone());
        }
    }
    if !read("gateway/panel/package.json").contains("\"license\": \"Apache-2.0\"") {
        wrong.push("gateway/panel/package.json".into());
    }
    report("no licence", &wrong);
}

#[test]
fn the_panel_knows_the_api_the_programs_have() {
    let folder = programs().unwrap();
    for (program, file) in [("zhiban-gateway", "gateway"), ("zhiban-central", "central")] {
        let printed = std::process::Command::new(folder.join(program))
            .arg("openapi")
            .output()
            .unwrap();
        let printed: serde_json::Value = serde_json::from_slice(&printed.stdout).expect(program);
        let path = format!("gateway/panel/openapi/{file}.json");
        let kept: serde_json::Value = serde_json::from_str(&read(&path)).expect(&path);
        assert!(
            printed == kept,
            "{path} is not what `{program} openapi` prints: write it anew"
        );
    }
}
