//! A hall joins the fleet with a code, and from then on only what it signs is taken for its word:
//! wrong, expired and revoked certificates, other stores and plain text are sent away. Foreign
//! clients: OpenSSL and curl.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;
use zhiban_kernel::authority::new_member_key;
use zhiban_sync::seal::{Purpose, SigningKey};
use zhiban_tests::harness::configs::{self, Folder};
use zhiban_tests::harness::firewall::Firewall;
use zhiban_tests::harness::stage::{Centre, Hall};
use zhiban_tests::harness::wait::{seen, until};
use zhiban_tests::harness::{Account, Ended, HttpError};

const SOON: Duration = Duration::from_secs(60);

async fn enrol(manager: &Account, door: &str, code: &str) -> Result<Value, HttpError> {
    let body = json!({"centre": door, "code": code});
    manager.post("/api/v1/uplink/enrol", &body).await
}

async fn code(centre: &Centre, store: &str) -> String {
    let path = format!("/api/v1/trust/{store}/code");
    let made: Value = centre.operator.post(&path, &json!({})).await.unwrap();
    made["code"].as_str().unwrap().to_owned()
}

/// Whether the hall's line stands, with nothing waiting.
async fn level(manager: &Account) -> Result<(), String> {
    let floor: Result<Value, _> = manager.get("/api/v1/floor").await;
    let floor = floor.map_err(|error| error.to_string())?;
    let uplink = &floor["freshness"]["uplink"];
    let is_level = uplink["connected"] == true && uplink["backlog"] == 0;
    seen(is_level, uplink.to_string())
}

/// The name the centre knows a hall by, once its profile came.
async fn named(centre: &Centre, store: &str) -> Result<(), String> {
    let halls: Result<Value, _> = centre.operator.get("/api/v1/halls").await;
    let halls = halls.map_err(|error| error.to_string())?;
    let all = halls["halls"].as_array().ok_or("no halls")?;
    let found = all.iter().find(|hall| hall["store"] == store);
    seen(
        found.is_some_and(|hall| hall["name"] == store),
        halls.to_string(),
    )
}

fn refused_because(result: Result<Value, HttpError>, reason: &str) {
    match result {
        Err(HttpError::Refused { body, .. }) => {
            let body: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(body["error"]["reason"], reason, "{body}");
        }
        other => panic!("expected {reason}, got {other:?}"),
    }
}

