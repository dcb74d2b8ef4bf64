//! Routes of the wires: what can be added, what is found, what passes on a line.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use zhiban_drivers::link::Direction;
use zhiban_drivers::{Discover, DriverKind, Field, FieldKind, Form, Places};
use zhiban_kernel::people::SignedIn;
use zhiban_kernel::web::{Peer, Result, WebError};
use zhiban_vocabulary::device::DeviceIdentity;

use super::{Desk, audit};
use crate::devices::model::new_secret;

const HOOK_KEY: &str = "hook_key";
/// Hosts looked at in one search.
const HOSTS_MAX: u32 = 256;
const SEARCH_TIME_MAX: Duration = Duration::from_secs(90);
/// Where Linux names serial ports by the socket they are plugged into.
const BY_PATH: &str = "/dev/serial/by-path";
/// Where it says which terminals there are, and which of them are real.
const TTYS: &str = "/sys/class/tty";

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DriversView {
    drivers: Vec<KindView>,
    /// Serial ports of the box that no device uses.
    ports: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct KindView {
    name: &'static str,
    /// Title, description and questions, each in `zh` and `en`.
    #[schema(value_type = Object)]
    form: Form,
    /// Commands its devices understand: `display`, `restart`, `power`.
    accepts: Vec<&'static str>,
    /// Whether such devices can be looked for.
    discovers: bool,
}

/// Every kind of wired device that can be added, and what must be known of it.
#[utoipa::path(get, path = "/api/v1/drivers", tag = "devices",
    responses((status = 200, body = DriversView)))]
pub(super) async fn list_drivers(State(desk): State<Desk>) -> Result<Json<DriversView>> {
    let view = |driver: &'static DriverKind| {
        Some(KindView {
            name: driver.name,
            // Every shipped form is read by a test.
            form: Form::read(driver.form).ok()?,
            accepts: driver.accepts.iter().map(|kind| kind.as_str()).collect(),
            discovers: driver.discover.is_some(),
        })
    };
    let drivers = zhiban_drivers::DRIVERS.iter().filter_map(view).collect();
    let ports = free_ports(&desk).await;
    Ok(Json(DriversView { drivers, ports }))
}

async fn free_ports(desk: &Desk) -> Vec<String> {
    let statuses = desk.drivers.statuses().into_iter();
    let used = statuses.map(|status| status.line).collect();
    let mut ports = entries(BY_PATH).await;
    ports.extend(built_in_ports().await);
    free(ports, used).await
}

/// Ports nobody uses, each by one name. A port has many names, and a device may hang on any.
async fn free(mut ports: Vec<String>, used: Vec<String>) -> Vec<String> {
    let mut taken = HashSet::new();
    for line in used {
        taken.insert(real(line).await);
    }
    ports.sort();
    let mut free = Vec::new();
    for port in ports {
        if taken.insert(real(port.clone()).await) {
            free.push(port);
        }
    }
    free
}

/// Where a name leads; a name that leads nowhere stays itself.
async fn real(name: String) -> PathBuf {
    let found = tokio::fs::canonicalize(&name).await;
    found.unwrap_or_else(|_| name.into())
}

/// Serial ports on the board of the box: Linux lists more than there are, those of no type.
async fn built_in_ports() -> Vec<String> {
    let mut ports = Vec::new();
    for entry in entries(TTYS).await {
        let Some(name) = entry
            .rsplit('/')
            .next()
            .filter(|name| name.starts_with("ttyS"))
        else {
            continue;
        };
        let kind = tokio::fs::read_to_string(format!("{entry}/type")).await;
        if kind.is_ok_and(|kind| kind.trim() != "0") {
            ports.push(format!("/dev/{name}"));
        }
    }
    ports
}

