//! The pages of both programs within TLS, as curl and OpenSSL see them: a certificate of the own
//! authority that curl accepts once it knows the authority, nothing older than TLS 1.2, cookies that
//! never go out in the clear, and a certificate of a company's authority in its place.

use std::path::Path;
use std::time::Duration;

use tokio::process::Command;
use zhiban_tests::harness::Running;
use zhiban_tests::harness::configs::{Folder, centre, hall};
use zhiban_tests::harness::peers::{finish, text};

const SOON: Duration = Duration::from_secs(20);

fn encrypt(config: &mut toml::Table, tls: toml::Table) {
    let web = config["web"].as_table_mut().unwrap();
    web.insert("tls".into(), tls.into());
}

fn pages(running: &Running) -> &str {
    let address = running.addresses.webs.as_deref();
    address.expect("encrypted pages")
}

/// What curl says to these arguments; it knows no other authority than `trust`.
async fn curl(trust: &Path, arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--noproxy", "*", "--cacert"]);
    finish(command.arg(trust).args(arguments), SOON).await
}

/// The certificate that browsers are given, fetched on the machine itself.
async fn authority(running: &Running, path: &str, file: &Path) {
    let url = format!("{}{path}", running.url());
    let pem = reqwest::get(url).await.unwrap().text().await.unwrap();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"), "{pem}");
    assert!(!pem.contains("PRIVATE"));
    std::fs::write(file, pem).unwrap();
}

/// Makes the first account; gives the headers of the answer.
async fn set_up(running: &Running, trust: &Path, origin: &str, jar: &Path) -> String {
    let code = running.program.setup_code().expect("a first boot");
    let body = format!(
        r#"{{"code":"{code}","staff":"1001","name":"store IT","password":"quiet river 42"}}"#
    );
    let url = format!("{origin}/api/v1/setup");
    let jar = jar.display().to_string();
    let arguments = ["-i", "-c", &jar, "-H", "Content-Type: application/json"];
    let answer = curl(trust, &[&arguments[..], &["-d", &body, &url]].concat()).await;
    text(&answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_encrypted_with_the_own_authority() {
    let folder = Folder::new("encrypted");
    let (hall, mut config) = hall(folder.path(), "encrypted-hall").unwrap();
    encrypt(&mut config, toml::toml! { listen = "127.0.0.1:0" });
    hall.write_config(&config).unwrap();
    let (central, mut config) = centre(folder.path()).unwrap();
    encrypt(&mut config, toml::toml! { listen = "127.0.0.1:0" });
    central.write_config(&config).unwrap();
    for (program, path) in [
        (hall, "/api/v1/joining/authority.pem"),
        (central, "/api/v1/trust/authority.pem"),
    ] {
        let mut running = program.start().await.unwrap();
        let (trust, jar) = (folder.path().join("ca.pem"), folder.path().join("jar"));
        authority(&running, path, &trust).await;
        let origin = format!("https://{}", pages(&running));
        let answer = set_up(&running, &trust, &origin, &jar).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let set = answer.lines().find(|line| line.starts_with("set-cookie:"));
        let set = set.expect("a cookie");
        assert!(set.starts_with("set-cookie: __Host-"), "{set}");
        assert!(
            set.contains("; Secure") && set.contains("; HttpOnly"),
            "{set}"
        );
        let session = format!("{origin}/api/v1/session");
        let jar = jar.display().to_string();
        let who = text(&curl(&trust, &["-b", &jar, &session]).await);
        assert!(who.contains("store IT"), "{who}");

        // The same cookie in the clear, sent by hand, is nobody's.
        let pair = set.split([' ', ';']).nth(1).unwrap();
        let plain = format!("{}/api/v1/session", running.url());
        let cookie = format!("Cookie: {pair}");
        let who = text(&curl(&trust, &["-H", &cookie, &plain]).await);
        assert!(!who.contains("store IT"), "{who}");
        let stripped = cookie.replace("__Host-", "");
        let who = text(&curl(&trust, &["-H", &stripped, &session]).await);
        assert!(!who.contains("store IT"), "{who}");

        knows_nothing_old(pages(&running)).await;
        running.stop().await.unwrap();
    }
}

/// TLS 1.1 is refused, 1.2 and 1.3 are spoken (OpenSSL).
async fn knows_nothing_old(address: &str) {
    for (version, is_spoken) in [("-tls1_1", false), ("-tls1_2", true), ("-tls1_3", true)] {
        let mut command = Command::new("openssl");
        // Level 0, or OpenSSL itself would not offer what is old.
        command.args([
            "s_client",
            "-connect",
            address,
            version,
            "-cipher",
            "ALL@SECLEVEL=0",
        ]);
        command.stdin(std::process::Stdio::null());
        let output = tokio::time::timeout(SOON, command.output()).await;
        let output = output.expect("an answer in time").unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(
            said.contains("BEGIN CERTIFICATE"),
            is_spoken,
            "{version}: {said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_the_company_takes_the_place_of_ours() {
    let folder = Folder::new("company");
    let (certificate, key) = (
        folder.path().join("panel.pem"),
        folder.path().join("panel.key"),
    );
    let (out, keyout) = (certificate.display().to_string(), key.display().to_string());
    let made = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "30",
        "-subj",
        "/CN=panel.example",
        "-addext",
        "subjectAltName=DNS:panel.example",
        "-out",
        &out,
        "-keyout",
        &keyout,
    ];
    finish(Command::new("openssl").args(made), SOON).await;
    let (hall, mut config) = hall(folder.path(), "company-hall").unwrap();
    let mut tls = toml::toml! { listen = "127.0.0.1:0" };
    tls.insert("certificate".into(), out.clone().into());
    tls.insert("key".into(), keyout.into());
    encrypt(&mut config, tls);
    hall.write_config(&config).unwrap();
    let mut running = hall.start().await.unwrap();
    let address = pages(&running);
    let port = address.rsplit(':').next().unwrap();
    let resolve = format!("panel.example:{port}:127.0.0.1");
    let url = format!("https://panel.example:{port}/health");
    let answer = curl(&certificate, &["--resolve", &resolve, &url]).await;
    assert!(text(&answer).contains("\"status\""), "{answer:?}");
    running.stop().await.unwrap();
}