/// None of these lets the hall in; gives the code that would.
async fn wrong_codes(centre: &Centre, manager: &Account, door: &str) -> String {
    let right = code(centre, "join-hall").await;
    refused_because(enrol(manager, door, "ABCD").await, "enrol-code-form");
    refused_because(
        enrol(manager, "127.0.0.1:1", &right).await,
        "enrol-unreachable",
    );
    // The last letters are the secret, the first ones name the authority.
    let wrong = format!(
        "{}{}",
        &right[..25],
        if right.ends_with("ZZZZ") {
            "0000"
        } else {
            "ZZZZ"
        }
    );
    refused_because(enrol(manager, door, &wrong).await, "enrol-code-refused");
    let elsewhere = format!(
        "{}{}",
        if right.starts_with("ZZZZ") {
            "0000"
        } else {
            "ZZZZ"
        },
        &right[4..]
    );
    refused_because(enrol(manager, door, &elsewhere).await, "enrol-other-centre");
    let of_another = code(centre, "other-hall").await;
    refused_because(
        enrol(manager, door, &of_another).await,
        "enrol-code-refused",
    );
    right
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hall_joins_with_a_code_and_is_shut_out_and_let_in_again() {
    let folder = Folder::new("joins");
    let mut centre = Centre::start(folder.path(), None).await;
    let door = centre.running.addresses.door.clone().unwrap();
    let hall = Hall::prepare(folder.path(), "join-hall", &[], |config| {
        let uplink = toml::toml! { heartbeat_s = 2 };
        config.insert("uplink".into(), uplink.into());
    })
    .await;
    let (mut running, manager) = hall.open().await;
    let alone: Value = manager.get("/api/v1/uplink").await.unwrap();
    assert_eq!(alone["member"], Value::Null);

    let right = wrong_codes(&centre, &manager, &door).await;
    let member = enrol(&manager, &door, &right.to_lowercase()).await.unwrap();
    let trust: Value = centre.operator.get("/api/v1/trust").await.unwrap();
    assert_eq!(member["member"]["fingerprint"], trust["fingerprint"]);
    until("it is level", SOON, async || level(&manager).await).await;
    until("it is known", SOON, async || {
        named(&centre, "join-hall").await
    })
    .await;
    refused_because(enrol(&manager, &door, &right).await, "enrol-code-refused");

    let path = "/api/v1/trust/join-hall/revoke";
    let why = json!({"reason": "stolen"});
    let _: Value = centre.operator.post(path, &why).await.unwrap();
    until("the hall learns that it is shut out", SOON, async || {
        let floor: Value = manager
            .get("/api/v1/floor")
            .await
            .map_err(|e| e.to_string())?;
        let uplink = &floor["freshness"]["uplink"];
        let problem = uplink["problem"].as_str().unwrap_or_default();
        let is_told = uplink["shut_out"] == true && problem.contains("counts no longer");
        seen(is_told, uplink.to_string())
    })
    .await;
    let again = code(&centre, "join-hall").await;
    enrol(&manager, &door, &again).await.unwrap();
    until("it is level again", SOON, async || level(&manager).await).await;
    for program in [&mut running, &mut centre.running] {
        assert_eq!(program.stop().await.unwrap(), Ended::Cleanly);
    }
}

/// A certificate and its key as files for foreign clients.
struct Shown {
    certificate: PathBuf,
    key: PathBuf,
}

impl Shown {
    fn save(folder: &Path, name: &str, certificate: &str, key: &str) -> Self {
        let shown = Self {
            certificate: folder.join(format!("{name}.crt")),
            key: folder.join(format!("{name}.key")),
        };
        std::fs::write(&shown.certificate, certificate).unwrap();
        std::fs::write(&shown.key, key).unwrap();
        shown
    }

    /// What the hall keeps.
    fn of_hall(folder: &Path, hall: &Hall) -> Self {
        let kept = std::fs::read(hall.program.data.join("centre.json")).unwrap();
        let kept: Value = serde_json::from_slice(&kept).unwrap();
        let text = |key: &str| kept[key].as_str().unwrap();
        Self::save(folder, &hall.store, text("certificate"), text("key"))
    }

    /// Signed by `authority` for `hall`, with an end long ago or to come.
    fn signed(folder: &Path, name: &str, authority: &str, end: i32) -> Self {
        let key = KeyPair::from_pem(authority).unwrap();
        let issuer = Issuer::from_ca_cert_pem(certificate_in(authority), key);
        let key = new_member_key().unwrap();
        let key = KeyPair::from_pem(&key).unwrap();
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "good-hall");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = rcgen::date_time_ymd(2025, 1, 1);
        params.not_after = rcgen::date_time_ymd(end, 1, 1);
        let certificate = params.signed_by(&key, &issuer.unwrap()).unwrap();
        Self::save(folder, name, &certificate.pem(), &key.serialize_pem())
    }
}

/// Everybody who comes to the door.
struct Clients {
    good: Shown,
    other: Shown,
    /// Shut out.
    stolen: Shown,
    /// Signed by another authority.
    forged: Shown,
    expired: Shown,
    /// Signed with the authority's key, and unknown to the centre.
    unknown: Shown,
    /// The centre's authority, and another.
    trust: PathBuf,
    strange: PathBuf,
}

