//! Our climate simulator, read by foreign masters and by our driver.

use std::time::Duration;

use crate::modbus_climate::ClimateSimulator;

use crate::testing::{Hall, device};
use crate::testing::debian;

async fn mbpoll(arguments: &[&str]) -> String {
    let output = debian("mbpoll").args(arguments).output().await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

async fn mbpoll_rtu(path: &str, unit: &str, first: &str, count: &str) -> String {
    let rtu = [
        "-m", "rtu", "-b", "9600", "-P", "none", "-o", "0.5", "-1", "-0",
    ];
    mbpoll(
        &[
            &rtu[..],
            &["-a", unit, "-t", "3", "-r", first, "-c", count, path],
        ]
        .concat(),
    )
    .await
}

fn values(printed: &str) -> Vec<&str> {
    let lines = printed.lines().filter(|line| line.starts_with('['));
    lines
        .filter_map(|line| line.split('\t').nth(1))
        .map(str::trim)
        .collect()
}

#[tokio::test]
async fn mbpoll_reads_our_simulator_over_its_terminal() {
    let simulator = ClimateSimulator::start_pty(7, "xy-md02").unwrap();
    simulator.set(225, 546);
    let printed = mbpoll_rtu(simulator.path(), "7", "1", "2").await;
    assert_eq!(values(&printed), ["225", "546"], "{printed}");
    simulator.set(-205, 431);
    let printed = mbpoll_rtu(simulator.path(), "7", "1", "2").await;
    assert_eq!(values(&printed), ["65331 (-205)", "431"], "{printed}");
    let printed = mbpoll_rtu(simulator.path(), "7", "2", "2").await;
    assert!(printed.contains("Illegal data address"), "{printed}");
    let printed = mbpoll_rtu(simulator.path(), "8", "1", "2").await;
    assert!(printed.contains("timed out"), "{printed}");
}

#[tokio::test]
async fn mbpoll_reads_our_simulator_over_tcp() {
    let simulator = ClimateSimulator::start_tcp(1, "srth").await.unwrap();
    simulator.set(198, 402);
    let port = simulator.path().rsplit(':').next().unwrap();
    let tcp = [
        "-m", "tcp", "-p", port, "-a", "1", "-t", "4", "-0", "-r", "0", "-c", "2", "-1",
    ];
    let printed = mbpoll(&[&tcp[..], &["127.0.0.1"]].concat()).await;
    assert_eq!(values(&printed), ["198", "402"], "{printed}");
}

#[tokio::test]
async fn several_simulators_are_read_each_on_its_own_terminal() {
    let simulators: Vec<_> = ["xy-md02", "srth", "th332", "qfa3150"]
        .iter()
        .zip(0..)
        .map(|(map, at)| {
            let simulator = ClimateSimulator::start_pty(1, map).unwrap();
            simulator.set(200 + at, 500 + at);
            (map, simulator)
        })
        .collect();
    let devices = simulators.iter().map(|(map, simulator)| {
        let settings = format!(
            "link = {{ serial = '{}' }}\nunit = 1\nmap = '{map}'\npoll_s = 0.2\ntimeout_ms = 200",
            simulator.path()
        );
        device(map, "modbus-climate", &settings)
    });
    let hall = Hall::open(devices.collect());
    for (at, (map, _)) in simulators.iter().enumerate() {
        hall.says(map, 0, &format!("20.{at} 50.{at}").replace(".0", ""))
            .await;
    }
    hall.close().await;
}

#[tokio::test]
async fn a_silent_sensor_is_down_and_comes_back() {
    let simulator = ClimateSimulator::start_pty(1, "srth").unwrap();
    let settings = format!(
        "link = {{ serial = '{}' }}\nunit = 1\nmap = 'srth'\npoll_s = 0.2\ntimeout_ms = 50",
        simulator.path()
    );
    let hall = Hall::open(vec![device("air", "modbus-climate", &settings)]);
    hall.says("air", 0, "22.5 45").await;
    simulator.stay_silent(true);
    hall.says("air", 0, "down").await;
    let before = hall.said("air").len();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(
        hall.said("air").len(),
        before,
        "a silent sensor has no values"
    );
    simulator.stay_silent(false);
    hall.says("air", before, "up").await;
    hall.close().await;
}

#[tokio::test]
async fn a_port_is_never_shared() {
    let simulator = ClimateSimulator::start_pty(1, "srth").unwrap();
    let settings = format!(
        "link = {{ serial = '{}' }}\nunit = 1\nmap = 'srth'\npoll_s = 0.2",
        simulator.path()
    );
    let two = ["first", "second"].map(|name| device(name, "modbus-climate", &settings));
    let hall = Hall::open(two.into());
    let down = |hall: &Hall| {
        ["first", "second"]
            .iter()
            .filter(|n| hall.said(n).contains(&"down".into()))
            .count()
    };
    hall.until("one is turned away", |hall| down(hall) == 1)
        .await;
    let details = ["first", "second"].map(|name| hall.status(name).detail);
    let turned_away = details
        .iter()
        .flatten()
        .any(|detail| detail.contains("cannot be opened"));
    assert!(turned_away, "{details:?}");
    hall.close().await;
}
