//! `zhiban-gateway check-device`: plays a hall for one device of a vendor and says how far the
//! device keeps the contract. The door, the journal and the commands are those of a real hall, in
//! a folder of their own that is gone afterwards.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rusqlite::Connection;
use tokio_util::sync::CancellationToken;
use zhiban_config::gateway::{Mqtt, MqttTls, Registry};
use zhiban_drivers::deliveries;
use zhiban_drivers::supervise::Supervisor;
use zhiban_kernel::authority::Authority;
use zhiban_kernel::{Clock, Store};
use zhiban_vocabulary::DeviceId;
use zhiban_vocabulary::command::{Command, CommandStatus, Display};
use zhiban_vocabulary::device::HealthStatus;
use zhiban_vocabulary::report::{self, Kind, Observation};

use crate::appliance::AUTHORITY;
use crate::broker::Door;
use crate::commands::{self, CommandsFollower, Dispatcher, Wake};
use crate::devices::{Devices, DevicesFollower};
use crate::joining::{self, Joining};
use crate::journal::{self, Journal, RawReport, follow};

mod numbers;

use numbers::Numbered;

/// How long the hall listens after the device has connected before it asks for anything.
const SETTLE: Duration = Duration::from_secs(3);
/// Reports read at once.
const PAGE: u32 = 500;
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What is checked, with its verdict.
#[derive(Debug, Default)]
pub struct Findings(Vec<Finding>);

#[derive(Debug)]
struct Finding {
    what: &'static str,
    verdict: Verdict,
    detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Kept,
    Broken,
    /// Not part of the contract's core, or nothing was sent that would show it.
    Unseen,
}

impl Findings {
    fn note(&mut self, what: &'static str, verdict: Verdict, detail: impl Into<String>) {
        let detail = detail.into();
        self.0.push(Finding {
            what,
            verdict,
            detail,
        });
    }

    fn judge(&mut self, what: &'static str, kept: bool, detail: impl Into<String>) {
        let verdict = if kept { Verdict::Kept } else { Verdict::Broken };
        self.note(what, verdict, detail);
    }

    /// Whether nothing was broken.
    #[must_use]
    pub fn conforms(&self) -> bool {
        self.0
            .iter()
            .all(|finding| finding.verdict != Verdict::Broken)
    }

    /// The report for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for finding in &self.0 {
            let mark = match finding.verdict {
                Verdict::Kept => "kept  ",
                Verdict::Broken => "BROKEN",
                Verdict::Unseen => "unseen",
            };
            let _ = write!(text, "{mark}  {}", finding.what);
            if !finding.detail.is_empty() {
                let _ = write!(text, ": {}", finding.detail);
            }
            text.push('\n');
        }
        let broken = |finding: &&Finding| finding.verdict == Verdict::Broken;
        let count = self.0.iter().filter(broken).count();
        let _ = match count {
            0 => writeln!(text, "\nThe device keeps the contract."),
            count => writeln!(text, "\n{count} of {} points are broken.", self.0.len()),
        };
        text
    }
}

/// How the hall is played.
#[derive(Debug, Clone)]
pub struct Play {
    pub listen: SocketAddr,
    /// The encrypted door, if there is to be one.
    pub tls: Option<SocketAddr>,
    /// How long a person may take to start the device.
    pub wait: Duration,
    /// How long the device may take for each step.
    pub step: Duration,
}

/// A hall in small, for one device.
struct Hall {
    step: Duration,
    store: Store,
    clock: Clock,
    devices: Devices,
    /// All numbered reports, in the order they came.
    numbered: Arc<Mutex<Vec<Numbered>>>,
    joining: Joining,
    wake: Wake,
    mqtt: SocketAddr,
    mqtts: Option<SocketAddr>,
    stop: CancellationToken,
}