impl Clients {
    async fn make(folder: &Path, centre: &Centre) -> Self {
        let mut halls = Vec::new();
        for store in ["good-hall", "other-hall", "stolen-hall"] {
            let hall = Hall::prepare(folder, store, &[], |_| {}).await;
            centre.enrol(&hall).await;
            halls.push(Shown::of_hall(folder, &hall));
        }
        let why = json!({"reason": "stolen"});
        let path = "/api/v1/trust/stolen-hall/revoke";
        let _: Value = centre.operator.post(path, &why).await.unwrap();
        let authority = centre.running.program.data.join("authority.pem");
        let own = std::fs::read_to_string(&authority).unwrap();
        let other = another_authority();
        let (trust, strange) = (folder.join("trust.pem"), folder.join("strange.pem"));
        std::fs::write(&trust, certificate_in(&own)).unwrap();
        std::fs::write(&strange, certificate_in(&other)).unwrap();
        let mut halls = halls.into_iter();
        let mut next = || halls.next().unwrap();
        Self {
            good: next(),
            other: next(),
            stolen: next(),
            forged: Shown::signed(folder, "forged", &other, 2999),
            expired: Shown::signed(folder, "expired", &own, 2026),
            unknown: Shown::signed(folder, "unknown", &own, 2999),
            trust,
            strange,
        }
    }
}

fn another_authority() -> String {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    key.serialize_pem() + &certificate.pem()
}

/// The part of an authority's file that others may have.
fn certificate_in(text: &str) -> &str {
    &text[text.find("-----BEGIN CERTIFICATE").unwrap()..]
}

/// What curl gets for a message: HTTP status and body, or its exit.
async fn post(door: &str, trust: &Path, shown: Option<&Shown>, message: &[u8]) -> String {
    let file = trust.with_extension("message");
    std::fs::write(&file, message).unwrap();
    let name = zhiban_vocabulary::enrolment::CENTRE_NAME;
    let (_, port) = door.rsplit_once(':').unwrap();
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "20", "--http1.1"])
        .args(["--noproxy", "*", "--write-out", " %{http_code}"])
        .args(["--connect-to", &format!("{name}:{port}:{door}")])
        .arg("--cacert")
        .arg(trust)
        .arg("--data-binary")
        .arg(format!("@{}", file.display()));
    if let Some(shown) = shown {
        curl.arg("--cert").arg(&shown.certificate);
        curl.arg("--key").arg(&shown.key);
    }
    curl.arg(format!("https://{name}:{port}/v1/up"));
    let output = curl.output().await.unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// How long the line stays open for OpenSSL: whether zenoh's door lets it through.
async fn line_is_carried(door: &str, trust: &Path, shown: Option<&Shown>) -> bool {
    let mut client = Command::new("openssl");
    client
        .args([
            "s_client",
            "-quiet",
            "-verify_return_error",
            "-alpn",
            "zhiban-line/1",
        ])
        .args([
            "-verify_hostname",
            zhiban_vocabulary::enrolment::CENTRE_NAME,
        ])
        .args(["-connect", door, "-CAfile"])
        .arg(trust)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true);
    if let Some(shown) = shown {
        client.arg("-cert").arg(&shown.certificate);
        client.arg("-key").arg(&shown.key);
    }
    let mut client = client.spawn().unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(3), client.wait()).await;
    ended.is_err()
}

