//! The programs of a demo: one centre, one gateway per hall.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::foreign::Form;
use super::kiosks;
use super::options::Options;
use super::prepare::{Replay, ZONE};
use super::table;
use super::wired::Wired;
use crate::harness::clock::{ReplayClock, real_now};
use crate::harness::configs::enrol_early;
use crate::harness::program::STOP_WITHIN;
use crate::harness::{
    Account, Ended, NewDevice, Program, Running, add_devices, free_port, programs,
};
use crate::replay::HallPlan;
use crate::replay::plan::Door;

/// Marks a folder as ours, so that no other is ever emptied.
const MARK: &str = "made-by-zhiban-demo";
/// Until all programs stand: this, and so much for each.
const SETTLE_MS: i64 = 3_000;
const SETTLE_EACH_MS: i64 = 400;

/// Everything that runs.
#[derive(Debug)]
pub struct Fleet {
    pub centre: Running,
    pub halls: Vec<HallRun>,
    pub clock: ReplayClock,
}

/// One hall.
#[derive(Debug)]
pub struct HallRun {
    pub gateway: Running,
    pub wired: Wired,
    /// Secrets of [`devices`], in their order.
    pub secrets: Vec<String>,
}

impl Fleet {
    /// Writes the configurations, registers the devices and starts everything.
    ///
    /// # Errors
    /// What failed, with the end of the log of a program that did not come up.
    pub async fn start(options: &Options, replay: &Replay) -> anyhow::Result<Self> {
        let programs = programs()?;
        let data = clear(&options.data)?;
        let mut halls = Vec::new();
        let count = replay.halls.len();
        for (nth, plan) in replay.halls.iter().enumerate() {
            let (number, name) = (nth + 1, &plan.hall.name);
            say(&format!("preparing hall {number} of {count}: {name}"));
            let folder = data.join("halls").join(plan.hall.store.as_str());
            let name = format!("hall {}", plan.hall.store);
            let program = Program::in_folder(&name, programs.join("zhiban-gateway"), &folder);
            let wired = Wired::start(plan, nth)
                .await
                .context("cannot open pseudo terminals")?;
            let mut config = gateway_config(options, nth, plan, &wired, &program);
            // The devices are registered before the first recorded day, not years after it.
            let before = ReplayClock {
                start: replay.start,
                at: real_now(),
                speed: 1,
            };
            config["clock"] = json!(before);
            program.write_config(&toml(&config)?)?;
            let secrets = add_devices(&program, &devices(plan, &wired)).await?;
            halls.push((program, config, wired, secrets));
        }
        let stores = replay.halls.iter().map(|plan| plan.hall.store.as_str());
        let pairs: Vec<_> = halls.iter().map(|hall| &hall.0).zip(stores).collect();
        let (centre, mut config) = prepare_centre(options, &data, &pairs).await?;
        // All programs must read the same clock, so it is set when the slow part is over.
        let settle = SETTLE_MS + SETTLE_EACH_MS * i64::try_from(count).unwrap_or(0);
        let at = real_now().saturating_add(SignedDuration::from_millis(settle))?;
        let clock = ReplayClock {
            start: replay.start,
            at,
            speed: options.speed(),
        };
        config["clock"] = json!(clock);
        centre.write_config(&toml(&config)?)?;
        say("starting the centre");
        let centre = centre.start().await?;
        let mut running = Vec::new();
        for (program, mut config, wired, secrets) in halls {
            config["clock"] = json!(clock);
            program.write_config(&toml(&config)?)?;
            wired.set_clock(clock);
            running.push(HallRun {
                gateway: program.spawn()?,
                wired,
                secrets,
            });
        }
        for (nth, hall) in running.iter_mut().enumerate() {
            say(&format!("starting hall {} of {count}", nth + 1));
            hall.gateway.ready().await?;
        }
        say("");
        Ok(Self {
            centre,
            halls: running,
            clock,
        })
    }