/// Waits for a device, puts it through its paces and reports. Needs an empty `folder`.
///
/// # Errors
/// When an address cannot be used, or no device comes.
pub async fn run(folder: &Path, play: &Play) -> Result<Findings> {
    let hall = Hall::open(folder, play).await?;
    let stop = hall.stop.clone().drop_guard();
    let key = hall.joining.open_window();
    println!("MQTT {}  user {}  password {key}", hall.mqtt, joining::USER);
    if let Some(mqtts) = hall.mqtts {
        let file = folder.join("trust.pem");
        std::fs::write(&file, hall.joining.authority().pem())?;
        println!("MQTT within TLS {mqtts}  trust {}", file.display());
    }
    println!("waiting for the device …");
    let Some(device) = hall.let_one_in(play.wait).await? else {
        anyhow::bail!("no device asked to join within {} s", play.wait.as_secs());
    };
    let findings = hall.examine(&device).await;
    drop(stop);
    findings
}

impl Hall {
    async fn examine(&self, device: &DeviceId) -> Result<Findings> {
        let mut findings = Findings::default();
        let connected = self.until(|| self.devices.connections() > 0).await;
        findings.judge("signs in with its own credential", connected, "");
        tokio::time::sleep(SETTLE).await;
        self.check_command(device, &mut findings).await?;
        self.check_return(device, &mut findings).await?;
        let step = self.step.as_secs();
        println!(
            "listening for {step} s more; a device that is started anew now is judged by it …"
        );
        tokio::time::sleep(self.step).await;
        self.check_reports(device, &mut findings).await?;
        Ok(findings)
    }

    async fn open(folder: &Path, play: &Play) -> Result<Self> {
        let store = Store::open(&folder.join("hall.db"), journal::migrate)?;
        let (clock, stop) = (Clock::new(None), CancellationToken::new());
        let journal = Journal::open(store.clone(), clock).await?;
        let devices = Devices::open(store.clone(), clock, Registry::default()).await?;
        let numbered = overhear(&journal, &devices);
        let authority = Authority::open(&folder.join(AUTHORITY), "check-device")?;
        let joining = Joining::new(store.clone(), clock, devices.clone(), Arc::new(authority));
        let tls = play.tls.map(|listen| MqttTls {
            listen,
            names: Vec::new(),
        });
        let mqtt = Mqtt {
            listen: play.listen,
            allow_plaintext: true,
            tls,
            ..Mqtt::default()
        };
        let door = Door::open(
            mqtt,
            journal.clone(),
            devices.clone(),
            joining.clone(),
            store.clone(),
            clock,
        );
        let door = door
            .await
            .with_context(|| format!("{} cannot be used", play.listen))?;
        let (mqtt, mqtts) = (door.local_addr()?, door.tls_addr());
        let (broker, wake) = (door.broker(), Wake::default());
        let (delivered, _) = deliveries();
        let boot = "check".parse().context("a boot id")?;
        let drivers = Supervisor::start(Vec::new(), delivered, boot, stop.clone());
        let dispatcher = Dispatcher::new(journal.clone(), drivers, broker, wake.clone());
        let registry = DevicesFollower::new(devices.clone(), Registry::default());
        let commands = CommandsFollower::new(wake.clone());
        tokio::spawn(door.run(stop.clone()));
        tokio::spawn(dispatcher.run(stop.clone()));
        tokio::spawn(follow(journal.clone(), registry, stop.clone()));
        tokio::spawn(follow(journal, commands, stop.clone()));
        Ok(Self {
            store,
            clock,
            devices,
            numbered,
            joining,
            wake,
            mqtt,
            mqtts,
            step: play.step,
            stop,
        })
    }

