//! While the halls are open: plays the devices, shows how far they are, watches the programs, and
//! in a run that ends by itself waits until the centre holds everything.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, bail};
use jiff::tz::TimeZone;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};
use zhiban_vocabulary::BootId;

use super::Stop;
use super::feed::{self, Progress, Refused};
use super::fleet::{Fleet, HallRun, say};
use super::foreign::{self, Form};
use super::options::Options;
use super::prepare::{Replay, ZONE};
use super::summary::{self, Comparison};
use super::voices::{Other, Voice};
use super::{host, kiosks};
use crate::harness::clock::ReplayClock;
use crate::harness::{Account, MqttDevice};
use crate::replay::HallPlan;

/// How often the programs are looked at and the line is drawn.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// On no terminal, a line that often.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// The centre must hold everything this long after the last day was closed and everything was
/// acknowledged …
const CATCH_UP_WITHIN: Duration = Duration::from_secs(120);
/// … and is not waited for when nothing has changed there for so long.
const QUIET_FOR: Duration = Duration::from_secs(40);
/// Real time the last reports may take after the last day was closed.
const ACKNOWLEDGE_WITHIN: Duration = Duration::from_secs(120);

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Somebody wanted it to stop.
    Stopped,
    /// The centre holds what the file says.
    CaughtUp,
    /// It holds something else.
    Different,
}

/// Plays the halls until it is over or somebody stops it.
///
/// # Errors
/// A program ended, a device was refused, or a run that ends by itself did not get there in time.
pub async fn run(
    options: &Options,
    replay: &Replay,
    fleet: &mut Fleet,
    centre: Option<Account>,
    stop: &mut Stop,
) -> anyhow::Result<Outcome> {
    let progress = Arc::new(Progress::default());
    let mut devices = play(replay, fleet, &progress)?;
    let mut played = Vec::new();
    let mut look = interval(LOOK_EVERY);
    let mut line = Line::new(replay, fleet.clock, &progress, options.until_caught_up);
    let mut catch_up = centre.map(|account| CatchUp::new(replay, account));
    let mut overdue: Option<Instant> = None;
    loop {
        tokio::select! {
            () = stop.asked() => return Ok(Outcome::Stopped),
            Some(ended) = devices.join_next(), if !devices.is_empty() => {
                // A device stays connected until the demo ends.
                played.push(ended??);
                continue;
            }
            _ = look.tick() => {}
        }
        fleet.check()?;
        line.draw();
        if !options.until_caught_up || fleet.clock.now() < replay.end {
            continue;
        }
        if !devices.is_empty() {
            let since = *overdue.get_or_insert_with(|| {
                say("");
                let speed = options.speed();
                println!("reports are late: too slow here for ×{speed}, a smaller --speed helps");
                Instant::now()
            });
            if since.elapsed() > ACKNOWLEDGE_WITHIN {
                bail!(
                    "{}: {}",
                    "not everything was acknowledged in time",
                    line.text()
                );
            }
            continue;
        }
        if let Some(catch_up) = &mut catch_up
            && let Some(outcome) = catch_up
                .look(progress.ratings.load(Ordering::Relaxed))
                .await?
        {
            shown(fleet, &progress);
            return Ok(outcome);
        }
    }
}

/// Starts all devices of all halls.
fn play(
    replay: &Replay,
    fleet: &Fleet,
    progress: &Arc<Progress>,
) -> anyhow::Result<JoinSet<Result<Voice, Refused>>> {
    let mut devices = JoinSet::new();
    for (plan, hall) in replay.halls.iter().zip(&fleet.halls) {
        let Some(address) = &hall.gateway.addresses.mqtt else {
            bail!(
                "{} does not say where its MQTT door is",
                hall.gateway.program.name
            );
        };
        let (clock, zone) = (fleet.clock, TimeZone::get(ZONE)?);
        let mut secrets = hall.secrets.iter().cloned();
        let voices = voices(plan, hall, address, &mut secrets)?;
        feed::play(plan, voices, clock, progress, &mut devices);
        tokio::spawn(hall.wired.air(clock, zone.clone()));
        if let Some(showroom) = &hall.wired.showroom {
            let showroom = Arc::clone(showroom);
            tokio::spawn(host::play(showroom.texts_port(), clock));
            tokio::spawn(async move { showroom.live().await });
            let kiosks_secrets = secrets.by_ref().take(kiosks::devices().len()).collect();
            tokio::spawn(kiosks::play(address.clone(), kiosks_secrets, clock));
            for (form, secret) in Form::ALL.into_iter().zip(secrets) {
                let (address, zone) = (address.clone(), zone.clone());
                tokio::spawn(foreign::play(form, secret, address, clock, zone));
            }
        }
    }
    Ok(devices)
}

