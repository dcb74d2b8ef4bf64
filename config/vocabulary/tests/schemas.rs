//! The JSON Schemas in `schema/` are what the types say. After a wanted change of the wire, write
//! them anew: `ZHIBAN_WRITE_SCHEMAS=1 cargo test -p zhiban-vocabulary --test schemas`.

use std::path::PathBuf;

use schemars::{JsonSchema, schema_for};
use zhiban_vocabulary::climate::ClimateSample;
use zhiban_vocabulary::counter::CounterChange;
use zhiban_vocabulary::device::{DeviceHealth, ScreenShown};
use zhiban_vocabulary::envelope::{Answer, Heartbeat, Item};
use zhiban_vocabulary::kiosk::{KioskHealth, KioskTransaction};
use zhiban_vocabulary::queue::TicketEvent;
use zhiban_vocabulary::rating::Rating;

fn check<T: JsonSchema>(name: &str) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("schema/{name}.json"));
    let text = serde_json::to_string_pretty(&schema_for!(T)).unwrap() + "\n";
    if std::env::var_os("ZHIBAN_WRITE_SCHEMAS").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        kept == text,
        "{} is not what the types say: see the head of this test",
        file.display()
    );
}

#[test]
fn the_schemas_in_the_folder_are_what_the_types_say() {
    check::<TicketEvent>("ticket");
    check::<CounterChange>("counter.state");
    check::<Rating>("rating.given");
    check::<KioskHealth>("kiosk.health");
    check::<KioskTransaction>("kiosk.txn");
    check::<ClimateSample>("climate");
    check::<DeviceHealth>("device.health");
    check::<ScreenShown>("screen.shown");
    check::<Item>("item");
    check::<Heartbeat>("heartbeat");
    check::<Answer>("answer");
}
