use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::UnixTime;
use rustls::server::WebPkiClientVerifier;

use super::*;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("zhiban-ca-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn file(&self) -> PathBuf {
        self.0.join("authority.pem")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn request(params: &CertificateParams) -> String {
    let key = KeyPair::generate().unwrap();
    params.serialize_request(&key).unwrap().pem().unwrap()
}

/// Whether a server that trusts `authority` lets this client in.
fn is_let_in(authority: &Authority, client: &CertificateDer<'static>) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let verifier = verifier.build().unwrap();
    verifier
        .verify_client_cert(client, &[], UnixTime::now())
        .is_ok()
}

#[test]
fn it_is_made_once_and_stays_the_same() {
    let folder = Folder::new("stays");
    let made = Authority::open(&folder.file(), "hall").unwrap();
    let again = Authority::open(&folder.file(), "another name").unwrap();
    assert_eq!(made.fingerprint(), again.fingerprint());
    assert_eq!(made.pem(), again.pem());
    let mode = fs::metadata(folder.file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "its key is nobody else's");
    assert!(!made.pem().contains("PRIVATE"));
    let member = again.sign_member(
        &request(&CertificateParams::default()),
        "kiosk-1",
        DEVICE_DAYS,
    );
    assert!(is_let_in(&made, &member.unwrap().certificate));
}

#[test]
fn a_broken_file_is_named_and_left_alone() {
    let folder = Folder::new("broken");
    Authority::open(&folder.file(), "hall").unwrap();
    let whole = fs::read_to_string(folder.file()).unwrap();
    let key_only = whole.split("-----BEGIN CERTIFICATE").next().unwrap();
    for broken in ["", "nonsense", key_only] {
        fs::write(folder.file(), broken).unwrap();
        let error = Authority::open(&folder.file(), "hall").unwrap_err();
        assert!(error.to_string().contains("authority.pem"), "{error}");
        assert_eq!(fs::read_to_string(folder.file()).unwrap(), broken);
    }
}

#[test]
fn a_member_gets_its_name_and_no_more_than_it_may_have() {
    let folder = Folder::new("member");
    let authority = Authority::open(&folder.file(), "hall").unwrap();
    let mut wish = CertificateParams::default();
    wish.distinguished_name
        .push(DnType::CommonName, "somebody-else");
    wish.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    wish.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let signed = authority
        .sign_member(&request(&wish), "kiosk-1", DEVICE_DAYS)
        .unwrap();
    let text = |part: &str| {
        let holds = |window: &[u8]| window == part.as_bytes();
        signed.certificate.windows(part.len()).any(holds)
    };
    assert!(text("kiosk-1") && !text("somebody-else"));
    assert!(is_let_in(&authority, &signed.certificate));
    assert!(signed.until > real_now() + DAY * 365 * 9);
    let server = authority.issue_server(&["192.168.1.10".into()]).unwrap();
    assert!(!is_let_in(&authority, &server.chain[0]), "no client");
}

#[test]
fn a_member_of_another_authority_is_a_stranger() {
    let (folder, other) = (Folder::new("one"), Folder::new("other"));
    let authority = Authority::open(&folder.file(), "hall").unwrap();
    let stranger = Authority::open(&other.file(), "hall").unwrap();
    let signed = stranger.sign_member(
        &request(&CertificateParams::default()),
        "kiosk-1",
        DEVICE_DAYS,
    );
    assert!(!is_let_in(&authority, &signed.unwrap().certificate));
}

#[test]
fn a_request_must_be_one_and_of_the_owner_of_the_key() {
    let good = request(&CertificateParams::default());
    assert!(check_request(&good).is_ok());
    assert!(check_request("").is_err() && check_request("-----BEGIN").is_err());
    let folder = Folder::new("request");
    let authority = Authority::open(&folder.file(), "hall").unwrap();
    assert!(check_request(authority.pem()).is_err(), "a certificate");
    // Each letter of its key and signature counts.
    let lines: Vec<&str> = good.lines().collect();
    let mut forged: Vec<String> = lines.iter().map(ToString::to_string).collect();
    let last = lines.len() - 2;
    forged[last] = forged[last].chars().map(other_letter).collect();
    assert!(check_request(&forged.join("\n")).is_err());
}

fn other_letter(letter: char) -> char {
    match letter {
        'A' => 'B',
        '=' => '=',
        _ => 'A',
    }
}

#[test]
fn a_wrong_name_is_named() {
    let folder = Folder::new("name");
    let authority = Authority::open(&folder.file(), "hall").unwrap();
    let error = authority.issue_server(&["大厅".into()]).unwrap_err();
    assert!(error.to_string().starts_with("name \"大厅\""), "{error}");
}

fn shown(authority: Authority) -> Shown {
    let source = Source::Authority {
        authority: Arc::new(authority),
        names: vec!["hall.example".into()],
    };
    Shown::new(source, None).unwrap()
}

#[test]
fn a_servers_certificate_is_made_for_the_address_and_anew_in_time() {
    let folder = Folder::new("shown");
    let shown = shown(Authority::open(&folder.file(), "hall").unwrap());
    let start: jiff::Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
    let day = jiff::SignedDuration::from_hours(24);
    let (here, there) = ([10, 0, 0, 1].into(), [192, 168, 1, 7].into());
    let at = |local, time| shown.at(local, time).unwrap();
    let first = at(here, start);
    assert!(Arc::ptr_eq(&first, &at(here, start + 29 * day)));
    assert!(!Arc::ptr_eq(&first, &at(there, start)), "another address");
    let second = at(here, start + 31 * day);
    assert!(!Arc::ptr_eq(&first, &second));
    assert!(
        !Arc::ptr_eq(&second, &at(here, start)),
        "the clock was set back"
    );
}

#[test]
fn certificates_of_files_are_read_anew_and_a_bad_file_changes_nothing() {
    let folder = Folder::new("files");
    let authority = Authority::open(&folder.file(), "company").unwrap();
    let (certificate, key) = (folder.0.join("panel.pem"), folder.0.join("panel.key"));
    let key_pair = KeyPair::generate().unwrap();
    let params = params("panel.example", 30);
    let made = params.signed_by(&key_pair, &authority.issuer).unwrap();
    fs::write(&certificate, made.pem()).unwrap();
    let source = || Source::Files {
        certificate: certificate.clone(),
        key: key.clone(),
    };
    let missing = Shown::new(source(), None).unwrap_err().to_string();
    assert!(missing.contains("panel.key"), "{missing}");
    fs::write(&key, key_pair.serialize_pem()).unwrap();
    let shown = Shown::new(source(), None).unwrap();
    let start: jiff::Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
    let hour = jiff::SignedDuration::from_hours(1);
    let at = |time| shown.at([10, 0, 0, 1].into(), time).unwrap();
    let first = at(start);
    let second = at(start + 2 * hour);
    assert!(!Arc::ptr_eq(&first, &second), "read anew");
    fs::write(&key, "no key").unwrap();
    assert!(Arc::ptr_eq(&second, &at(start + 4 * hour)), "shown on");
}

#[test]
fn a_server_certificate_spans_no_more_than_browsers_take() {
    let folder = Folder::new("span");
    let authority = Authority::open(&folder.file(), "hall").unwrap();
    let identity = authority.issue_server(&["box.example".into()]).unwrap();
    let file = folder.0.join("server.der");
    fs::write(&file, &identity.chain[0]).unwrap();
    let seconds = |which: &str| {
        let shell = format!(
            "date -u +%s -d \"$(openssl x509 -inform der -noout -{which} -in {} | cut -d= -f2)\"",
            file.display()
        );
        let said = std::process::Command::new("sh")
            .args(["-c", &shell])
            .output()
            .unwrap();
        String::from_utf8(said.stdout)
            .unwrap()
            .trim()
            .parse::<i64>()
            .unwrap()
    };
    let days = (seconds("enddate") - seconds("startdate")) / 86_400;
    assert!((398..=825).contains(&days), "{days} days");
}