    async fn until(&self, holds: impl Fn() -> bool) -> bool {
        let end = Instant::now() + self.step;
        while Instant::now() < end {
            if holds() {
                return true;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        holds()
    }

    /// The first device that asks is let in at once.
    async fn let_one_in(&self, patience: Duration) -> Result<Option<DeviceId>> {
        let end = Instant::now() + patience;
        while Instant::now() < end {
            if let Some(admitted) = self.joining.admit_first().await? {
                println!(
                    "serial {} asks to join; it must show the code {}",
                    admitted.serial, admitted.code
                );
                return Ok(Some(admitted.device));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(None)
    }

    async fn reports(&self, device: &DeviceId) -> Result<Vec<RawReport>> {
        let id = device.to_string();
        let read = move |connection: &Connection| {
            let (mut reports, mut before) = (Vec::new(), i64::MAX);
            loop {
                let page = journal::reports_of_device(connection, &id, before, PAGE)?;
                let Some(last) = page.last() else {
                    return Ok(reports);
                };
                before = last.id;
                reports.extend(page);
            }
        };
        let mut reports = self.store.read(read).await?;
        reports.reverse();
        Ok(reports)
    }

    async fn check_command(&self, device: &DeviceId, findings: &mut Findings) -> Result<()> {
        let text = Display::Text {
            text: "测试 test".into(),
            speak: false,
        };
        for (what, command) in [
            ("answers a display command", Command::Display(text)),
            ("answers a restart command", Command::Restart {}),
        ] {
            println!("sending: {command}");
            let id = self.ask(device, command).await?;
            let said = self.answer_to(device, id).await?;
            let ended = matches!(
                said.last(),
                Some(CommandStatus::Successful | CommandStatus::Failed)
            );
            let words: Vec<&str> = said.iter().map(|status| status.as_str()).collect();
            let detail = match words.is_empty() {
                true => format!("nothing within {} s", self.step.as_secs()),
                false => words.join(", "),
            };
            findings.judge(what, ended, detail);
        }
        Ok(())
    }

    async fn ask(&self, device: &DeviceId, command: Command) -> Result<i64> {
        let (device, clock) = (device.clone(), self.clock);
        let write = move |connection: &Connection| {
            Ok(commands::ask(
                connection,
                &device,
                &command,
                commands::HALL,
                clock,
            )?)
        };
        let id = self.store.write(write).await?;
        self.wake.wake();
        Ok(id)
    }

    /// What the device said about a command, in order, until it ended or the time is over.
    async fn answer_to(&self, device: &DeviceId, id: i64) -> Result<Vec<CommandStatus>> {
        let end = Instant::now() + self.step;
        loop {
            let reports = self.reports(device).await?;
            let said: Vec<CommandStatus> = reports
                .iter()
                .filter_map(|report| match observed(report) {
                    Some(Observation::Command(state)) if state.command == id.to_string() => {
                        Some(state.status)
                    }
                    _ => None,
                })
                .collect();
            let ended = |status: &CommandStatus| {
                matches!(status, CommandStatus::Successful | CommandStatus::Failed)
            };
            if said.iter().any(ended) || Instant::now() > end {
                return Ok(said);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Cuts the connection: the will must speak, and the device must come back by itself.
    async fn check_return(&self, device: &DeviceId, findings: &mut Findings) -> Result<()> {
        println!("cutting the connection");
        let before = self.reports(device).await?.len();
        self.devices.cut(device);
        let gone = self.until(|| self.devices.connections() == 0).await;
        let back = self.until(|| self.devices.connections() > 0).await;
        findings.judge(
            "comes back by itself after its connection is cut",
            gone && back,
            "",
        );
        tokio::time::sleep(Duration::from_secs(2)).await;
        let after = self.reports(device).await?.split_off(before);
        let health: Vec<HealthStatus> = after
            .iter()
            .filter_map(|report| match observed(report) {
                Some(Observation::Health(health)) => Some(health.status),
                _ => None,
            })
            .collect();
        let down = health.contains(&HealthStatus::Down);
        findings.judge("leaves a will that says it is down", down, "");
        let up = health.last() == Some(&HealthStatus::Up);
        findings.judge("says that it is up when it connects", up, "");
        Ok(())
    }

    async fn check_reports(&self, device: &DeviceId, findings: &mut Findings) -> Result<()> {
        let reports = self.reports(device).await?;
        check_identity(&reports, findings);
        check_stamps(&reports, findings);
        numbers::check(&lock(&self.numbered), findings);
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        for report in &reports {
            *kinds.entry(&report.kind).or_default() += 1;
        }
        let words: Vec<String> = kinds
            .iter()
            .map(|(kind, count)| format!("{kind} {count}"))
            .collect();
        findings.note("reports taken", Verdict::Kept, words.join(", "));
        let id = device.to_string();
        let read = move |connection: &Connection| Ok(journal::last_letters(connection, &id)?);
        let letters = self.store.read(read).await?;
        let first = letters.first().cloned().unwrap_or_default();
        let detail = match letters.len() {
            0 => String::new(),
            count => format!("{count} were not understood, such as {first}"),
        };
        findings.judge("every message is understood", letters.is_empty(), detail);
        Ok(())
    }
}

/// Notes every numbered report with the connection it came by.
fn overhear(journal: &Journal, devices: &Devices) -> Arc<Mutex<Vec<Numbered>>> {
    let numbered: Arc<Mutex<Vec<Numbered>>> = Arc::default();
    let (kept, devices) = (Arc::clone(&numbered), devices.clone());
    journal.overhear(move |heard| {
        let connection = devices.connection_of(&heard.device);
        lock(&kept).push((heard, connection));
    });
    numbered
}

fn lock(numbered: &Mutex<Vec<Numbered>>) -> MutexGuard<'_, Vec<Numbered>> {
    numbered.lock().unwrap_or_else(PoisonError::into_inner)
}

fn observed(report: &RawReport) -> Option<Observation> {
    let parsed = report::parse(&report.kind, &report.payload).ok()?;
    Some(parsed.observation)
}

fn check_identity(reports: &[RawReport], findings: &mut Findings) {
    let identity = reports.iter().find_map(|report| match observed(report) {
        Some(Observation::Identity(identity)) => Some(identity),
        _ => None,
    });
    let serial = identity.as_ref().and_then(|who| who.serial.clone());
    let detail = serial.clone().unwrap_or_else(|| "no serial number".into());
    findings.judge(
        "registers itself with its serial number",
        serial.is_some(),
        detail,
    );
}

/// Time and number of every report but the will, which the hall keeps as it was made.
fn check_stamps(reports: &[RawReport], findings: &mut Findings) {
    let own: Vec<&RawReport> = reports
        .iter()
        .filter(|report| {
            let is_will = matches!(observed(report), Some(Observation::Health(health))
                if health.status == HealthStatus::Down);
            // Answers to commands are the commands themselves, with another status.
            !is_will && Kind::from_text(&report.kind) != Some(Kind::CommandState)
        })
        .collect();
    if own.is_empty() {
        findings.note(
            "time and seq in every report",
            Verdict::Unseen,
            "no report came",
        );
        return;
    }
    let untimed = own.iter().filter(|report| {
        let parsed = report::parse(&report.kind, &report.payload);
        parsed.is_ok_and(|parsed| parsed.time.is_none())
    });
    let untimed = untimed.count();
    let detail = format!("{untimed} of {} have none", own.len());
    findings.judge(
        "time in every report",
        untimed == 0,
        if untimed == 0 { String::new() } else { detail },
    );
    let wrong = own
        .iter()
        .filter(|report| report.clock.as_str() != "ok")
        .count();
    let detail = format!("{wrong} of {} are off", own.len());
    findings.judge(
        "its clock is right",
        wrong == 0,
        if wrong == 0 { String::new() } else { detail },
    );
    let unnumbered = own.iter().filter(|report| report.seq.is_none()).count();
    let detail = format!("{unnumbered} of {} have none", own.len());
    findings.judge(
        "boot and seq in every report",
        unnumbered == 0,
        if unnumbered == 0 {
            String::new()
        } else {
            detail
        },
    );
}
