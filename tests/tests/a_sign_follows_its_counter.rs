//! A screen over a counter, by paho-mqtt, that forgets what it shows when it has no power
//! (S3-4.1.4-B).

use std::time::Duration;

use serde_json::{Value, json};
use zhiban_tests::harness::configs::Folder;
use zhiban_tests::harness::paho::{Identity, Paho, Version};
use zhiban_tests::harness::stage::Hall;
use zhiban_tests::harness::wait::{seen, until};
use zhiban_tests::harness::{Account, Ended, Running};

const SOON: Duration = Duration::from_secs(20);
const HEALTH: &str = "te/device/sign-3/service/agent/status/health";

struct Sign {
    paho: Paho,
    /// Messages looked at so far.
    read: usize,
}

impl Sign {
    async fn switch_on(gateway: &Running, secret: &str) -> Self {
        let (who, will) = (Identity::of("sign-3", secret), format!("will={HEALTH}"));
        let mut paho = Paho::connect(gateway, Version::V5, who, &[&will]).await;
        paho.subscribe("te/device/sign-3///cmd/display/+").await;
        paho.publish(HEALTH, r#"{"status":"up"}"#).await;
        Self { paho, read: 0 }
    }

    /// Does the next thing it is told; gives what it shows then.
    async fn shows(&mut self) -> String {
        loop {
            let Some(message) = self.paho.messages().get(self.read).map(ToString::to_string) else {
                self.paho.peer.until("message ").await;
                continue;
            };
            self.read += 1;
            // What has ended is cleared by an empty payload.
            let (topic, payload) = message.split_once(' ').unwrap_or_default();
            let mut command: Value = serde_json::from_str(payload).unwrap_or_default();
            if command["status"] == "init" {
                command["status"] = "successful".into();
                self.paho.publish(topic, &command.to_string()).await;
                return command["show"].as_str().unwrap_or_default().to_owned();
            }
        }
    }

    /// Gone without a word.
    async fn lose_power(mut self, manager: &Account) {
        self.paho.peer.process.kill().await.unwrap();
        until("its will says that it is gone", SOON, async || {
            let found: Value = manager.get("/api/v1/devices/sign-3").await.unwrap();
            seen(found["health"]["status"] == "down", found.to_string())
        })
        .await;
    }
}

async fn told(manager: &Account) -> Vec<Value> {
    let found: Value = manager
        .get("/api/v1/devices/sign-3/commands")
        .await
        .unwrap();
    let commands = found["commands"].as_array().unwrap().iter().rev();
    let told = commands.map(|command| json!([command["what"], command["state"]]));
    told.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_that_was_without_power_is_told_what_its_counter_does() {
    let folder = Folder::new("sign");
    let devices = ["sign-3 window-screen 3", "caller-3 caller 3"];
    let hall = Hall::prepare(folder.path(), "sign-hall", &devices, |_| {}).await;
    let (mut gateway, manager) = hall.open().await;
    let [sign_secret, caller_secret] = &hall.secrets[..] else {
        panic!("two secrets")
    };
    let who = Identity::of("caller-3", caller_secret);
    let mut caller = Paho::connect(&gateway, Version::V311, who, &[]).await;
    let mut sign = Sign::switch_on(&gateway, sign_secret).await;

    let open = r#"{"counter":"3","state":"open"}"#;
    caller
        .publish("te/device/caller-3///e/counter.state", open)
        .await;
    assert_eq!(sign.shows().await, "welcome");
    sign.lose_power(&manager).await;

    let mut sign = Sign::switch_on(&gateway, sign_secret).await;
    assert_eq!(sign.shows().await, "welcome", "nothing happened meanwhile");
    until("both are done", SOON, async || {
        let told = told(&manager).await;
        let welcome = json!(["welcome", "successful"]);
        seen(told == [welcome.clone(), welcome], format!("{told:?}"))
    })
    .await;
    drop(caller);
    assert_eq!(gateway.stop().await.unwrap(), Ended::Cleanly);
}
