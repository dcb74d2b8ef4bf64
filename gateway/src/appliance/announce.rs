//! Where the gateway is found once it runs: to programs in `run.json`, to people on the terminal.

use std::net::SocketAddr;

use anyhow::Result;
use serde::Serialize;
use zhiban_config::GatewayConfig;
use zhiban_kernel::notify::notify;
use zhiban_kernel::web::{Listeners, page_address};

/// `run.json`
#[derive(Serialize)]
pub(super) struct Addresses {
    pid: u32,
    web: SocketAddr,
    /// Of the encrypted pages.
    webs: Option<SocketAddr>,
    mqtt: String,
    /// Of the encrypted door.
    mqtts: Option<String>,
}

impl Addresses {
    pub(super) fn of(
        pages: &Listeners,
        mqtt: SocketAddr,
        mqtts: Option<SocketAddr>,
    ) -> Result<Self> {
        Ok(Self {
            pid: std::process::id(),
            web: pages.plain_addr()?,
            webs: pages.tls_addr(),
            mqtt: mqtt.to_string(),
            mqtts: mqtts.map(|address| address.to_string()),
        })
    }
}

pub(super) fn announce(config: &GatewayConfig, addresses: &Addresses, setup_code: Option<&str>) {
    let (store, web, mqtt) = (&config.hall.store, &addresses.web, &addresses.mqtt);
    tracing::info!(%store, %web, %mqtt, "gateway is ready");
    if let Some(code) = setup_code {
        // For the person in front of the box; it works once, and only until the first account.
        let page = page_address(addresses.web, addresses.webs);
        eprintln!("\n  设置码 setup code: {code}\n  {page}\n");
    }
    notify("READY=1");
}
