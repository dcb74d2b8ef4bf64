use serde_json::json;

use super::*;

fn of(status: &Value, storage: &Value) -> KioskHealth {
    let service = Service::default().status(status).storage(storage);
    kiosk(&[("Dev".to_owned(), service)].into())
}

fn check(part: &Value, expected: &str) {
    let mut status = json!({"common": {"device": "online"}});
    for (key, value) in part.as_object().unwrap() {
        status[key] = value.clone();
    }
    let health = of(&status, &Value::Null);
    let said = format!(
        "{} {:?} {:?} {:?}",
        health.in_service, health.paper, health.cash_box, health.faults
    );
    assert_eq!(said, expected, "{status}");
}

#[test]
fn a_status_is_health() {
    check(&json!({}), "true None None []");
    check(&json!({"common": {"device": "deviceBusy"}}), "true None None []");
    for device in ["offline", "powerOff", "noDevice", "hardwareError", "userError", "fraudAttempt", "potentialFraud", "starting"] {
        let expected = format!("false None None [\"Dev.device={device}\"]");
        check(&json!({"common": {"device": device}}), &expected);
    }
    check(&json!({"common": {}}), "false None None [\"Dev.device=unknown\"]");
    check(&json!({"printer": {"paper": {"upper": "full", "lower": "notSupported"}}}), "true Some(Ok) None []");
    check(
        &json!({"printer": {"paper": {"upper": "low", "lower": "out"}}}),
        "true Some(Out) None [\"Dev.paper.lower=out\", \"Dev.paper.upper=low\"]",
    );
    check(
        &json!({"printer": {"media": "jammed", "paper": {"upper": "full"}}}),
        "true Some(Jammed) None [\"Dev.media=jammed\"]",
    );
    check(
        &json!({"cashManagement": {"acceptor": "stop", "dispenser": "attention"}}),
        "false None None [\"Dev.acceptor=stop\", \"Dev.dispenser=attention\"]",
    );
    check(
        &json!({"cashAcceptor": {"intermediateStacker": "full"}, "cardReader": {"media": "jammed"}}),
        "true None None [\"Dev.intermediateStacker=full\", \"Dev.media=jammed\"]",
    );
    assert!(!kiosk(&Services::new()).in_service, "nothing is no kiosk");
}

#[test]
fn a_storage_is_a_cash_box() {
    let check = |status: &str, level: &str, cash_out: bool, expected: (Option<CashBox>, &[&str])| {
        let types = json!({"cashIn": !cash_out, "cashOut": cash_out});
        let unit = json!({"status": status, "cash": {"configuration": {"types": types},
            "status": {"replenishmentStatus": level}}});
        let storage = json!({"storage": {"unit1": unit, "unitCard": {"status": "ok", "card": {}}}});
        let health = of(&json!({"common": {"device": "online"}}), &storage);
        assert_eq!((health.cash_box, &health.faults[..].iter().map(String::as_str).collect::<Vec<_>>()[..]), expected);
    };
    check("ok", "ok", false, (Some(CashBox::Ok), &[]));
    check("ok", "high", false, (Some(CashBox::High), &[]));
    check("ok", "full", false, (Some(CashBox::Full), &[]));
    check("ok", "empty", false, (Some(CashBox::Ok), &[]));
    check("missing", "ok", false, (Some(CashBox::Removed), &["Dev.unit1=missing"]));
    check("manipulated", "ok", false, (Some(CashBox::Ok), &["Dev.unit1=manipulated"]));
    check("ok", "full", true, (Some(CashBox::Ok), &[]));
    check("ok", "empty", true, (Some(CashBox::Ok), &["Dev.unit1=empty"]));
}

#[test]
fn the_worst_of_all_services_counts_and_printers_are_told_apart() {
    let online = json!({"common": {"device": "online"}});
    let printer_status = json!({"common": {"device": "online"}, "printer": {"paper": {"upper": "low"}, "toner": "out"}});
    let mut services: Services = [
        ("Card".to_owned(), Service::default().status(&online)),
        ("Print".to_owned(), Service::default().status(&printer_status)),
    ]
    .into();
    let health = printer(&services).unwrap();
    assert_eq!((health.online, health.paper, health.toner), (true, Some(Paper::Low), Some(Supply::Out)));
    let broken = json!({"common": {"device": "hardwareError"}});
    services.insert("Card".into(), Service::default().status(&broken));
    assert!(printer(&services).unwrap().online);
    assert!(!kiosk(&services).in_service);
    services.remove("Print");
    assert_eq!(printer(&services), None);
}

#[test]
fn an_error_is_over_when_the_device_is_online() {
    let broken = json!({"common": {"device": "hardwareError"}});
    let service = Service::default().status(&broken).error(&json!({"eventId": "hardware"}));
    let faults = |service: &Service| kiosk(&[("D".to_owned(), service.clone())].into()).faults;
    assert_eq!(faults(&service), ["D.device=hardwareError", "D.error=hardware"]);
    let service = service.status(&broken);
    assert_eq!(faults(&service).len(), 2);
    let service = service.status(&json!({"common": {"device": "online"}}));
    assert!(faults(&service).is_empty());
}

#[test]
fn a_kiosk_is_the_sum_of_its_devices() {
    let capabilities = |model: &str, serial: &str| {
        json!({"common": {"deviceInformation": [{"modelName": model, "serialNumber": serial,
            "revisionNumber": "7",
            "firmware": [{"firmwareName": "fw", "firmwareVersion": "1"}]}]}})
    };
    let said = identity(Some("Acme"), &[capabilities("P", "1"), json!({}), capabilities("C", "2")]);
    assert_eq!(said.vendor.as_deref(), Some("Acme"));
    assert_eq!(said.model, None);
    assert_eq!(said.hardware.as_deref(), Some("P 7, C 7"));
    assert_eq!(said.serial.as_deref(), Some("1, 2"));
    assert_eq!(said.firmware.as_deref(), Some("fw 1, fw 1"));
    assert_eq!(identity(Some(""), &[]), DeviceIdentity::default());
}