async fn entries(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    if let Ok(mut entries) = tokio::fs::read_dir(folder).await {
        while let Ok(Some(entry)) = entries.next_entry().await {
            found.extend(entry.path().to_str().map(str::to_owned));
        }
    }
    found
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SearchBody {
    driver: String,
    /// Network to look in, such as `192.168.1.0/24`; at most 256 addresses.
    network: Option<String>,
    /// Serial ports to look at. Looking disturbs whatever is on them.
    #[serde(default)]
    ports: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FoundView {
    found: Vec<FoundDevice>,
    /// Addresses there was no time to ask: devices may be there that were not found.
    unasked: usize,
}

#[derive(Debug, Serialize, ToSchema)]
struct FoundDevice {
    /// What is known of its settings; the rest a person must say.
    #[schema(value_type = Object)]
    settings: Value,
    #[schema(value_type = Object)]
    identity: DeviceIdentity,
}

/// Looks for devices of one kind, once, where a person says. May take a minute.
#[utoipa::path(post, path = "/api/v1/discovery", tag = "devices", request_body = SearchBody,
    responses((status = 200, body = FoundView)))]
pub(super) async fn search(
    State(desk): State<Desk>,
    Peer(address): Peer,
    Extension(who): Extension<SignedIn>,
    Json(body): Json<SearchBody>,
) -> Result<Json<FoundView>> {
    let discover = discover_of(&body.driver)?;
    let hosts = match body.network.as_deref().map(str::trim) {
        None | Some("") => Vec::new(),
        Some(network) => hosts(network)?,
    };
    let free = free_ports(&desk).await;
    if let Some(used) = body.ports.iter().find(|port| !free.contains(port)) {
        let problem = format!("{used} is no free port");
        let facts = json!({ "port": used });
        return Err(WebError::invalid("ports", problem).because("port-taken", facts));
    }
    let network = body.network.unwrap_or_default();
    let detail = [&[body.driver, network][..], &body.ports]
        .concat()
        .join(" ");
    let audit = audit(who, address, "devices.search", detail);
    desk.devices
        .0
        .store
        .write(move |connection| audit(connection))
        .await?;
    let places = Places {
        hosts,
        ports: body.ports,
    };
    let searched = tokio::time::timeout(SEARCH_TIME_MAX, discover(places)).await;
    let late = |_| {
        let text = "the search took too long";
        WebError::Conflict(text.into()).because("search-late", json!({}))
    };
    let search = searched.map_err(late)?;
    let view = |found: zhiban_drivers::Found| FoundDevice {
        settings: serde_json::to_value(found.settings).unwrap_or_default(),
        identity: found.identity,
    };
    Ok(Json(FoundView {
        found: search.found.into_iter().map(view).collect(),
        unasked: search.unasked,
    }))
}

fn discover_of(driver: &str) -> Result<Discover> {
    let kind = zhiban_drivers::find(driver)
        .ok_or_else(|| WebError::invalid("driver", format!("no driver {driver:?}")))?;
    let none = || WebError::invalid("driver", "devices of this kind cannot be looked for");
    kind.discover.ok_or_else(none)
}