    /// Prints where everything is. In a run that ends by itself the centre is set up right away;
    /// its account is given back.
    ///
    /// # Errors
    /// When the centre does not let itself be set up.
    pub async fn introduce(&self, options: &Options) -> anyhow::Result<Option<Account>> {
        let centre = if options.until_caught_up {
            Some(Account::set_up(&self.centre, "1001", "demo").await?)
        } else {
            None
        };
        let code = |running: &Running| running.program.setup_code().unwrap_or("-".into());
        let centre_code = match &centre {
            Some(account) => format!("staff {} password {}", account.staff, account.password),
            None => code(&self.centre),
        };
        let mut rows = vec![vec![
            "centre 示范公司".into(),
            self.centre.url(),
            String::new(),
            centre_code,
        ]];
        for hall in &self.halls {
            let store = hall.gateway.program.name.clone();
            let mqtt = hall.gateway.addresses.mqtt.clone().unwrap_or_default();
            rows.push(vec![store, hall.gateway.url(), mqtt, code(&hall.gateway)]);
        }
        table::print(
            &["", "panel", "MQTT", "setup code for the first sign-in"],
            &rows,
            &[],
        );
        println!(
            "\nconfigurations, databases and logs: {} (emptied at the next start)\n",
            options.data.display()
        );
        Ok(centre)
    }

    /// Whether everything still runs.
    ///
    /// # Errors
    /// Names the program that does not, with the end of its log.
    pub fn check(&mut self) -> anyhow::Result<()> {
        self.centre.check()?;
        for hall in &mut self.halls {
            hall.gateway.check()?;
        }
        Ok(())
    }

    /// Stops everything, the halls first so that they can still tell the centre. Gives whether all
    /// of it stopped by itself and cleanly, and says what did not.
    pub async fn stop(&mut self) -> bool {
        say("stopping");
        let mut all_clean = true;
        for hall in &self.halls {
            hall.gateway.terminate();
        }
        let until = Instant::now() + STOP_WITHIN;
        for hall in &mut self.halls {
            let left = until.saturating_duration_since(Instant::now());
            all_clean &= stopped(&mut hall.gateway, left).await;
        }
        self.centre.terminate();
        all_clean &= stopped(&mut self.centre, STOP_WITHIN).await;
        say("");
        println!(
            "{}",
            if all_clean {
                "everything stopped cleanly"
            } else {
                "stopped"
            }
        );
        all_clean
    }
}

/// The centre with all halls enrolled, and its configuration without a clock.
async fn prepare_centre(
    options: &Options,
    data: &Path,
    halls: &[(&Program, &str)],
) -> anyhow::Result<(Program, Value)> {
    let executable = programs()?.join("zhiban-central");
    let centre = Program::in_folder("the centre", executable, &data.join("centre"));
    let ports = [free_port()?, free_port()?].map(|port| format!("127.0.0.1:{port}"));
    let config = centre_config(options, &centre, &ports);
    centre.write_config(&toml(&config)?)?;
    say("enrolling the halls at the centre");
    enrol_early(&centre, halls).await?;
    Ok((centre, config))
}

/// Devices that need a secret: those of the plan that speak MQTT, and in the showroom the kiosks and
/// behind them the devices of other makers' forms.
fn devices(plan: &HallPlan, wired: &Wired) -> Vec<NewDevice> {
    let planned = plan
        .devices
        .iter()
        .filter(|device| device.door == Door::Mqtt);
    let mut devices: Vec<NewDevice> = planned.map(new_device).collect();
    if wired.showroom.is_some() {
        devices.extend(kiosks::devices());
        devices.extend(Form::ALL.map(Form::device));
    }
    devices
}

async fn stopped(running: &mut Running, within: Duration) -> bool {
    let name = running.program.name.clone();
    let log = running.program.log.display().to_string();
    match running
        .wait_stopped(within.max(Duration::from_millis(100)))
        .await
    {
        Ok(Ended::Cleanly) => return true,
        Ok(Ended::Badly(status)) => complain(&format!("{name} ended with {status}, see {log}")),
        Ok(Ended::Killed) => {
            let within = STOP_WITHIN.as_secs();
            complain(&format!(
                "{name} did not stop within {within} s and was killed, see {log}"
            ));
        }
        Err(error) => complain(&error.to_string()),
    }
    false
}

/// A line that the next one replaces, on a terminal.
pub fn say(text: &str) {
    use std::io::IsTerminal as _;

    let mut out = io::stdout();
    if out.is_terminal() {
        let _ = write!(out, "\r\x1b[K{text}");
    } else if !text.is_empty() {
        let _ = writeln!(out, "{text}");
    }
    let _ = out.flush();
}

/// A line for the person, over the one that tells how far it is.
pub fn complain(text: &str) {
    use std::io::IsTerminal as _;

    let over = if io::stderr().is_terminal() {
        "\r\x1b[K"
    } else {
        ""
    };
    eprintln!("{over}{text}");
}

