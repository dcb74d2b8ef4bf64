//! Our Modbus driver reads a pymodbus server: over TCP, and by RTU over a cable of socat.

use std::time::Duration;

use crate::testing::{Hall, device};
use crate::testing::{Peer, SerialCable, free_port};

/// A pymodbus server. `place` is `["tcp", port]` or `["serial", path]`.
async fn modbus_server(place: [&str; 2], unit: u8, registers: &[&str]) -> Peer {
    let unit = unit.to_string();
    let args = [&place[..], &[&unit], registers].concat();
    Peer::python("modbus/peers/modbus_server.py", &args).await
}

const REGISTERS: [&str; 2] = ["1=225", "2=546"];

fn over_tcp(port: &str, unit: u8) -> Hall {
    let settings = format!(
        "link = {{ tcp = '127.0.0.1:{port}' }}\nunit = {unit}\nmap = 'xy-md02'\npoll_s = 0.2\ntimeout_ms = 300"
    );
    Hall::open(vec![device("air", "modbus", &settings)])
}

fn over_cable(cable: &SerialCable, map: &str) -> Hall {
    let port = cable.end("hall");
    let settings = format!(
        "link = {{ serial = '{port}', baud = 9600, parity = 'none' }}\nunit = 1\nmap = '{map}'\npoll_s = 0.2\ntimeout_ms = 200"
    );
    Hall::open(vec![device("air", "modbus", &settings)])
}

#[tokio::test]
async fn values_are_read_over_tcp() {
    let port = free_port();
    let mut server = modbus_server(["tcp", &port], 1, &REGISTERS).await;
    let hall = over_tcp(&port, 1);
    hall.says("air", 0, "22.5 54.6").await;
    assert_eq!(hall.said("air")[0], "up");
    // FF33, the published example.
    server.order("set 1 65331").await;
    hall.says("air", 0, "-20.5 54.6").await;
    server.order("set 1 9999").await;
    hall.until("bad values", |hall| hall.status("air").bad_frames >= 2)
        .await;
    assert!(!hall.said("air").iter().any(|said| said.starts_with("999")));
    hall.close().await;
}

#[tokio::test]
async fn values_are_read_by_rtu_over_a_cable() {
    let cable = SerialCable::lay().await;
    let place = ["serial", &cable.end("device")];
    let mut server = modbus_server(place, 1, &REGISTERS).await;
    let hall = over_cable(&cable, "xy-md02");
    hall.says("air", 0, "22.5 54.6").await;
    server.order("set 1 65331").await;
    hall.says("air", 0, "-20.5 54.6").await;
    assert_eq!(hall.status("air").bad_frames, 0);
    hall.close().await;
}

#[tokio::test]
async fn a_refusal_is_reported_with_unit_and_registers() {
    let port = free_port();
    let mut server = modbus_server(["tcp", &port], 1, &REGISTERS).await;
    server.order("refuse 2").await;
    let hall = over_tcp(&port, 1);
    hall.says("air", 0, "down").await;
    let detail = hall.status("air").detail.unwrap_or_default();
    let expected = "unit 1, function 04 registers 1-2: refused: Illegal data address";
    assert!(detail.eq_ignore_ascii_case(expected), "{detail}");
    server.order("refuse 0").await;
    hall.says("air", 1, "22.5 54.6").await;
    assert_eq!(hall.said("air")[..2], ["down", "up"]);
    hall.close().await;
}

#[tokio::test]
async fn a_unit_that_is_not_there_is_down() {
    let port = free_port();
    let _server = modbus_server(["tcp", &port], 1, &REGISTERS).await;
    let hall = over_tcp(&port, 9);
    hall.says("air", 0, "down").await;
    assert_eq!(hall.said("air"), ["down"]);
    hall.close().await;
}

/// Answers that are wrong in form are never values.
async fn never_read(order: &str, expected_detail: &str) {
    let port = free_port();
    let mut server = modbus_server(["tcp", &port], 1, &REGISTERS).await;
    server.order(order).await;
    let hall = over_tcp(&port, 1);
    hall.says("air", 0, "down").await;
    let status = hall.status("air");
    let detail = status.detail.unwrap_or_default();
    assert!(detail.contains(expected_detail), "{detail}");
    assert!(status.bad_frames >= 3);
    assert_eq!(hall.said("air"), ["down"]);
    hall.close().await;
}

