//! Our printer, read by net-snmp and by our driver.

use zhiban_vocabulary::kiosk::Paper;
use zhiban_vocabulary::printer::{PrinterHealth, Supply};
use zhiban_vocabulary::report::Observation;

use super::*;
use crate::testing::{Hall, device, netsnmp};

const ERROR_STATE: &str = "1.3.6.1.2.1.25.3.5.1.2.1";
const NO_VALUE: &str = "1.3.6.1.2.1.25.3.5.1.2.9";

#[tokio::test]
async fn net_snmp_reads_our_printer() {
    let printer = OfficePrinterSimulator::start("hall").await.unwrap();
    let ask = async |program: &str, version: &str, name: &str| {
        netsnmp(program, &[version, "-c", "hall", "-On", printer.path(), name]).await
    };
    for (version, end) in [("-v1", "End of MIB"), ("-v2c", "past the end of the MIB tree")] {
        let said = ask("snmpget", version, ERROR_STATE).await;
        assert_eq!(said, [format!(".{ERROR_STATE} = Hex-STRING: 00 ")]);
        let walked = ask("snmpwalk", version, "1.3.6.1.2.1.43").await;
        let expected = [
            r#".1.3.6.1.2.1.43.5.1.1.17.1 = STRING: "CNB1234567""#,
            ".1.3.6.1.2.1.43.8.2.1.9.1.1 = INTEGER: 500",
            ".1.3.6.1.2.1.43.8.2.1.10.1.1 = INTEGER: 400",
            ".1.3.6.1.2.1.43.11.1.1.5.1.1 = INTEGER: 21",
            ".1.3.6.1.2.1.43.11.1.1.8.1.1 = INTEGER: 10000",
            ".1.3.6.1.2.1.43.11.1.1.9.1.1 = INTEGER: 7000",
        ];
        let (last, values) = walked.split_last().unwrap();
        assert_eq!(values, expected, "{version}");
        assert!(last.contains(end), "{version}: {last}");
    }
    let in_bulk = ask("snmpbulkwalk", "-v2c", "1.3.6.1.2.1").await;
    assert_eq!(in_bulk, ask("snmpwalk", "-v2c", "1.3.6.1.2.1").await);
    let none = ask("snmpget", "-v2c", NO_VALUE).await.concat();
    assert!(none.contains("No Such Instance"), "{none}");
    let none = ask("snmpget", "-v1", NO_VALUE).await.concat();
    assert!(none.contains("noSuchName"), "{none}");
    printer.set(Supplies {
        toner: 900,
        door_open: true,
        ..Supplies::default()
    });
    // lowToner and doorOpen, from the highest bit: 28, which can be printed.
    let said = ask("snmpget", "-v2c", ERROR_STATE).await;
    assert_eq!(said, [format!(".{ERROR_STATE} = STRING: \"(\"")]);
    let wrong = ["-v2c", "-c", "public", "-t", "0.2", "-r", "0", printer.path(), ERROR_STATE];
    let said = netsnmp("snmpget", &wrong).await.concat();
    assert!(said.contains("Timeout"), "{said}");
}

#[tokio::test]
async fn our_driver_reads_our_printer() {
    let printer = OfficePrinterSimulator::start("hall").await.unwrap();
    let settings = format!("peer = '{}'\ncommunity = 'hall'\npoll_s = 0.2", printer.path());
    let hall = Hall::open(vec![device("printer", "snmp-printer", &settings)]);
    let is = |expected: PrinterHealth| {
        move |hall: &Hall| {
            let last = hall.reports().into_iter().rev().find_map(|report| match report.observation {
                Observation::Printer(health) => Some(health),
                _ => None,
            });
            last == Some(expected.clone())
        }
    };
    let well = PrinterHealth {
        online: true,
        paper: Some(Paper::Ok),
        cover_open: Some(false),
        cutter_fault: None,
        toner: Some(Supply::Ok),
        faults: Vec::new(),
    };
    hall.until("well", is(well.clone())).await;
    printer.set(Supplies {
        toner: 900,
        door_open: true,
        ..Supplies::default()
    });
    let open = PrinterHealth {
        online: false,
        cover_open: Some(true),
        toner: Some(Supply::Low),
        ..well.clone()
    };
    hall.until("open", is(open)).await;
    printer.set(Supplies::default());
    hall.until("well again", is(well)).await;
    hall.close().await;
}