/// Empties the folder of the last run and refuses any other that is not empty.
fn clear(data: &Path) -> anyhow::Result<PathBuf> {
    let shown = data.display();
    let mark = data.join(MARK);
    let is_ours = mark.is_file();
    let is_empty = fs::read_dir(data).map_or(true, |mut entries| entries.next().is_none());
    if !is_ours && !is_empty {
        bail!("--data {shown}: not empty and not from a demo, so it is left alone");
    }
    let owner = fs::read_to_string(&mark).unwrap_or_default();
    let owner = owner.trim();
    if !owner.is_empty() && is_demo(owner) {
        bail!("--data {shown}: in use by another demo, process {owner}");
    }
    if is_ours {
        fs::remove_dir_all(data).with_context(|| format!("cannot empty {shown}"))?;
    }
    fs::create_dir_all(data).with_context(|| format!("cannot make {shown}"))?;
    fs::write(mark, std::process::id().to_string())
        .with_context(|| format!("cannot write to {shown}"))?;
    // The programs and their configurations must not depend on where they are started.
    fs::canonicalize(data).with_context(|| format!("cannot find {shown}"))
}

fn is_demo(pid: &str) -> bool {
    let name = fs::read_to_string(format!("/proc/{pid}/comm"));
    pid != std::process::id().to_string() && name.is_ok_and(|name| name.trim() == "demo")
}

fn new_device(device: &crate::replay::plan::PlannedDevice) -> NewDevice {
    NewDevice {
        id: device.id.clone(),
        kind: device.kind,
        name: Some(device.name.clone()),
        counter: device.counter.clone(),
        topics: Vec::new(),
    }
}

fn toml(config: &Value) -> anyhow::Result<toml::Table> {
    toml::Table::try_from(config).context("a configuration that is no TOML")
}

fn gateway_config(
    options: &Options,
    nth: usize,
    plan: &HallPlan,
    wired: &Wired,
    program: &Program,
) -> Value {
    let hall = &plan.hall;
    let queues = hall
        .queues
        .iter()
        .map(|queue| json!({ "id": queue.id, "name": queue.name }));
    let counters = hall.counters();
    let counters = counters.map(|counter| json!({ "id": counter.id, "name": counter.id }));
    let people: HashMap<_, _> = hall
        .counters()
        .map(|counter| (&counter.staff, &counter.staff_name))
        .collect();
    let staff = people
        .iter()
        .map(|(id, name)| json!({ "id": id, "name": name }));
    // In hall seconds: every minute, and not more often than every second here.
    let heartbeat_s = options.speed().clamp(60, 3_600);
    json!({
        "hall": {
            "store": hall.store, "name": hall.name, "city": "Warszawa", "grade": hall.grade,
            "time_zone": ZONE, "opens": plan.opens.to_string(), "closes": plan.closes.to_string(),
            "day_closes": plan.day_closes.to_string(), "data": program.data,
        },
        "queue": queues.collect::<Vec<_>>(),
        "counter": counters.collect::<Vec<_>>(),
        "staff": staff.collect::<Vec<_>>(),
        // A replay in a hurry must not be taken for a device gone mad.
        "mqtt": { "listen": "127.0.0.1:0", "messages_per_s": 10_000, "burst": 10_000 },
        "web": { "listen": format!("127.0.0.1:{}", options.port(nth + 1)) },
        "uplink": { "heartbeat_s": heartbeat_s },
        "device": wired.config(plan, options.speed()),
    })
}

fn centre_config(options: &Options, program: &Program, ports: &[String; 2]) -> Value {
    json!({
        "centre": { "name": "示范公司", "time_zone": ZONE, "data": program.data },
        "web": { "listen": format!("127.0.0.1:{}", options.port(0)) },
        "door": { "listen": ports[0] },
        "zenoh": { "listen": format!("tcp/{}", ports[1]) },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_ours_is_left_alone() {
        let folder = std::env::temp_dir().join(format!("zhiban-clear-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("letter"), "dear").unwrap();
        let error = clear(&folder).unwrap_err().to_string();
        assert!(error.contains("not from a demo"), "{error}");
        assert!(folder.join("letter").is_file());
        fs::write(folder.join(MARK), "").unwrap();
        clear(&folder).unwrap();
        assert!(!folder.join("letter").exists());
        fs::remove_dir_all(folder).unwrap();
    }
}
