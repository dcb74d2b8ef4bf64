//! A self-service terminal whose paper, cash box and devices can be set: a service publisher, a
//! receipt printer, a bill acceptor and a card reader, behind one port.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Map, Value, json};
use tokio::sync::broadcast;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::handshake::server::{Callback, ErrorResponse, Request, Response};
use zhiban_vocabulary::kiosk::{CashBox, Paper};

use super::frame::{Message, read};
use crate::link::Wire;
use crate::simulator::{Device, Framing, Port, Shared};

const PRINTER: &str = "ReceiptPrinter";
const ACCEPTOR: &str = "BillAcceptor";
const READER: &str = "CardReader";
const PUBLISHER: &str = "v1.0";

/// Where codes are: the editions of the specification differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// 2021: `status` and `completionCode` in the payload, version 1.0.
    Payload,
    /// 2023: in the header, version 2.0.
    Header,
}

/// A terminal.
#[derive(Debug)]
pub struct TerminalSimulator {
    placement: Placement,
    address: OnceLock<String>,
    state: Shared<State>,
    /// Service and message.
    events: broadcast::Sender<(&'static str, String)>,
}

#[derive(Debug)]
struct State {
    paper: Paper,
    cash_box: CashBox,
    /// `common.device` by service.
    devices: BTreeMap<&'static str, String>,
    delay: Duration,
    /// Everything that came and went.
    messages: Vec<String>,
}

impl TerminalSimulator {
    /// Starts on a free port of this machine.
    ///
    /// # Errors
    /// When there is no port to be had.
    pub async fn start(placement: Placement) -> io::Result<Port<Self>> {
        let online = |name| (name, "online".to_owned());
        let terminal = Port::tcp(Self {
            placement,
            address: OnceLock::new(),
            state: Shared::new(State {
                paper: Paper::Ok,
                cash_box: CashBox::Ok,
                devices: [PRINTER, ACCEPTOR, READER].map(online).into(),
                delay: Duration::ZERO,
                messages: Vec::new(),
            }),
            events: broadcast::channel(64).0,
        })
        .await?;
        let _ = terminal.address.set(terminal.path().to_owned());
        Ok(terminal)
    }

    /// What the gateway is told: the service publisher.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ws://{}/xfs4iot/v1.0", self.address())
    }

    /// The receipt printer's paper, from now on.
    pub fn set_paper(&self, paper: Paper) {
        self.state.lock().paper = paper;
        let threshold = match paper {
            Paper::Ok => "full",
            Paper::Low => "low",
            Paper::Out => "out",
            // No threshold, but a change of status.
            Paper::Jammed => {
                let payload = json!({"device": "online"});
                return self.tell(PRINTER, "Common.StatusChangedEvent", &payload);
            }
        };
        let payload = json!({"paperSource": "upper", "threshold": threshold});
        self.tell(PRINTER, "Printer.PaperThresholdEvent", &payload);
    }

    /// The bill acceptor's cash box, from now on.
    pub fn set_cash_box(&self, cash_box: CashBox) {
        self.state.lock().cash_box = cash_box;
        let payload = Value::Object(self.units());
        self.tell(ACCEPTOR, "Storage.StorageThresholdEvent", &payload);
    }

    /// The card reader's `common.device`, such as `online` or `hardwareError`, from now on.
    pub fn set_card_reader(&self, device: &str) {
        self.state.lock().devices.insert(READER, device.to_owned());
        let payload = json!({"device": device});
        self.tell(READER, "Common.StatusChangedEvent", &payload);
    }

    /// The card reader says that something went wrong, such as `hardware`.
    pub fn report_error(&self, cause: &str) {
        let payload = json!({"eventId": cause, "action": "maintenance"});
        self.tell(READER, "Common.ErrorEvent", &payload);
    }

    /// Every answer from now on takes this long.
    pub fn answer_after(&self, delay: Duration) {
        self.state.lock().delay = delay;
    }

