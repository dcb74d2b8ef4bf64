//! Asks every service of a kiosk how it is, now and then and whenever one says that something
//! changed.

use std::convert::Infallible;

use futures_util::FutureExt;
use futures_util::future::select_all;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use zhiban_vocabulary::device::DeviceKind;
use zhiban_vocabulary::kiosk::KioskHealth;
use zhiban_vocabulary::printer::PrinterHealth;
use zhiban_vocabulary::report::Observation;

use super::frame::{Ask, EVENTS, Versions};
use super::health::{self, Services};
use super::settings::Settings;
use super::socket::{Place, Socket, SocketError};
use crate::link::Tap;
use crate::{Driver, DriverError, Outlet, Running, Session};

/// Services of one kiosk: one per device, and there is not room for more.
const SERVICES_MAX: usize = 32;

pub(crate) struct Xfs4Iot {
    settings: Settings,
}

impl Xfs4Iot {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

impl Driver for Xfs4Iot {
    fn device(&self) -> DeviceKind {
        DeviceKind::Kiosk
    }

    fn line(&self) -> Option<String> {
        Some(self.settings.publisher.peer.clone())
    }

    fn addresses(&self) -> Vec<String> {
        vec![self.settings.publisher.path.clone()]
    }

    fn run(self: Box<Self>, session: Session) -> Running {
        Box::pin(async move {
            let Err(error) = serve(&self.settings, session).await;
            error
        })
    }
}

impl From<SocketError> for DriverError {
    fn from(error: SocketError) -> Self {
        match error {
            SocketError::Link(link) => Self::Link(link),
            other => Self::Device(other.to_string()),
        }
    }
}

/// A service and what it understands.
struct Line {
    socket: Socket,
    versions: Versions,
}

async fn serve(settings: &Settings, session: Session) -> Result<Infallible, DriverError> {
    let outlet = session.outlet;
    let mut lines = Vec::new();
    let mut capabilities = Vec::new();
    let tap = session.line.tap();
    let (vendor, places) = services(&settings.publisher, tap).await?;
    for place in places {
        outlet.beat();
        let (line, capability) = open(&place, tap).await?;
        lines.push(line);
        capabilities.push(capability);
    }
    let mut kiosk = Kiosk {
        outlet,
        services: Services::new(),
        told: None,
        told_printer: None,
    };
    kiosk.outlet.alive().await?;
    let identity = health::identity(vendor.as_deref(), &capabilities);
    kiosk.outlet.deliver(Observation::Identity(identity)).await?;
    loop {
        for line in &mut lines {
            kiosk.look_at(line).await?;
        }
        kiosk.tell().await?;
        let until = Instant::now() + settings.poll;
        while let Ok((at, event)) = timeout_at(until, next_event(&mut lines)).await {
            let (name, payload) = event?;
            if !EVENTS.contains(&name.as_str()) {
                continue;
            }
            kiosk.look_at(&mut lines[at]).await?;
            kiosk.hear(&lines[at], &name, &payload);
            kiosk.tell().await?;
        }
    }
}

/// Asks the publisher for its services.
pub(super) async fn services(
    publisher: &Place,
    tap: &Tap,
) -> Result<(Option<String>, Vec<Place>), DriverError> {
    let mut socket = Socket::open(publisher, tap).await?;
    let said = socket.ask_first(Ask::GetServices).await?;
    let vendor = said["vendorName"].as_str().map(str::to_owned);
    let listed = said["services"].as_array().into_iter().flatten();
    let mut places = Vec::new();
    for service in listed.take(SERVICES_MAX) {
        let uri = service["serviceURI"].as_str().unwrap_or_default();
        let place = publisher.beside(uri).ok_or_else(|| {
            let uri: String = uri.chars().take(120).collect();
            DriverError::Device(format!("{}: service at {uri:?}: no ws address", publisher.peer))
        })?;
        places.push(place);
    }
    if places.is_empty() {
        let peer = &publisher.peer;
        return Err(DriverError::Device(format!("{peer}: publishes no service")));
    }
    Ok((vendor, places))
}

async fn open(place: &Place, tap: &Tap) -> Result<(Line, Value), DriverError> {
    let mut socket = Socket::open(place, tap).await?;
    let capabilities = socket.ask_first(Ask::Capabilities).await?;
    let versions = Versions::of(&capabilities);
    if versions.version(Ask::SetVersions).is_some() {
        socket.ask(Ask::SetVersions, &versions).await?;
    }
    Ok((Line { socket, versions }, capabilities))
}

/// The next event of any service, and which one it is of.
async fn next_event(lines: &mut [Line]) -> (usize, Result<(String, Value), SocketError>) {
    let events = lines.iter_mut().map(|line| line.socket.event().boxed());
    let (event, at, _) = select_all(events).await;
    (at, event)
}

struct Kiosk {
    outlet: Outlet,
    services: Services,
    told: Option<KioskHealth>,
    told_printer: Option<PrinterHealth>,
}

impl Kiosk {
    async fn look_at(&mut self, line: &mut Line) -> Result<(), DriverError> {
        let status = line.socket.ask(Ask::Status, &line.versions).await?;
        let name = line.socket.service.clone();
        let before = self.services.remove(&name).unwrap_or_default();
        let mut now = before.status(&status);
        if line.versions.version(Ask::GetStorage).is_some() {
            let storage = line.socket.ask(Ask::GetStorage, &line.versions).await?;
            now = now.storage(&storage);
        }
        self.services.insert(name, now);
        self.outlet.bad_frames(line.socket.take_bad());
        self.outlet.alive().await?;
        Ok(())
    }

    /// An error event says why, which no status does.
    fn hear(&mut self, line: &Line, name: &str, payload: &Value) {
        let service = &line.socket.service;
        if name == "Common.ErrorEvent"
            && let Some(before) = self.services.remove(service)
        {
            self.services.insert(service.clone(), before.error(payload));
        }
    }

    async fn tell(&mut self) -> Result<(), DriverError> {
        let kiosk = health::kiosk(&self.services);
        if self.told.as_ref() != Some(&kiosk) {
            let observation = Observation::KioskHealth(kiosk.clone());
            self.outlet.deliver(observation).await?;
            self.told = Some(kiosk);
        }
        let printer = health::printer(&self.services);
        if let Some(now) = printer.filter(|now| self.told_printer.as_ref() != Some(now)) {
            self.outlet.deliver(Observation::Printer(now.clone())).await?;
            self.told_printer = Some(now);
        }
        Ok(())
    }
}