/// An empty batch of `store`, signed with the key in `shown`.
fn sealed(shown: &Shown, store: &str) -> Vec<u8> {
    let key = KeyPair::from_pem(&std::fs::read_to_string(&shown.key).unwrap()).unwrap();
    let key = SigningKey::from_pkcs8(&key.serialize_der()).unwrap();
    let batch = json!({"batch": {"protocol": 1, "store": store, "epoch": 7, "lane": "history",
        "claims": {"live": {"born": 0, "settled": 0}, "history": {"born": 0, "settled": 0}},
        "envelopes": []}});
    key.seal(
        Purpose::Up,
        &store.parse().unwrap(),
        batch.to_string().as_bytes(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_expired_revoked_and_other_stores_are_sent_away() {
    let folder = Folder::new("strangers");
    let mut centre = Centre::start(folder.path(), None).await;
    let door = centre.running.addresses.door.clone().unwrap();
    let clients = Clients::make(folder.path(), &centre).await;
    let Clients {
        good, other, trust, ..
    } = &clients;
    let said = post(&door, trust, Some(good), &sealed(good, "good-hall")).await;
    assert!(
        said.contains("\"committed\"") && said.ends_with("200"),
        "{said}"
    );
    assert!(line_is_carried(&door, trust, Some(good)).await);
    for (who, shown) in [
        ("nobody", None),
        ("forged", Some(&clients.forged)),
        ("expired", Some(&clients.expired)),
        ("unknown", Some(&clients.unknown)),
        ("revoked", Some(&clients.stolen)),
    ] {
        let message = sealed(shown.unwrap_or(good), "good-hall");
        let said = post(&door, trust, shown, &message).await;
        let is_away = said.contains("certificate") || said.contains("alert");
        assert!(is_away && !said.ends_with("200"), "{who}: {said}");
        assert!(!line_is_carried(&door, trust, shown).await, "{who}");
    }
    // A member that speaks for another, and another's message that somebody recorded.
    let signed_by_other = sealed(other, "good-hall");
    let recorded = sealed(good, "good-hall");
    for (what, message) in [("own key", signed_by_other), ("recorded", recorded)] {
        let said = post(&door, trust, Some(other), &message).await;
        assert!(said.contains("not signed by this store"), "{what}: {said}");
    }
    let unsigned = post(&door, trust, Some(good), b"{}").await;
    assert!(unsigned.contains("not signed"), "{unsigned}");
    // A client that trusts somebody else does not speak to the centre either.
    let said = post(
        &door,
        &clients.strange,
        Some(good),
        &sealed(good, "good-hall"),
    )
    .await;
    assert!(
        said.contains("unable to get local issuer") || said.contains("SSL certificate"),
        "{said}"
    );
    // And who speaks no TLS hears nothing.
    let mut plain = TcpStream::connect(&door).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    assert_eq!(centre.running.stop().await.unwrap(), Ended::Cleanly);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_zenoh_does_not_get_through_https_does() {
    let folder = Folder::new("firewall");
    let mut centre = Centre::start(folder.path(), None).await;
    let door = centre.running.addresses.door.clone().unwrap();
    let firewall = Firewall::before(door).await;
    let hall = Hall::prepare(folder.path(), "fire-hall", &[], |_| {}).await;
    let made = code(&centre, "fire-hall").await;
    let file = hall.program.config.display().to_string();
    let arguments = ["enrol", "--config", &file, "--centre", &firewall.address];
    hall.program
        .command(&arguments, made.into_bytes())
        .await
        .unwrap();
    let (mut running, manager) = hall.open().await;
    until("it is level", SOON, async || level(&manager).await).await;
    until("it is known", SOON, async || {
        named(&centre, "fire-hall").await
    })
    .await;
    // The enrolment, and the connection all messages shared.
    assert!(firewall.requests.load(Ordering::Relaxed) >= 2);
    for program in [&mut running, &mut centre.running] {
        assert_eq!(program.stop().await.unwrap(), Ended::Cleanly);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_says_what_is_wrong_with_a_code() {
    let folder = Folder::new("typed");
    let (hall, _) = configs::hall(folder.path(), "typed-hall").unwrap();
    let file = hall.config.display().to_string();
    for (centre, code, said) in [
        ("127.0.0.1:1", "ABC", "24 letters"),
        (
            "127.0.0.1:1",
            "0000-0000-0000-0000-0000-0000",
            "is not reached",
        ),
        (
            "https://x",
            "0000-0000-0000-0000-0000-0000",
            "expected host",
        ),
    ] {
        let arguments = ["enrol", "--config", &file, "--centre", centre];
        let refused = hall.command(&arguments, code.as_bytes().to_vec()).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(said), "{refused}");
    }
}
