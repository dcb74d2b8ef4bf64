//! One device of each family that can be simulated, in the first hall: a terminal whose printer is
//! jammed, a receipt printer without paper, boards, meters, a door; and three kiosks, of which
//! the third is of a model too many and waits for a person's approval (S0-2.5-3a).

use std::io;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use zhiban_drivers::alpha::SignSimulator;
use zhiban_drivers::escpos::PrinterSimulator;
use zhiban_drivers::escpos::frame::Condition;
use zhiban_drivers::modbus::ModbusSimulator;
use zhiban_drivers::onbon_bx6::CardSimulator;
use zhiban_drivers::onbon_k::BoardSimulator;
use zhiban_drivers::simulator::Port;
use zhiban_drivers::window_screen::FamilySimulator;
use zhiban_drivers::window_screen::family::Zhongyi;
use zhiban_drivers::xfs4iot::{Placement, TerminalSimulator};
use zhiban_vocabulary::device::{DeviceIdentity, DeviceKind};
use zhiban_vocabulary::kiosk::{KioskHealth, KioskTransaction, Paper, PayMethod};
use zhiban_vocabulary::report::Observation;

use crate::harness::{MqttDevice, NewDevice, free_port};

/// Names of the kiosks and their models.
const KIOSKS: [(&str, &str); 3] = [
    ("kiosk-1", "ZT-200"),
    ("kiosk-2", "ZT-200"),
    ("kiosk-3", "HM-9"),
];
/// Between the kiosks' first words, so that they come in order.
const APART: Duration = Duration::from_secs(2);

/// The devices of the showroom. They are gone when dropped.
#[derive(Debug)]
pub struct Showroom {
    printer: Port<PrinterSimulator>,
    terminal: Port<TerminalSimulator>,
    font_card: Port<BoardSimulator>,
    graphic_card: Port<CardSimulator>,
    sign: Port<SignSimulator>,
    summary: Port<FamilySimulator<Zhongyi>>,
    meter: Port<ModbusSimulator>,
    door: Port<ModbusSimulator>,
    contacts: Port<ModbusSimulator>,
    texts_port: u16,
}

impl Showroom {
    /// # Errors
    /// When there are no ports or pseudo terminals left.
    pub async fn start() -> io::Result<Self> {
        let showroom = Self {
            printer: Port::tcp(PrinterSimulator::default()).await?,
            terminal: TerminalSimulator::start(Placement::Header).await?,
            font_card: Port::tcp(BoardSimulator::new(1)).await?,
            graphic_card: Port::tcp(CardSimulator::new(1)).await?,
            sign: Port::pty(SignSimulator::new(*b"00"))?,
            summary: Port::pty(FamilySimulator::new(1))?,
            meter: Port::tcp(ModbusSimulator::new(1, "sdm630")?).await?,
            door: Port::tcp(ModbusSimulator::new(1, "adam-6050")?).await?,
            contacts: Port::tcp(ModbusSimulator::new(1, "io-8di-8do")?).await?,
            texts_port: free_port()?,
        };
        showroom.printer.set(Condition {
            paper_end: true,
            near_end: true,
            offline: true,
            ..Condition::default()
        });
        showroom.terminal.set_paper(Paper::Jammed);
        showroom.meter.set_value("energy", 1_234_500.0);
        showroom.meter.set_value("power", 3_200.0);
        showroom.door.set_value("entered", 842.0);
        showroom.door.set_value("left", 815.0);
        Ok(showroom)
    }

    /// `[[device]]` of the gateway's configuration.
    #[must_use]
    pub fn config(&self) -> Vec<Value> {
        let tcp = |path: &str| json!({ "tcp": path });
        let serial = |path: &str| json!({ "serial": path });
        let device = |id: &str, name: &str, driver: &str, settings: Value| json!({ "id": id, "name": name, "driver": driver, "settings": settings });
        let modbus = |simulator: &Port<ModbusSimulator>, map: &str| json!({ "link": tcp(simulator.path()), "unit": 1, "map": map, "poll_s": 10 });
        let texts = format!("127.0.0.1:{}", self.texts_port);
        vec![
            device(
                "printer-1",
                "取号小票打印机",
                "escpos",
                json!({ "link": tcp(self.printer.path()) }),
            ),
            device(
                "terminal-1",
                "自助终端（XFS4IoT）",
                "xfs4iot",
                json!({ "url": self.terminal.url() }),
            ),
            device(
                "board-1",
                "大厅 LED 屏",
                "onbon-k",
                json!({ "link": tcp(self.font_card.path()), "card": "6k", "width": 192, "height": 32 }),
            ),
            device(
                "board-2",
                "门头 LED 屏",
                "onbon-bx6",
                json!({ "link": tcp(self.graphic_card.path()) }),
            ),
            device(
                "sign-1",
                "Alpha sign",
                "alpha-sign",
                json!({ "link": serial(self.sign.path()) }),
            ),
            device(
                "summary-1",
                "综合屏",
                "window-screen",
                json!({ "family": "zhongyi", "link": serial(self.summary.path()), "address": 1 }),
            ),
            device("meter-1", "总电表", "modbus", modbus(&self.meter, "sdm630")),
            device(
                "people-1",
                "门口客流计数",
                "modbus",
                modbus(&self.door, "adam-6050"),
            ),
            device(
                "io-1",
                "门磁与排风",
                "modbus",
                modbus(&self.contacts, "io-8di-8do"),
            ),
            device(
                "texts-1",
                "旧排队机文本接口",
                "legacy-text",
                json!({ "listen": texts }),
            ),
        ]
    }

    /// To be registered beside the devices of the plan, in this order behind them.
    #[must_use]
    pub fn kiosks() -> Vec<NewDevice> {
        let kiosk = |(id, _): &(&str, &str)| NewDevice {
            id: id.parse().expect("a device id"),
            kind: DeviceKind::Kiosk,
            name: Some(format!("自助终端 {id}")),
            counter: None,
        };
        KIOSKS.iter().map(kiosk).collect()
    }
}

/// Lets the kiosks say who they are and how they do, one after another. They stay connected as
/// long as what it gives is kept.
pub async fn play_kiosks(address: String, secrets: Vec<String>, at: Timestamp) -> Vec<MqttDevice> {
    let mut connected = Vec::new();
    for ((id, model), secret) in KIOSKS.iter().zip(secrets) {
        let (Ok(id), Ok(boot)) = (id.parse(), "demo-1".parse()) else {
            continue;
        };
        let device = MqttDevice::connect(&id, &secret, &address, boot);
        for (token, observation) in words(id.as_str(), model).iter().enumerate() {
            device.report(token, at, observation);
        }
        connected.push(device);
        tokio::time::sleep(APART).await;
    }
    connected
}

fn words(id: &str, model: &str) -> Vec<Observation> {
    let identity = DeviceIdentity {
        vendor: Some("示范".into()),
        model: Some(model.into()),
        serial: Some(format!("SN-{id}")),
        firmware: Some("1.0.3".into()),
        ..DeviceIdentity::default()
    };
    let health = KioskHealth {
        in_service: true,
        paper: Some(Paper::Low),
        cash_box: None,
        faults: Vec::new(),
    };
    let payment = KioskTransaction {
        id: format!("{id}-1"),
        kind: "payment".into(),
        amount_fen: 5_000,
        method: PayMethod::Scan,
        succeeded: true,
        number_hash: None,
    };
    vec![
        Observation::Identity(identity),
        Observation::KioskHealth(health),
        Observation::KioskTransaction(payment),
    ]
}
