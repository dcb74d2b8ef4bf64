//! A mistake in a configuration is found before anything is opened: file, key, what was expected
//! and what was found.

use std::path::Path;

use zhiban_tests::harness::Program;
use zhiban_tests::harness::configs::Folder;
use zhiban_tests::harness::stage::Hall;

/// `check`, and `run`, with `text` as configuration: both must refuse with `expected` in it.
async fn refused(folder: &Path, program: &Program, text: &str, expected: &[&str]) {
    let file = folder.join("typo.toml");
    std::fs::write(&file, text).unwrap();
    for command in ["check", "run"] {
        let refused = program
            .command(&[command, &file.to_string_lossy()], Vec::new())
            .await;
        let said = refused
            .expect_err("a configuration with a mistake was used")
            .to_string();
        assert!(said.contains("typo.toml"), "the file is not named: {said}");
        for expected in expected {
            assert!(said.contains(expected), "{expected:?} is not in: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_with_a_typo_is_refused_with_file_key_expected_and_found() {
    let folder = Folder::new("typo");
    let hall = Hall::prepare(folder.path(), "typo-hall", &[], |_| ()).await;
    let good = std::fs::read_to_string(&hall.program.config).unwrap();
    let with = |from: &str, to: &str| {
        assert!(good.contains(from), "{from} is not in {good}");
        good.replace(from, to)
    };
    let config = hall.program.config.to_string_lossy().into_owned();
    hall.program
        .command(&["check", &config], Vec::new())
        .await
        .unwrap();
    let device = |settings: &str, driver: &str| {
        format!(
            "{good}\n[[device]]\nid = \"th-1\"\ndriver = \"{driver}\"\n[device.settings]\n{settings}\n"
        )
    };
    const METER: &str = "link = { tcp = \"h:502\" }\nunit = 1\nmap = \"sdm630\"";
    let twins = device(METER, "modbus")
        + &format!("[[device]]\nid = \"th-2\"\ndriver = \"modbus\"\n[device.settings]\n{METER}\n");
    let inside = hall.program.data.join("nightly");
    let inside = format!("{good}\n[backup]\nfolder = {inside:?}\n");
    for (text, expected) in [
        (inside, vec!["backup.folder", "a folder outside"]),
        (with("time_zone", "time_zon"), vec!["time_zon", "expected"]),
        (
            with("Asia/Shanghai", "Asia/Shangai"),
            vec!["time_zone", "Asia/Shangai"],
        ),
        (
            with("opens = \"00:00:00\"", "opens = 8"),
            vec!["opens", "line"],
        ),
        (
            with("127.0.0.1:0", "0.0.0.0:1883"),
            vec!["allow_plaintext", "0.0.0.0:1883"],
        ),
        (
            device("", "modbus-climat"),
            vec!["th-1", "modbus", "modbus-climat"],
        ),
        (device("unit = 1", "modbus"), vec!["th-1", "link"]),
        (twins, vec!["th-2", "address 1 of h:502", "th-1"]),
        (with("[hall]", "[hall"), vec!["line 1"]),
    ] {
        refused(folder.path(), &hall.program, &text, &expected).await;
    }
    assert!(!hall.program.data.join("run.json").exists());
}
