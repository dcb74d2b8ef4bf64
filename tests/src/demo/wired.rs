//! The wired devices of a hall: a climate sensor and a few window screens, each on a pseudo
//! terminal. What the air is like is invented.

use std::f64::consts::TAU;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde_json::{Value, json};
use zhiban_drivers::simulator::Port;
use zhiban_drivers::{lihe_screen::ScreenSimulator, modbus::ModbusSimulator};

use super::showroom::Showroom;
use crate::harness::clock::ReplayClock;
use crate::replay::HallPlan;

/// Counters of a hall with a screen; the first ones.
const SCREENS: u8 = 3;
const SENSOR_UNIT: u8 = 1;
const SENSOR_MAP: &str = "xy-md02";
/// Hall seconds between two looks at the sensor; F-32 wants one in five minutes.
const LOOK_EVERY_S: f64 = 120.0;

/// The wired devices of one hall. They are gone when dropped.
#[derive(Debug)]
pub struct Wired {
    sensor: Arc<Port<ModbusSimulator>>,
    screens: Vec<Port<ScreenSimulator>>,
    /// Decides what the air is like.
    warmth: f64,
    /// In the first hall: one device of each family.
    pub showroom: Option<Arc<Showroom>>,
}

impl Wired {
    /// Starts the simulated devices of the `nth` hall.
    ///
    /// # Errors
    /// When there are no pseudo terminals left.
    pub async fn start(plan: &HallPlan, nth: usize) -> io::Result<Self> {
        let hall = &plan.hall;
        let windows = u8::try_from(hall.counters().count())
            .unwrap_or(u8::MAX)
            .min(SCREENS);
        let screens = (1..=windows)
            .map(|address| Port::pty(ScreenSimulator::new(address)))
            .collect::<io::Result<_>>()?;
        let sensor = Arc::new(Port::pty(ModbusSimulator::new(SENSOR_UNIT, SENSOR_MAP)?)?);
        let warmth = nth as f64 * 0.7;
        let showroom = match nth {
            0 => Some(Arc::new(Showroom::start(plan).await?)),
            _ => None,
        };
        Ok(Self {
            showroom,
            sensor,
            screens,
            warmth,
        })
    }

    /// `[[device]]` of the gateway's configuration.
    #[must_use]
    pub fn config(&self, plan: &HallPlan, speed: u32) -> Vec<Value> {
        let poll_s = (LOOK_EVERY_S / f64::from(speed)).clamp(0.2, 60.0);
        let sensor = json!({
            "id": "th-1", "name": "大厅温湿度", "driver": "modbus",
            "settings": {
                "link": { "serial": self.sensor.path() },
                "unit": SENSOR_UNIT, "map": SENSOR_MAP, "poll_s": poll_s,
            },
        });
        let screens = (1_u8..).zip(&self.screens).zip(plan.hall.counters());
        let screens = screens.map(|((address, screen), counter)| {
            json!({
                "id": format!("screen-{address}"), "name": format!("{} 号窗口屏", counter.id),
                "driver": "lihe-screen", "counter": counter.id,
                "settings": { "link": { "serial": screen.path() }, "address": address },
            })
        });
        let families = self.showroom.iter();
        let families = families.flat_map(|showroom| showroom.config(plan, speed));
        [sensor]
            .into_iter()
            .chain(screens)
            .chain(families)
            .collect()
    }

    /// The clock of the programs, from now on.
    pub fn set_clock(&self, clock: ReplayClock) {
        if let Some(showroom) = &self.showroom {
            showroom.set_clock(clock);
        }
    }

    /// Lets the air change: warmer towards the afternoon, in some halls out of the band.
    pub fn air(&self, clock: ReplayClock, zone: TimeZone) -> impl Future<Output = ()> + use<> {
        let (sensor, warmth) = (Arc::clone(&self.sensor), self.warmth);
        let every = Duration::from_secs_f64((LOOK_EVERY_S / f64::from(clock.speed)).max(0.2));
        async move {
            loop {
                let now = clock.now().to_zoned(zone.clone());
                let day = (f64::from(now.hour()) * 60.0 + f64::from(now.minute())) / 1440.0;
                let warm = 222.0 + 14.0 * warmth.sin() + 9.0 * ((day - 0.4) * TAU).sin();
                let humid = 430.0 - 60.0 * (warmth + day * TAU).cos();
                // Well inside what fits.
                sensor.set(warm.round() as i32, humid.round() as i32);
                tokio::time::sleep(every).await;
            }
        }
    }

    /// Texts all screens together were told to show.
    #[must_use]
    pub fn shown(&self) -> usize {
        self.screens.iter().map(|screen| screen.shown().len()).sum()
    }
}