    /// Everything that came and went so far.
    #[must_use]
    pub fn messages(&self) -> Vec<String> {
        self.state.lock().messages.clone()
    }

    fn address(&self) -> &str {
        self.address.get().map_or("", String::as_str)
    }

    fn version(&self) -> &'static str {
        match self.placement {
            Placement::Payload => "1.0",
            Placement::Header => "2.0",
        }
    }

    fn tell(&self, service: &'static str, name: &str, payload: &Value) {
        let header = json!({"type": "unsolicited", "name": name, "version": self.version()});
        let text = json!({"header": header, "payload": payload}).to_string();
        // Nobody may be listening.
        let _ = self.events.send((service, text));
    }

    /// Acknowledgement and completion of a command.
    fn obey(&self, service: &str, text: &str) -> Vec<String> {
        let Ok(Message::Command { request, name, version, .. }) = read(text) else {
            return vec![self.answer("acknowledge", "", 0, "status", "invalidMessage", Map::new())];
        };
        let taken = self.answer("acknowledge", &name, request, "status", "ok", Map::new());
        let (code, payload) = if version == self.version() {
            self.does(service, &name)
        } else {
            ("invalidCommand", Map::new())
        };
        let done = self.answer("completion", &name, request, "completionCode", code, payload);
        vec![taken, done]
    }

    fn answer(
        &self,
        kind: &str,
        name: &str,
        request: u64,
        key: &str,
        code: &str,
        mut payload: Map<String, Value>,
    ) -> String {
        let mut header = Map::new();
        header.insert("type".into(), kind.into());
        header.insert("name".into(), name.into());
        header.insert("version".into(), self.version().into());
        header.insert("requestId".into(), request.into());
        match self.placement {
            Placement::Payload => payload.insert(key.into(), code.into()),
            // What went well has no status there.
            Placement::Header if code == "ok" => None,
            Placement::Header => header.insert(key.into(), code.into()),
        };
        json!({"header": header, "payload": payload}).to_string()
    }

    fn does(&self, service: &str, name: &str) -> (&'static str, Map<String, Value>) {
        let payload = match (service, name) {
            (PUBLISHER, "ServicePublisher.GetServices") => self.services(),
            (PUBLISHER, _) => return ("unsupportedCommand", Map::new()),
            (_, "Common.Capabilities") => self.capabilities(service),
            (_, "Common.SetVersions") => json!({}),
            (_, "Common.Status") => self.status(service),
            (ACCEPTOR, "Storage.GetStorage") => json!({"storage": self.units()}),
            _ => return ("unsupportedCommand", Map::new()),
        };
        match payload {
            Value::Object(payload) => ("success", payload),
            _ => ("internalError", Map::new()),
        }
    }

    fn services(&self) -> Value {
        let address = self.address();
        let uri = |name| json!({"serviceURI": format!("ws://{address}/xfs4iot/v1.0/{name}")});
        let services = [PRINTER, ACCEPTOR, READER].map(uri);
        json!({"vendorName": "Zhiban", "services": services})
    }

    fn capabilities(&self, service: &str) -> Value {
        let offered = |names: &[&str]| {
            let version = json!({"versions": [self.version()]});
            let pairs = names.iter().map(|name| ((*name).to_owned(), version.clone()));
            Value::Object(pairs.collect())
        };
        let mut interfaces = vec![json!({
            "name": "Common",
            "commands": offered(&["Common.Status", "Common.Capabilities", "Common.SetVersions"]),
            "events": offered(&["Common.StatusChangedEvent", "Common.ErrorEvent"]),
        })];
        match service {
            PRINTER => interfaces.push(json!({
                "name": "Printer",
                "commands": offered(&["Printer.PrintRaw"]),
                "events": offered(&["Printer.PaperThresholdEvent"]),
            })),
            ACCEPTOR => interfaces.push(json!({
                "name": "Storage",
                "commands": offered(&["Storage.GetStorage"]),
                "events": offered(&["Storage.StorageThresholdEvent"]),
            })),
            _ => {}
        }
        json!({
            "interfaces": interfaces,
            "common": {
                "serviceVersion": "1.0",
                "deviceInformation": [{
                    "modelName": format!("Sim{service}"),
                    "serialNumber": format!("{}-1", service.len()),
                    "revisionNumber": "1",
                    "modelDescription": "simulated",
                    "firmware": [{"firmwareName": "sim", "firmwareVersion": "1.0", "hardwareRevision": "1"}],
                    "software": [],
                }],
                "powerSaveControl": false,
                "antiFraudModule": false,
            },
        })
    }

    fn status(&self, service: &str) -> Value {
        let state = self.state.lock();
        let device = state.devices.get(service).map_or("noDevice", String::as_str);
        let mut status = json!({"common": {
            "device": device, "devicePosition": "inPosition", "powerSaveRecoveryTime": 0,
            "antiFraudModule": "ok", "exchange": "inactive", "endToEndSecurity": "notSupported",
        }});
        let paper = match state.paper {
            Paper::Ok => "full",
            Paper::Low => "low",
            Paper::Out => "out",
            Paper::Jammed => "jammed",
        };
        match service {
            PRINTER => status["printer"] = json!({
                "media": "notPresent", "paper": {"upper": paper}, "toner": "notSupported",
                "ink": "notSupported", "lamp": "notSupported",
            }),
            ACCEPTOR => {
                status["cashAcceptor"] =
                    json!({"intermediateStacker": "empty", "banknoteReader": "ok"});
                status["cashManagement"] = json!({"acceptor": "ok"});
            }
            _ => status["cardReader"] = json!({"media": "notPresent"}),
        }
        status
    }

    fn units(&self) -> Map<String, Value> {
        let (status, level) = match self.state.lock().cash_box {
            CashBox::Ok => ("ok", "ok"),
            CashBox::High => ("ok", "high"),
            CashBox::Full => ("ok", "full"),
            CashBox::Removed => ("missing", "ok"),
        };
        let unit = json!({
            "id": "BOX1", "positionName": "bottom", "capacity": 1000, "status": status,
            "serialNumber": "1",
            "cash": {
                "configuration": {"types": {"cashIn": true, "cashOut": false}},
                "status": {"index": 1, "replenishmentStatus": level},
            },
        });
        Map::from_iter([("unitBox1".to_owned(), unit)])
    }
}

