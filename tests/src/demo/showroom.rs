//! The first hall is a showroom, too: devices of every family that can be simulated, each on its own
//! pseudo terminal or port. A terminal whose printer is jammed, a ticket printer without paper, UPS,
//! boards, meters, a door; kiosks, foreign forms, and the queue systems, callers and pads that play
//! the parts [`super::cast`] gave them.
//!
//! Left out: pads that are USB keyboards (`hid-pad`), which need `/dev/uinput`.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use tokio::time::sleep;
use zhiban_drivers::alpha::SignSimulator;
use zhiban_drivers::escpos::PrinterSimulator;
use zhiban_drivers::escpos::frame::Condition;
use zhiban_drivers::ff68::CallersSimulator;
use zhiban_drivers::fqm::FqmSimulator;
use zhiban_drivers::http_pad::PadSimulator;
use zhiban_drivers::modbus::ModbusSimulator;
use zhiban_drivers::novosga::NovoSgaSimulator;
use zhiban_drivers::nut::NutSimulator;
use zhiban_drivers::onbon_bx6::CardSimulator;
use zhiban_drivers::onbon_k::BoardSimulator;
use zhiban_drivers::qmatic::OrchestraSimulator;
use zhiban_drivers::simulator::{Clock, Port};
use zhiban_drivers::snmp_printer::OfficePrinterSimulator;
use zhiban_drivers::snmp_ups::CardUpsSimulator;
use zhiban_drivers::window_screen::FamilySimulator;
use zhiban_drivers::window_screen::family::Zhongyi;
use zhiban_drivers::xfs4iot::{Placement, TerminalSimulator};
use zhiban_vocabulary::CounterId;
use zhiban_vocabulary::kiosk::Paper;

use super::cast;
use super::host;
use super::life::Moment;
use super::prepare::ZONE;
use super::voices::Stage;
use crate::harness::account::random_password;
use crate::harness::clock::ReplayClock;
use crate::harness::free_port;
use crate::replay::HallPlan;
use crate::replay::plan::{Door, PlannedDevice};

/// Real seconds between two looks at what the day brings, at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const SHORTEST_LOOK: Duration = Duration::from_millis(100);
/// The only branch of the Orchestra.
const BRANCH: u64 = 1;

/// The devices of the showroom. They are gone when dropped.
#[derive(Debug)]
pub struct Showroom {
    printer: Port<PrinterSimulator>,
    office_printer: Port<OfficePrinterSimulator>,
    terminal: Port<TerminalSimulator>,
    font_card: Port<BoardSimulator>,
    graphic_card: Port<CardSimulator>,
    sign: Port<SignSimulator>,
    summary: Port<FamilySimulator<Zhongyi>>,
    meter: Port<ModbusSimulator>,
    door: Port<ModbusSimulator>,
    contacts: Port<ModbusSimulator>,
    card_ups: Port<CardUpsSimulator>,
    nut: Port<NutSimulator>,
    callers: Arc<Port<CallersSimulator>>,
    sga: Arc<Port<NovoSgaSimulator>>,
    fqm: Arc<Port<FqmSimulator>>,
    texts_port: u16,
    /// Community, token and hook key alike.
    secret: String,
    /// Known when all programs are about to start.
    clock: Arc<OnceLock<ReplayClock>>,
}

impl Showroom {
    /// # Errors
    /// When there are no ports or pseudo terminals left.
    pub async fn start(plan: &HallPlan) -> io::Result<Self> {
        let secret = random_password();
        let clock = Arc::new(OnceLock::new());
        let service = queue_of(plan, Door::NovoSga);
        let sga = NovoSgaSimulator::new(shown(&clock), zone(), &service);
        let fqm = FqmSimulator::new(shown(&clock), &secret, &[&queue_of(plan, Door::Fqm)]);
        let showroom = Self {
            printer: Port::tcp(PrinterSimulator::default()).await?,
            office_printer: OfficePrinterSimulator::start(&secret).await?,
            terminal: TerminalSimulator::start(Placement::Header).await?,
            font_card: Port::tcp(BoardSimulator::new(1)).await?,
            graphic_card: Port::tcp(CardSimulator::new(1)).await?,
            sign: Port::pty(SignSimulator::new(*b"00"))?,
            summary: Port::pty(FamilySimulator::new(1))?,
            meter: Port::tcp(ModbusSimulator::new(1, "sdm630")?).await?,
            door: Port::tcp(ModbusSimulator::new(1, "adam-6050")?).await?,
            contacts: Port::tcp(ModbusSimulator::new(1, "io-8di-8do")?).await?,
            card_ups: CardUpsSimulator::start(&secret).await?,
            nut: Port::tcp(NutSimulator::new("queue")).await?,
            callers: Arc::new(Port::pty(CallersSimulator::default())?),
            sga: Arc::new(Port::tcp(sga).await?),
            fqm: Arc::new(Port::tcp(fqm).await?),
            texts_port: free_port()?,
            secret,
            clock,
        };
        showroom.printer.set(Condition {
            paper_end: true,
            near_end: true,
            offline: true,
            ..Condition::default()
        });
        showroom.terminal.set_paper(Paper::Jammed);
        Ok(showroom)
    }