/// The addresses of a private network; the box looks nowhere else.
fn hosts(network: &str) -> Result<Vec<IpAddr>> {
    let bad = || {
        let problem = format!("expected a network such as 192.168.1.0/24, found {network:?}");
        WebError::invalid("network", problem).because("network-form", json!({}))
    };
    let (address, bits) = network.split_once('/').unwrap_or((network, "32"));
    let address: Ipv4Addr = address.parse().map_err(|_| bad())?;
    let bits: u32 = bits
        .parse()
        .ok()
        .filter(|bits| *bits <= 32)
        .ok_or_else(bad)?;
    if !(address.is_private() || address.is_loopback() || address.is_link_local()) {
        let problem = format!("{address} is not in the hall's own network");
        let facts = json!({ "address": address });
        return Err(WebError::invalid("network", problem).because("network-foreign", facts));
    }
    let count = 1_u64 << (32 - bits);
    if count > u64::from(HOSTS_MAX) {
        let problem = format!("at most {HOSTS_MAX} addresses, found {count}");
        let facts = json!({ "max": HOSTS_MAX, "found": count });
        return Err(WebError::invalid("network", problem).because("network-size", facts));
    }
    let first = u64::from(u32::from(address)) / count * count;
    let hosts = first..first + count;
    Ok(hosts
        .filter_map(|host| u32::try_from(host).ok())
        .map(|host| IpAddr::V4(host.into()))
        .collect())
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LineView {
    pieces: Vec<PieceView>,
}

/// Bytes that passed on the line, and what they mean.
#[derive(Debug, Serialize, ToSchema)]
struct PieceView {
    number: u64,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// `in`: from the device, `out`: to it
    direction: &'static str,
    /// Lower-case hex.
    hex: String,
    meanings: Vec<Meaning>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Meaning {
    /// First byte, and the one behind the last.
    from: usize,
    to: usize,
    text: String,
    /// Whether the driver takes it.
    good: bool,
}

/// What last passed on the line of a wired device, oldest first: the bus monitor.
#[utoipa::path(get, path = "/api/v1/devices/{device}/line", tag = "devices",
    params(("device" = String, Path)), responses((status = 200, body = LineView)))]
pub(super) async fn read_line(
    State(desk): State<Desk>,
    Path(device): Path<String>,
) -> Result<Json<LineView>> {
    let unknown = || WebError::NotFound(format!("wired device {device}"));
    let id = device.parse().map_err(|_| unknown())?;
    let (driver, pieces) = desk.drivers.pieces(&id).ok_or_else(unknown)?;
    let now = desk.devices.0.clock.now();
    let view = |piece: zhiban_drivers::link::Piece| PieceView {
        number: piece.number,
        at: now - piece.at.elapsed(),
        direction: match piece.direction {
            Direction::In => "in",
            Direction::Out => "out",
        },
        hex: piece
            .bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
        meanings: (driver.explain)(&piece.bytes)
            .into_iter()
            .map(|explained| Meaning {
                from: explained.range.start,
                to: explained.range.end,
                text: explained.text,
                good: explained.good,
            })
            .collect(),
    };
    let pieces = pieces.into_iter().map(view).collect();
    Ok(Json(LineView { pieces }))
}

/// Settings as the panel sends them, checked by their driver.
pub(super) fn check_settings(driver: &DriverKind, settings: &Value) -> Result<toml::Table> {
    let table: toml::Table = serde_json::from_value(settings.clone())
        .map_err(|error| WebError::invalid("settings", error))?;
    (driver.build)(table.clone()).map_err(|error| {
        let facts = json!({ "key": error.key, "expected": error.expected, "found": error.found });
        WebError::invalid("settings", error).because("setting", facts)
    })?;
    Ok(table)
}

/// A driver that is called by programs of the hall needs a key in its address; one that nobody
/// chose, or somebody emptied, is made here.
pub(super) fn with_hook_key(driver: &DriverKind, mut settings: Value) -> Value {
    let is_called = Form::read(driver.form)
        .is_ok_and(|form| form.fields.iter().any(|field| field.key == HOOK_KEY));
    if let (true, Some(table)) = (is_called, settings.as_object_mut()) {
        let key = table.entry(HOOK_KEY).or_insert_with(|| new_secret().into());
        if key.as_str().is_some_and(|key| key.trim().is_empty()) {
            *key = new_secret().into();
        }
    }
    settings
}

/// Where programs of the hall call a device: with the key, so only for those who may choose it.
pub(super) fn hook_path(device: &str, settings: &str) -> Option<String> {
    let settings: Value = serde_json::from_str(settings).ok()?;
    let key = settings.get(HOOK_KEY)?.as_str()?;
    Some(format!("/hooks/{device}/{key}"))
}

