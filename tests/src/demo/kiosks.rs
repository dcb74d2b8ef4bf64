//! The kiosks of the showroom: three, of which the third is of a model too many and waits for a
//! person's approval (S0-2.5-3a). They say who they are, and take payments over the day.

use std::time::{Duration, Instant};

use tokio::time::sleep;
use zhiban_vocabulary::device::{DeviceIdentity, DeviceKind};
use zhiban_vocabulary::kiosk::{CashBox, KioskHealth, KioskTransaction, Paper, PayMethod};
use zhiban_vocabulary::report::Observation;

use crate::harness::clock::ReplayClock;
use crate::harness::{MqttDevice, NewDevice};

/// Id, name and model.
const KIOSKS: [(&str, &str, &str); 3] = [
    ("kiosk-1", "大厅自助缴费机 1", "ZT-200"),
    ("kiosk-2", "大厅自助缴费机 2", "LK-30"),
    ("kiosk-3", "二楼自助查询机", "HM-9"),
];
/// Between the kiosks' first words, so that they come in order.
const APART: Duration = Duration::from_secs(2);
/// One that is shut out asks this often.
const ASK_AGAIN_EVERY: Duration = Duration::from_secs(10);
/// Hall seconds between two payments at one kiosk.
const PAY_EVERY_S: f64 = 540.0;
/// What is paid, in turn: kind, fen, method.
const PAYMENTS: [(&str, u32, PayMethod); 4] = [
    ("payment", 5_000, PayMethod::Scan),
    ("payment", 12_350, PayMethod::Cash),
    ("bill-query", 0, PayMethod::None),
    ("payment", 8_800, PayMethod::Card),
];

/// To be registered, in this order.
#[must_use]
pub fn devices() -> Vec<NewDevice> {
    let kiosk = |(id, name, _): &(&str, &str, &str)| NewDevice {
        id: id.parse().expect("a device id"),
        kind: DeviceKind::Kiosk,
        name: Some((*name).to_owned()),
        counter: None,
        topics: Vec::new(),
    };
    KIOSKS.iter().map(kiosk).collect()
}

/// Plays them for as long as it is polled.
pub async fn play(address: String, secrets: Vec<String>, clock: ReplayClock) {
    let mut kiosks = Vec::new();
    for (nth, secret) in (0..KIOSKS.len()).zip(&secrets) {
        kiosks.push(Kiosk::start(nth, secret, &address, clock));
        sleep(APART).await;
    }
    let every = Duration::from_secs_f64((PAY_EVERY_S / f64::from(clock.speed)).max(0.5));
    for number in 0.. {
        sleep(every).await;
        for kiosk in &mut kiosks {
            kiosk.go_on(&address, clock);
            kiosk.pay(number, clock);
        }
    }
}

/// One of them, as it was last started.
struct Kiosk {
    nth: usize,
    secret: String,
    starts: u32,
    started: Instant,
    device: MqttDevice,
}

impl Kiosk {
    fn start(nth: usize, secret: &str, address: &str, clock: ReplayClock) -> Self {
        Self {
            nth,
            secret: secret.to_owned(),
            starts: 1,
            started: Instant::now(),
            device: connect(nth, secret, address, clock, 1),
        }
    }

    /// One that was refused asks again: a person may have let it in meanwhile.
    fn go_on(&mut self, address: &str, clock: ReplayClock) {
        while self.device.take_acknowledged().is_some() {}
        if self.device.is_refused() && self.started.elapsed() >= ASK_AGAIN_EVERY {
            self.starts += 1;
            self.started = Instant::now();
            self.device = connect(self.nth, &self.secret, address, clock, self.starts);
        }
    }

    /// A kiosk that cannot get rid of its reports keeps them; it need not be many here.
    fn pay(&mut self, number: usize, clock: ReplayClock) {
        if self.device.has_room() && !self.device.is_refused() {
            let payment = payment(self.device.id.as_str(), number, number + self.nth);
            let payment = Observation::KioskTransaction(payment);
            self.device.report(number, clock.now(), &payment);
        }
    }
}

/// Starts a kiosk, which first says who it is.
fn connect(nth: usize, secret: &str, address: &str, clock: ReplayClock, start: u32) -> MqttDevice {
    let (id, _, model) = KIOSKS[nth];
    let device = id.parse().expect("a device id");
    let boot = format!("demo-{start}").parse().expect("a boot id");
    let kiosk = MqttDevice::connect(&device, secret, address, boot);
    for (token, observation) in introduction(id, model).iter().enumerate() {
        kiosk.report(token, clock.now(), observation);
    }
    kiosk
}

fn introduction(id: &str, model: &str) -> Vec<Observation> {
    let identity = DeviceIdentity {
        vendor: Some("示范".into()),
        model: Some(model.into()),
        serial: Some(format!("SN-{id}")),
        firmware: Some("1.0.3".into()),
        ..DeviceIdentity::default()
    };
    let health = KioskHealth {
        in_service: true,
        paper: Some(if id == "kiosk-2" {
            Paper::Low
        } else {
            Paper::Ok
        }),
        cash_box: Some(CashBox::Ok),
        faults: Vec::new(),
    };
    vec![
        Observation::Identity(identity),
        Observation::KioskHealth(health),
    ]
}

fn payment(id: &str, number: usize, nth: usize) -> KioskTransaction {
    let (kind, amount_fen, method) = PAYMENTS[nth % PAYMENTS.len()];
    KioskTransaction {
        id: format!("{id}-{number}"),
        kind: kind.into(),
        amount_fen,
        method,
        succeeded: nth % 17 != 16,
        number_hash: None,
    }
}