/// Takes the name of the service from the path that is asked for.
struct Path<'p>(&'p mut String);

impl Callback for Path<'_> {
    fn on_request(self, request: &Request, response: Response) -> Result<Response, ErrorResponse> {
        let path = request.uri().path().trim_end_matches('/');
        path.rsplit('/').next().unwrap_or_default().clone_into(self.0);
        Ok(response)
    }
}

impl Device for TerminalSimulator {
    async fn serve(self: Arc<Self>, wire: Box<dyn Wire>, _: Framing) -> io::Result<()> {
        let mut service = String::new();
        let accepted = accept_hdr_async(wire, Path(&mut service)).await;
        let mut stream = accepted.map_err(io::Error::other)?;
        let mut events = self.events.subscribe();
        loop {
            let mut out = Vec::new();
            tokio::select! {
                frame = stream.next() => match frame {
                    Some(Ok(Frame::Text(text))) => {
                        self.state.lock().messages.push(text.to_string());
                        out = self.obey(&service, &text);
                        let delay = self.state.lock().delay;
                        tokio::time::sleep(delay).await;
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(io::Error::other(error)),
                    None => return Ok(()),
                },
                event = events.recv() => {
                    out.extend(event.ok().filter(|(of, _)| *of == service).map(|(_, text)| text));
                }
            }
            for text in out {
                self.state.lock().messages.push(text.clone());
                stream.send(Frame::text(text)).await.map_err(io::Error::other)?;
            }
        }
    }
}