#[tokio::test]
async fn an_answer_of_another_unit_is_not_read() {
    never_read("as 2", "answer is not valid").await;
}

#[tokio::test]
async fn a_short_answer_is_not_read() {
    never_read("short 1", "1 words answered").await;
}

#[tokio::test]
async fn a_server_killed_and_started_again_is_read_again() {
    let port = free_port();
    let server = modbus_server(["tcp", &port], 1, &REGISTERS).await;
    let hall = over_tcp(&port, 1);
    hall.says("air", 0, "22.5 54.6").await;
    server.kill().await;
    hall.says("air", 0, "down").await;
    let before = hall.said("air").len();
    let _server = modbus_server(["tcp", &port], 1, &["1=198", "2=400"]).await;
    hall.says("air", before, "19.8 40").await;
    assert!(hall.status("air").restarts >= 1);
    let health: Vec<_> = hall
        .said("air")
        .into_iter()
        .filter(|said| !said.contains(' '))
        .collect();
    assert_eq!(health, ["up", "down", "up"]);
    numbered_without_repetition(&hall);
    hall.close().await;
}

#[tokio::test]
async fn a_killed_rtu_device_is_read_again() {
    let cable = SerialCable::lay().await;
    let end = cable.end("device");
    let server = modbus_server(["serial", &end], 1, &REGISTERS).await;
    let hall = over_cable(&cable, "xy-md02");
    hall.says("air", 0, "22.5 54.6").await;
    server.kill().await;
    hall.says("air", 0, "down").await;
    let _server = modbus_server(["serial", &end], 1, &["1=198", "2=400"]).await;
    hall.says("air", 0, "19.8 40").await;
    hall.close().await;
}

/// Temperature and humidity of this map are two requests: an answer that comes too late and is
/// taken for the next one shows up as a temperature of 50 degrees or a humidity of 21 percent.
async fn late_answers(lateness: &[&str]) {
    let cable = SerialCable::lay().await;
    let place = ["serial", &cable.end("device")];
    let registers = ["0=2100", "1=0", "2=5000"];
    let mut server = modbus_server(place, 1, &registers).await;
    let hall = over_cable(&cable, "qfa3150");
    hall.says("air", 0, "21 50").await;
    for late in lateness {
        server.order(&format!("late {late}")).await;
        let before = hall.said("air").len();
        hall.until("two more samples", |hall| {
            hall.said("air").len() >= before + 2
        })
        .await;
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    let said = hall.said("air");
    let wrong: Vec<_> = said
        .iter()
        .filter(|said| !["up", "21 50"].contains(&said.as_str()))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?} in {said:?}");
    hall.close().await;
}

#[tokio::test]
async fn a_late_rtu_answer_is_never_taken_for_the_next() {
    late_answers(&["0.25", "0.3", "0.35", "0.45", "0.55", "0.6", "0.7"]).await;
}

#[tokio::test]
async fn a_late_tcp_answer_is_never_taken_for_the_next() {
    let port = free_port();
    let registers = ["0=2100", "1=0", "2=5000"];
    let mut server = modbus_server(["tcp", &port], 1, &registers).await;
    let settings = format!(
        "link = {{ tcp = '127.0.0.1:{port}' }}\nunit = 1\nmap = 'qfa3150'\npoll_s = 0.2\ntimeout_ms = 100"
    );
    let hall = Hall::open(vec![device("air", "modbus", &settings)]);
    hall.says("air", 0, "21 50").await;
    for late in ["0.15", "0.25", "0.35", "0.45"] {
        server.order(&format!("late {late}")).await;
        let before = hall.said("air").len();
        hall.until("two more samples", |hall| {
            hall.said("air").len() >= before + 2
        })
        .await;
    }
    let said = hall.said("air");
    assert!(
        said.iter()
            .all(|said| ["up", "21 50"].contains(&said.as_str())),
        "{said:?}"
    );
    hall.close().await;
}

fn numbered_without_repetition(hall: &Hall) {
    let numbers: Vec<u64> = hall
        .reports()
        .iter()
        .map(|report| report.origin.seq)
        .collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
}
