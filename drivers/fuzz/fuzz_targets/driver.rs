//! Any bytes, from the line to the parser of the driver that `DRIVER` names.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

static FUZZ: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("DRIVER").expect("DRIVER names a driver");
    let driver = zhiban_drivers::find(&name);
    driver.unwrap_or_else(|| panic!("no driver {name}")).fuzz
});

fuzz_target!(|bytes: &[u8]| FUZZ(bytes));