    /// The clock of the programs, from now on.
    pub fn set_clock(&self, clock: ReplayClock) {
        let _ = self.clock.set(clock);
    }

    /// Where the text service listens.
    #[must_use]
    pub fn texts_port(&self) -> u16 {
        self.texts_port
    }

    /// Lets the day pass for as long as it is polled.
    pub async fn live(&self) {
        let Some(clock) = self.clock.get() else {
            return;
        };
        let every = (Duration::from_secs(60) / clock.speed).clamp(SHORTEST_LOOK, LOOK_EVERY);
        loop {
            let now = clock.now().to_zoned(zone());
            let minute = i32::from(now.hour()) * 60 + i32::from(now.minute());
            self.be(&Moment::at(u32::try_from(minute).unwrap_or(0)));
            sleep(every).await;
        }
    }

    fn be(&self, moment: &Moment) {
        self.office_printer.set(moment.printer);
        self.card_ups.set(&moment.ups[0]);
        self.nut.set(&moment.ups[1]);
        self.meter.set_value("energy", moment.energy);
        self.meter.set_value("power", moment.power);
        self.door.set_value("entered", moment.entered);
        self.door.set_value("left", moment.left);
        self.contacts
            .set_value("input.door", f64::from(u8::from(moment.back_door_open)));
    }

    /// `[[device]]` of the gateway's configuration. `speed` is that of the replay: who polls does so
    /// in hall time, as far as drivers let it.
    #[must_use]
    pub fn config(&self, plan: &HallPlan, speed: u32) -> Vec<Value> {
        let mut devices = self.equipment(poll_s(20.0, speed), poll_s(30.0, speed));
        let parts = plan
            .devices
            .iter()
            .filter_map(|device| self.part(plan, device));
        devices.extend(parts);
        devices
    }

    fn equipment(&self, modbus_s: f64, power_s: f64) -> Vec<Value> {
        let tcp = |path: &str| json!({ "tcp": path });
        let serial = |path: &str| json!({ "serial": path });
        let modbus = |port: &Port<ModbusSimulator>, map: &str| json!({ "link": tcp(port.path()), "unit": 1, "map": map, "poll_s": modbus_s });
        let snmp =
            |peer: &str| json!({ "peer": peer, "community": self.secret, "poll_s": power_s });
        let wide = json!({
            "link": tcp(self.font_card.path()), "card": "6k", "width": 192, "height": 32,
        });
        let summary = json!({
            "family": "zhongyi", "link": serial(self.summary.path()), "address": 1,
        });
        let nut = json!({ "peer": self.nut.path(), "ups": "queue", "poll_s": power_s });
        let texts = json!({
            "listen": format!("127.0.0.1:{}", self.texts_port),
            "screens": { host::BOARD.to_string(): "board" },
        });
        [
            ("printer-1", "取号机小票打印机", "escpos", json!({ "link": tcp(self.printer.path()) })),
            ("printer-2", "值班经理室打印机", "snmp-printer", snmp(self.office_printer.path())),
            ("terminal-1", "大厅自助终端", "xfs4iot", json!({ "url": self.terminal.url() })),
            ("board-1", "大厅公告屏", "onbon-k", wide),
            ("board-2", "门头屏", "onbon-bx6", json!({ "link": tcp(self.graphic_card.path()) })),
            ("sign-1", "等候区英文屏", "alpha-sign", json!({ "link": serial(self.sign.path()) })),
            ("summary-1", "等候区综合叫号屏", "window-screen", summary),
            ("meter-1", "配电间总电表", "modbus", modbus(&self.meter, "sdm630")),
            ("people-1", "南门客流计数器", "modbus", modbus(&self.door, "adam-6050")),
            ("io-1", "后门门磁与排风扇", "modbus", modbus(&self.contacts, "io-8di-8do")),
            ("ups-1", "机柜不间断电源", "snmp-ups", snmp(self.card_ups.path())),
            ("ups-2", "取号机不间断电源", "nut", nut),
            ("texts-1", "旧排队主机接口", "legacy-text", texts),
        ]
        .map(|(id, name, driver, settings)| {
            json!({ "id": id, "name": name, "driver": driver, "settings": settings })
        })
        .to_vec()
    }