fn secrets(driver: &DriverKind) -> Vec<Field> {
    let form = Form::read(driver.form).map(|form| form.fields);
    let mut fields = form.unwrap_or_default();
    fields.retain(|field| field.kind == FieldKind::Secret);
    fields
}

/// Settings without what must not be shown again.
pub(super) fn shown_settings(driver: &str, settings: &str) -> Value {
    let mut settings: Value = serde_json::from_str(settings).unwrap_or_default();
    let fields = zhiban_drivers::find(driver).map(secrets);
    for field in fields.unwrap_or_default() {
        if let Some(table) = settings.as_object_mut() {
            table.remove(&field.key);
        }
    }
    settings
}

/// New settings, with the secrets of the old ones where none are given.
pub(super) fn with_old_secrets(driver: &DriverKind, mut new: Value, old: &str) -> Value {
    let old: Value = serde_json::from_str(old).unwrap_or_default();
    for field in secrets(driver) {
        let kept = old.get(&field.key).cloned();
        if let (Some(table), Some(kept)) = (new.as_object_mut(), kept) {
            table.entry(field.key).or_insert(kept);
        }
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_hook_is_a_secret_and_never_gone() {
        const OLD: &str = r#"{"best":5,"hook_key":"0123456789abcdef"}"#;
        for name in ["http-pad", "qmatic"] {
            let driver = zhiban_drivers::find(name).unwrap();
            assert_eq!(shown_settings(name, OLD), serde_json::json!({"best": 5}));
            let changed = |new: Value| {
                let settings = with_hook_key(driver, with_old_secrets(driver, new, OLD));
                hook_path("pad", &settings.to_string()).unwrap()
            };
            assert_eq!(
                changed(serde_json::json!({})),
                "/hooks/pad/0123456789abcdef"
            );
            let chosen = changed(serde_json::json!({"hook_key": "another-key-of-16"}));
            assert_eq!(chosen, "/hooks/pad/another-key-of-16");
            let emptied = changed(serde_json::json!({"hook_key": " "}));
            let key = emptied.strip_prefix("/hooks/pad/").unwrap();
            assert!(key.len() >= 16 && key != "0123456789abcdef", "{emptied}");
        }
        assert_eq!(hook_path("screen", r#"{"address":3}"#), None);
    }

    #[tokio::test]
    async fn a_port_in_use_is_not_free_by_another_name() {
        let folder = std::env::temp_dir().join(format!("zhiban-ports-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        for (node, names) in [
            ("ttyUSB0", ["a-by-path", "a-by-id"]),
            ("ttyUSB1", ["b", "c"]),
        ] {
            std::fs::write(path(node), "").unwrap();
            for name in names {
                std::os::unix::fs::symlink(path(node), path(name)).unwrap();
            }
        }
        let ports = || ["a-by-path", "b", "c", "gone"].map(path).to_vec();
        for used in ["ttyUSB0", "a-by-id", "a-by-path"] {
            let free = free(ports(), vec![path(used), "10.0.0.7:502".into()]).await;
            assert_eq!(free, ["b", "gone"].map(path), "{used}");
        }
        assert_eq!(
            free(ports(), vec![path("gone")]).await,
            ["a-by-path", "b"].map(path)
        );
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn only_the_halls_own_network_is_searched() {
        let check = |network: &str, expected: &str| {
            let answer = match hosts(network) {
                Ok(hosts) => format!("{} from {}", hosts.len(), hosts[0]),
                Err(error) => error.to_string(),
            };
            assert!(answer.contains(expected), "{network} gave {answer}");
        };
        check("192.168.1.0/24", "256 from 192.168.1.0");
        check("10.1.2.3/30", "4 from 10.1.2.0");
        check("127.0.0.1", "1 from 127.0.0.1");
        check("8.8.8.0/24", "not in the hall's own network");
        check("10.0.0.0/16", "at most 256 addresses, found 65536");
        check("10.0.0.0/33", "expected a network");
        check("printer", "expected a network");
    }
}
