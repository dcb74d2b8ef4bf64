//! Our climate simulator, read by foreign masters and by our driver.

use std::time::Duration;

use crate::modbus::ModbusSimulator;

use tokio::time::Instant;
use zhiban_vocabulary::command::Command;
use zhiban_vocabulary::report::Observation;

use crate::simulator::Port;
use crate::testing::{Hall, debian, device, id, order};

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
    let simulator = Port::pty(ModbusSimulator::new(7, "xy-md02").unwrap()).unwrap();
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
    let simulator = Port::tcp(ModbusSimulator::new(1, "srth").unwrap()).await.unwrap();
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
            let simulator = Port::pty(ModbusSimulator::new(1, map).unwrap()).unwrap();
            simulator.set(200 + at, 500 + at);
            (map, simulator)
        })
        .collect();
    let devices = simulators.iter().map(|(map, simulator)| {
        let settings = format!(
            "link = {{ serial = '{}' }}\nunit = 1\nmap = '{map}'\npoll_s = 0.2\ntimeout_ms = 200",
            simulator.path()
        );
        device(map, "modbus", &settings)
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
    let simulator = Port::pty(ModbusSimulator::new(1, "srth").unwrap()).unwrap();
    let settings = format!(
        "link = {{ serial = '{}' }}\nunit = 1\nmap = 'srth'\npoll_s = 0.2\ntimeout_ms = 50",
        simulator.path()
    );
    let hall = Hall::open(vec![device("air", "modbus", &settings)]);
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
async fn a_dead_unit_costs_the_others_of_its_line_one_deadline_at_most() {
    const POLL: Duration = Duration::from_millis(200);
    const DEADLINE: Duration = Duration::from_millis(800);
    // Two deadlines in a row are longer than all three.
    const SLACK: Duration = Duration::from_millis(500);
    let simulator = Port::pty(ModbusSimulator::new(1, "srth").unwrap()).unwrap();
    let devices = [("living", 1), ("dead", 2)].map(|(name, unit)| {
        let settings = format!(
            "link = {{ serial = '{}' }}\nunit = {unit}\nmap = 'srth'\npoll_s = {}\ntimeout_ms = {}",
            simulator.path(),
            POLL.as_secs_f32(),
            DEADLINE.as_millis(),
        );
        device(name, "modbus", &settings)
    });
    let hall = Hall::open(devices.into());
    hall.says("living", 0, "up").await;
    let begun = Instant::now();
    let (mut longest, mut samples, mut last) = (Duration::ZERO, 0, begun);
    while !hall.said("dead").contains(&"down".to_owned()) {
        assert!(begun.elapsed() < 30 * DEADLINE, "it is not given up");
        tokio::time::sleep(Duration::from_millis(10)).await;
        let said = hall.said("living").len();
        if said > samples {
            longest = longest.max(last.elapsed());
            (samples, last) = (said, Instant::now());
        }
    }
    assert!(longest >= DEADLINE, "the dead unit was never in its way: {longest:?}");
    assert!(longest < POLL + DEADLINE + SLACK, "{longest:?}");
    let said = hall.said("living");
    assert!(!said.contains(&"down".to_owned()), "{said:?}");
    hall.close().await;
}

#[tokio::test]
async fn a_relay_is_switched_and_a_door_is_reported_when_it_moves() {
    let simulator = Port::tcp(ModbusSimulator::new(1, "io-8di-8do").unwrap()).await.unwrap();
    let settings = format!(
        "link = {{ tcp = '{}' }}\nunit = 1\nmap = 'io-8di-8do'\npoll_s = 0.2",
        simulator.path()
    );
    let hall = Hall::open(vec![device("io", "modbus", &settings)]);
    hall.says("io", 0, "door off").await;
    simulator.set_value("input.door", 1.0);
    hall.says("io", 0, "door on").await;
    for on in [true, false] {
        let (order, outcome) = order(Command::Power { on });
        hall.supervisor.command(&id("io"), order).unwrap();
        assert_eq!(outcome.await, Ok(Ok(())));
        assert_eq!(simulator.is_on(), on);
    }
    assert_eq!(hall.said("io"), ["up", "door off", "door on"], "changes only");
    hall.close().await;
}

#[tokio::test]
async fn mbpoll_switches_and_reads_the_bits_of_our_simulator() {
    let simulator = Port::tcp(ModbusSimulator::new(1, "io-8di-8do").unwrap()).await.unwrap();
    simulator.set_value("input.door", 1.0);
    let port = simulator.path().rsplit(':').next().unwrap();
    let tcp = ["-m", "tcp", "-p", port, "-a", "1", "-0", "-r", "0"];
    let inputs = mbpoll(&[&tcp[..], &["-t", "1", "-c", "1", "-1", "127.0.0.1"]].concat()).await;
    assert_eq!(values(&inputs), ["1"], "{inputs}");
    let written = mbpoll(&[&tcp[..], &["-t", "0", "127.0.0.1", "1"]].concat()).await;
    assert!(written.contains("Written 1 references"), "{written}");
    assert!(simulator.is_on());
}

#[tokio::test]
async fn an_energy_meter_says_its_number_and_its_readings() {
    let simulator = Port::tcp(ModbusSimulator::new(1, "sdm630").unwrap()).await.unwrap();
    simulator.set_value("energy", 1_500.0);
    let settings = format!(
        "link = {{ tcp = '{}' }}\nunit = 1\nmap = 'sdm630'\npoll_s = 0.2",
        simulator.path()
    );
    let hall = Hall::open(vec![device("meter", "modbus", &settings)]);
    hall.says("meter", 0, "1500 Wh").await;
    let serial = hall.reports().into_iter().find_map(|report| match report.observation {
        Observation::Identity(identity) => identity.serial,
        _ => None,
    });
    assert_eq!(serial.as_deref(), Some("4711"));
    hall.close().await;
}