    /// A device that has a part in the recorded days, where it is a wired one.
    fn part(&self, plan: &HallPlan, device: &PlannedDevice) -> Option<Value> {
        let queue = queue_of(plan, device.door);
        let (driver, settings) = match device.door {
            Door::Mqtt => return None,
            Door::Callers => {
                let mut settings = CallersSimulator::table();
                settings["link"] = json!({ "serial": self.callers.path() });
                let counters = addresses(plan).into_iter();
                let counters =
                    counters.map(|(counter, address)| (address.to_string(), json!(counter)));
                settings["counters"] = Value::Object(counters.collect());
                // A replay in a hurry has a day's presses in a minute; none is the same twice running.
                settings["repeat_ms"] = json!(0);
                ("ff68", settings)
            }
            Door::Pad => (
                "http-pad",
                json!({ "best": 1, "repeat_s": 0, "hook_key": self.secret }),
            ),
            Door::Orchestra => (
                "qmatic",
                json!({ "branch": BRANCH, "hook_key": self.secret }),
            ),
            Door::NovoSga => {
                let url = format!("http://{}", self.sga.path());
                let hub = format!("{url}/.well-known/mercure");
                let settings = json!({
                    "url": url, "mercure": hub, "unit": 1, "client_id": "hall",
                    "client_secret": self.secret, "username": "hall", "password": self.secret,
                    "time_zone": ZONE, "queues": { "1": queue },
                });
                ("novosga", settings)
            }
            Door::Fqm => {
                let url = format!("http://{}", self.fqm.path());
                let settings = json!({
                    "url": url, "token": self.secret, "time_zone": ZONE, "poll_s": 0.5,
                    "queues": { "1": queue },
                });
                ("fqm", settings)
            }
        };
        let mut part = json!({
            "id": device.id, "name": device.name, "driver": driver, "settings": settings,
        });
        if let Some(counter) = &device.counter {
            part["counter"] = json!(counter);
        }
        Some(part)
    }

    /// Where a planned device speaks. `url` is the gateway's.
    ///
    /// # Errors
    /// When that is no address.
    pub fn stage(
        &self,
        plan: &HallPlan,
        device: &PlannedDevice,
        url: &str,
    ) -> anyhow::Result<Option<Stage>> {
        let hook = format!("{url}/hooks/{}/{}", device.id, self.secret);
        Ok(match device.door {
            Door::Mqtt => None,
            Door::Callers => Some(Stage::Callers(Arc::clone(&self.callers), addresses(plan))),
            Door::Pad => Some(Stage::Pad(PadSimulator::new(&hook)?)),
            Door::Orchestra => Some(Stage::Orchestra(OrchestraSimulator::new(&hook, BRANCH)?)),
            Door::NovoSga => Some(Stage::NovoSga(Arc::clone(&self.sga))),
            Door::Fqm => Some(Stage::Fqm(Arc::clone(&self.fqm))),
        })
    }
}

/// What a driver that polls every so many hall seconds is told.
fn poll_s(hall_s: f64, speed: u32) -> f64 {
    (hall_s / f64::from(speed)).clamp(0.5, 30.0)
}

fn zone() -> TimeZone {
    TimeZone::get(ZONE).unwrap_or(TimeZone::UTC)
}

/// The clock a simulated program shows; what it shows before there is one nobody sees.
fn shown(clock: &Arc<OnceLock<ReplayClock>>) -> Clock {
    let clock = Arc::clone(clock);
    Box::new(move || clock.get().map_or(Timestamp::UNIX_EPOCH, ReplayClock::now))
}

/// The queue a door runs, by what its devices have to say; empty when it runs none.
fn queue_of(plan: &HallPlan, door: Door) -> String {
    let queue = cast::queue_of(plan, door);
    queue.map(|queue| queue.to_string()).unwrap_or_default()
}

/// Addresses of the callers on the line, from 1, by their counters.
fn addresses(plan: &HallPlan) -> HashMap<CounterId, u8> {
    cast::counters_of(plan, Door::Callers)
        .into_iter()
        .zip(1..)
        .collect()
}