/// Those of the planned devices, in their order; takes a secret for each that speaks MQTT.
fn voices(
    plan: &HallPlan,
    hall: &HallRun,
    address: &str,
    secrets: &mut impl Iterator<Item = String>,
) -> anyhow::Result<Vec<Voice>> {
    let boot: BootId = "demo-1".parse()?;
    let url = hall.gateway.url();
    let mut voices = Vec::new();
    for device in &plan.devices {
        let stage = match &hall.wired.showroom {
            Some(showroom) => showroom.stage(plan, device, &url)?,
            None => None,
        };
        voices.push(match stage {
            Some(stage) => Voice::Other(Other::new(stage)),
            None => {
                let secret = secrets.next().context("a device without a secret")?;
                Voice::Mqtt(MqttDevice::connect(
                    &device.id,
                    &secret,
                    address,
                    boot.clone(),
                ))
            }
        });
    }
    Ok(voices)
}

fn shown(fleet: &Fleet, progress: &Progress) {
    let texts: usize = fleet.halls.iter().map(|hall| hall.wired.shown()).sum();
    let ratings = progress.ratings.load(Ordering::Relaxed);
    println!("window screens were told {texts} texts; {ratings} invented ratings were given");
}

/// The line that tells how far it is.
struct Line<'l> {
    clock: ReplayClock,
    zone: TimeZone,
    replay: &'l Replay,
    progress: &'l Progress,
    drawn: Option<Instant>,
    told_end: bool,
    /// What happens after the recorded days.
    then: &'static str,
}

impl<'l> Line<'l> {
    fn new(replay: &'l Replay, clock: ReplayClock, progress: &'l Progress, ends: bool) -> Self {
        let zone = TimeZone::get(ZONE).unwrap_or(TimeZone::UTC);
        let then = if ends {
            "waiting for the centre"
        } else {
            "Ctrl-C stops everything"
        };
        Self {
            clock,
            zone,
            replay,
            progress,
            drawn: None,
            told_end: false,
            then,
        }
    }

    fn text(&self) -> String {
        let load = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
        let (all, acknowledged) = (self.replay.reports(), load(&self.progress.acknowledged));
        let now = self.clock.now().to_zoned(self.zone.clone());
        let reconnects = match load(&self.progress.reconnects) {
            0 => String::new(),
            times => format!("  reconnects {times}"),
        };
        format!(
            "{} ×{}  sent {}  acknowledged {acknowledged} of {all}  {} %{reconnects}",
            now.strftime("%Y-%m-%d %H:%M"),
            self.clock.speed,
            load(&self.progress.sent),
            100 * acknowledged / all.max(1),
        )
    }

    fn draw(&mut self) {
        use std::io::IsTerminal as _;

        let often = if std::io::stdout().is_terminal() {
            LOOK_EVERY / 2
        } else {
            LINE_EVERY
        };
        if self.drawn.is_none_or(|drawn| drawn.elapsed() >= often) {
            say(&self.text());
            self.drawn = Some(Instant::now());
        }
        if !self.told_end && self.clock.now() > self.replay.end {
            self.told_end = true;
            say("");
            println!("the recorded days are over; {}", self.then);
        }
    }
}

/// Waits until the centre holds what the file says.
struct CatchUp<'c> {
    replay: &'c Replay,
    account: Account,
    path: String,
    since: Option<Instant>,
    last: Option<(Instant, Comparison)>,
}

impl<'c> CatchUp<'c> {
    fn new(replay: &'c Replay, account: Account) -> Self {
        let (from, to) = (replay.dates[0], replay.dates[replay.dates.len() - 1]);
        let path = format!("/api/v1/compare?from={from}&to={to}");
        Self {
            replay,
            account,
            path,
            since: None,
            last: None,
        }
    }

    /// Looks once, `rated` ratings having been given; gives the outcome when there is one.
    async fn look(&mut self, rated: u64) -> anyhow::Result<Option<Outcome>> {
        let now = Instant::now();
        let since = *self.since.get_or_insert(now);
        let comparison: Comparison = self.account.get(&self.path).await?;
        let differences = summary::differences(self.replay, &comparison, rated);
        if differences.is_empty() {
            say("");
            summary::print(self.replay, &comparison);
            println!("\nall totals equal");
            return Ok(Some(Outcome::CaughtUp));
        }
        let changed = self
            .last
            .as_ref()
            .is_none_or(|(_, last)| *last != comparison);
        if changed {
            self.last = Some((now, comparison));
        }
        let quiet = self
            .last
            .as_ref()
            .is_some_and(|(last, _)| last.elapsed() > QUIET_FOR);
        if !quiet && since.elapsed() < CATCH_UP_WITHIN {
            return Ok(None);
        }
        say("");
        if let Some((_, comparison)) = &self.last {
            summary::print(self.replay, comparison);
        }
        let waited = since.elapsed().as_secs();
        println!(
            "\nthe centre did not get to the totals of the file ({waited} s after the end of the replay):"
        );
        for difference in differences {
            println!("  {difference}");
        }
        Ok(Some(Outcome::Different))
    }
}
