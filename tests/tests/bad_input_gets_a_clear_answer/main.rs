//! Whatever comes in that is no report: the answer says what and where, the program lives, and a
//! good report right after is taken.

mod packets;
mod payloads;
mod readings;
mod requests;

use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use zhiban_tests::harness::configs::Folder;
use zhiban_tests::harness::stage::Hall;
use zhiban_tests::harness::wire::{RawMqtt, publish};
use zhiban_tests::harness::{Account, Running};

pub(crate) const GOOD: &str = r#"{"ticket":"A1","queue":"A"}"#;
pub(crate) const TOPIC: &[u8] = b"te/device/tm-1///e/ticket.issued";
pub(crate) const SOON: Duration = Duration::from_secs(10);

pub(crate) struct Scene {
    pub(crate) _folder: Folder,
    pub(crate) gateway: Running,
    pub(crate) manager: Account,
    pub(crate) secret: String,
    pub(crate) good: u32,
}

impl Scene {
    pub(crate) async fn open(name: &str, edit: impl FnOnce(&mut toml::Table)) -> Self {
        let folder = Folder::new(name);
        let devices = ["tm-1 ticket-machine"];
        let hall = Hall::prepare(folder.path(), name, &devices, edit).await;
        let (gateway, manager) = hall.open().await;
        let secret = hall.secrets[0].clone();
        Self {
            _folder: folder,
            gateway,
            manager,
            secret,
            good: 0,
        }
    }

    pub(crate) fn mqtt(&self) -> &str {
        self.gateway.addresses.mqtt.as_deref().unwrap()
    }

    /// A good report right after is taken: by MQTT and by HTTP.
    pub(crate) async fn good_report(&mut self, after: &str) {
        self.gateway.check().unwrap();
        let mut device = RawMqtt::sign_in(self.mqtt(), "tm-1", &self.secret, 4).await;
        device.send(&publish(TOPIC, 7, GOOD.as_bytes(), 4)).await;
        assert_eq!(
            device.packet().await,
            Some(vec![0x40, 2, 0, 7]),
            "after {after}"
        );
        let body = format!(
            r#"{{"kind":"ticket.issued","ticket":"H{}","queue":"A"}}"#,
            self.good
        );
        let (status, answer) = self.post(&self.secret, body.into_bytes()).await;
        assert_eq!(
            (status, &answer["accepted"]),
            (StatusCode::OK, &json!(1)),
            "after {after}: {answer}"
        );
        self.good += 2;
    }

    pub(crate) async fn post(&self, secret: &str, body: Vec<u8>) -> (StatusCode, Value) {
        let url = format!("{}/api/v1/reports", self.gateway.url());
        let request = client()
            .post(url)
            .basic_auth("tm-1", Some(secret))
            .body(body);
        let answer = request
            .header("content-type", "application/json")
            .send()
            .await
            .unwrap();
        (answer.status(), answer.json().await.unwrap_or_default())
    }

    pub(crate) async fn newest_letter(&self) -> Value {
        let found: Value = self
            .manager
            .get("/api/v1/dead-letters?limit=1")
            .await
            .unwrap();
        found["letters"][0].clone()
    }

    pub(crate) async fn refusals(&self, code: &str) -> u64 {
        let text = client()
            .get(format!("{}/metrics", self.gateway.url()))
            .send()
            .await
            .unwrap();
        let text = text.text().await.unwrap();
        let label = format!("\"{code}\"");
        let line = text
            .lines()
            .find(|line| line.contains("refused") && line.contains(&label));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
            .unwrap_or(0)
    }
}

pub(crate) fn client() -> Client {
    Client::builder().no_proxy().timeout(SOON).build().unwrap()
}
