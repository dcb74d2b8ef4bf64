//! Asks the card who and how it is, shows texts as pictures, and switches the board.

use zhiban_vocabulary::command::Command;
use zhiban_vocabulary::device::DeviceIdentity;
use zhiban_vocabulary::report::Observation;

use super::frame::lamps::Lamps;
use super::frame::{
    ANY_TYPE, Area, Body, Frame, GraphicCard, HOST, Head, Identity, PICTURE_MAX, model,
};
use super::settings::Settings;
use crate::DriverError;
use crate::link::onbon::Reach;
use crate::link::onbon::board::{Answer, Card, Talk};
use crate::picture::{Font, FontError};

/// The only area of ours.
const AREA: u8 = 0;

pub(crate) struct Graphic {
    settings: Settings,
    /// Type of the card, once it has said it.
    device: u16,
    sequence: u16,
    place: Result<Place, String>,
    is_locked: bool,
    font: Result<Font, FontError>,
    /// Characters of the last text that the font does not have.
    missing: String,
}

/// Where on the screen texts are shown, in pixels.
struct Place {
    x: u16,
    y: u16,
    width: u16,
    height: u16,
    lamps: Lamps,
}

impl Graphic {
    pub(crate) fn new(settings: Settings) -> Self {
        let font = settings.font.clone().ok_or(FontError::NotInstalled);
        Self {
            settings,
            device: ANY_TYPE,
            sequence: 0,
            place: Err("the card has not said what its screen is like".into()),
            is_locked: false,
            font,
            missing: String::new(),
        }
    }

    /// What makes the card show a text, or why it cannot be shown.
    fn show(&mut self, text: &str) -> Result<Body, String> {
        self.missing.clear();
        if text.trim().is_empty() {
            return Ok(Body::Remove(vec![AREA]));
        }
        let place = self.place.as_ref().map_err(String::clone)?;
        let font = self.font.as_ref().map_err(FontError::to_string)?;
        let drawn = font.draw(text, place.width, place.height);
        let drawn = drawn.map_err(|error| error.to_string())?;
        let colour = self.settings.colour;
        let picture = place.lamps.write(&drawn.picture, colour, place.x);
        self.missing = drawn.missing;
        Ok(Body::Show(Area {
            id: AREA,
            alone: !self.settings.keep_programme,
            x: place.x,
            y: place.y,
            width: place.width,
            height: place.height,
            pictures: vec![picture],
        }))
    }

    fn frame(&mut self, body: Body) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        let head = match body {
            Body::Remove(_) | Body::Show(_) => Head::Dynamic,
            _ => Head::Common {
                sequence: self.sequence,
            },
        };
        Frame {
            to: self.settings.reach.address,
            from: HOST,
            device: self.device,
            head,
            body,
        }
        .encode()
    }
}

impl Card for Graphic {
    type Codec = GraphicCard;

    fn reach(&self) -> &Reach {
        &self.settings.reach
    }

    fn parties(frame: &Frame) -> (u16, u16) {
        (frame.from, frame.to)
    }

    /// Asks who it is, says so, and takes away what was left behind.
    async fn greet(&mut self, talk: &mut Talk<Self>) -> Result<(), DriverError> {
        let identity = |frame: &Frame| match &frame.body {
            Body::Identity(identity) => Some(identity.clone()),
            _ => None,
        };
        let identity = talk.ask(&self.frame(Body::Ping), identity).await?;
        self.device = identity.device;
        self.place = Place::on(&identity, &self.settings);
        let said = Observation::Identity(identity_of(&identity));
        talk.outlet().deliver(said).await?;
        if self.settings.remove_at_start {
            let told = talk.tell(&self.frame(Body::Remove(Vec::new()))).await?;
            // A card that refuses has none, or shows them: either way it is there.
            let _ = told.ok_or_else(|| talk.silent())?;
        }
        Ok(())
    }

    async fn probe(&mut self, talk: &mut Talk<Self>) -> Result<Option<String>, DriverError> {
        let status = |frame: &Frame| match frame.body {
            Body::Status(status) => Some(status),
            _ => None,
        };
        let status = talk.ask(&self.frame(Body::AskStatus), status).await?;
        self.is_locked = status.is_locked;
        if self.font.is_err() {
            // It may have been installed meanwhile.
            self.font = Font::installed();
        }
        Ok(self.trouble())
    }

    fn trouble(&self) -> Option<String> {
        let locked = "the screen is locked and shows the same until unlocked";
        match (&self.place, &self.font) {
            (Err(trouble), _) => Some(trouble.clone()),
            _ if self.is_locked => Some(locked.into()),
            (_, Err(error)) => Some(error.to_string()),
            _ if self.missing.is_empty() => None,
            _ => Some(format!("the font lacks {}", self.missing)),
        }
    }

    fn request(&mut self, command: &Command) -> Result<Vec<u8>, String> {
        let body = match command {
            Command::Power { on } => Body::Power(*on),
            Command::Restart {} => return Err("a graphic card cannot be restarted".into()),
            Command::Display(display) => {
                let text = self.settings.wording.text(display);
                self.show(&text)?
            }
        };
        Ok(self.frame(body))
    }

    fn answer(frame: &Frame) -> Option<Answer> {
        match frame.body {
            Body::Ack => Some(Ok(())),
            Body::Nack(nack) => Some(Err(nack)),
            _ => None,
        }
    }
}

impl Place {
    /// Where the settings want texts on the screen of a card.
    fn on(card: &Identity, settings: &Settings) -> Result<Self, String> {
        if !card.is_set_up {
            return Err("nobody told the card what its screen is like".into());
        }
        let colours = card.colours;
        let lamps = Lamps::from_code(colours);
        let lamps = lamps.ok_or_else(|| format!("the card has lamps nobody knows: {colours:02X}"))?;
        let (x, y) = (settings.x, settings.y);
        let width = settings.width.unwrap_or(card.width.saturating_sub(x));
        let height = settings.height.unwrap_or(card.height.saturating_sub(y));
        let ends = |start: u16, length: u16, end: u16| {
            length > 0 && u32::from(start) + u32::from(length) <= u32::from(end)
        };
        if !ends(x, width, card.width) || !ends(y, height, card.height) {
            let screen = format!("{}×{}", card.width, card.height);
            return Err(format!("the area {width}×{height} at {x},{y} is not on the screen of {screen}"));
        }
        if lamps.length(x, width, height) > PICTURE_MAX {
            return Err(format!("the area {width}×{height} is too large for one frame"));
        }
        Ok(Self {
            x,
            y,
            width,
            height,
            lamps,
        })
    }
}

pub(super) fn identity_of(identity: &Identity) -> DeviceIdentity {
    let named = model(identity.device).map(str::to_owned);
    let firmware = Some(identity.firmware.clone());
    DeviceIdentity {
        vendor: Some("Onbon".into()),
        model: Some(named.unwrap_or_else(|| format!("BX type {:04X}", identity.device))),
        serial: identity.barcode.clone(),
        firmware: firmware.filter(|firmware| !firmware.is_empty()),
        ..DeviceIdentity::default()
    }
}
