//! The encrypted door, with TLS clients that hold certificates of the right and the wrong hands.

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use zhiban_config::gateway::MqttTls;
use zhiban_kernel::authority::DEVICE_DAYS;

use super::*;
use crate::devices::Proof;

type TlsPeer = Peer<TlsStream<TcpStream>>;

/// A key and what it was signed with.
struct Credential {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Credential {
    fn of(authority: &Authority, name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let request = CertificateParams::default().serialize_request(&key);
        let request = request.unwrap().pem().unwrap();
        Self {
            certificate: authority
                .sign_member(&request, name, DEVICE_DAYS)
                .unwrap()
                .certificate,
            key: PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        }
    }

    fn proof(&self) -> Proof {
        Proof::Certificate(self.certificate.to_vec())
    }
}

async fn open(name: &str) -> Hall {
    let tls = MqttTls {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        names: vec!["zhiban-hall.local".into()],
    };
    Hall::open_with(name, |mqtt| mqtt.tls = Some(tls)).await
}

impl Hall {
    fn authority(&self) -> &Authority {
        self.shared.joining.authority()
    }

    /// A device with a certificate in place of its secret.
    async fn certified(&self, id: &str) -> Credential {
        self.register(id).await;
        let credential = Credential::of(self.authority(), id);
        let devices = &self.shared.devices;
        let trusted = devices.trust(id, &credential.proof(), "test".into()).await;
        trusted.unwrap();
        credential
    }

    /// Shakes hands as a device that calls the door `name` and trusts nobody but the hall.
    async fn shake(&self, name: &str, credential: Option<&Credential>) -> std::io::Result<TlsPeer> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority().certificate().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match credential {
            Some(Credential { certificate, key }) => config
                .with_client_auth_cert(vec![certificate.clone()], key.clone_key())
                .unwrap(),
            None => config.with_no_client_auth(),
        };
        // Little room, so that the door feels it when the device does not read.
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(16 << 10)?;
        let stream = socket.connect(self.tls.unwrap()).await?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        Ok(Peer {
            stream: connector.connect(name, stream).await?,
            input: BytesMut::new(),
        })
    }

    /// The answer to a CONNECT; with TLS 1.3 only it tells whether the handshake was accepted.
    async fn answer(&self, credential: Option<&Credential>, connect: &[u8]) -> Vec<u8> {
        match self.shake("127.0.0.1", credential).await {
            Ok(mut peer) => {
                peer.send(connect).await;
                peer.raw().await
            }
            Err(_) => Vec::new(),
        }
    }
}

/// CONNECT of 3.1.1 without user name and password.
fn anonymous(id: &str) -> Vec<u8> {
    let mut body = text("MQTT");
    body.extend([4, 2, 0, 30]);
    body.extend(text(id));
    packet(0x10, &body)
}

const WELCOME: [u8; 4] = [0x20, 2, 0, 0];
const WRONG_ID: [u8; 4] = [0x20, 2, 0, 2];
const WRONG_PASSWORD: [u8; 4] = [0x20, 2, 0, 4];

#[tokio::test]
async fn a_device_signs_in_with_its_certificate_alone() {
    let hall = open("certificate").await;
    let credential = hall.certified("tm-1").await;
    let mut device = hall.shake("127.0.0.1", Some(&credential)).await.unwrap();
    device.send(&anonymous("tm-1")).await;
    assert_eq!(device.raw().await, WELCOME);
    let (topic, payload) = issued("tm-1", 1);
    device.acknowledged(&topic, &payload, 1, 0).await;
    assert_eq!(hall.reports().await, 1);
}

#[tokio::test]
async fn a_certificate_is_good_for_its_own_device_only() {
    let hall = open("own").await;
    let first = hall.certified("tm-1").await;
    let second = hall.certified("tm-2").await;
    let answer = hall.answer(Some(&first), &anonymous("tm-2")).await;
    assert_eq!(answer, WRONG_ID);
    let posing = login("tm-2", "x").bytes();
    assert_eq!(hall.answer(Some(&first), &posing).await, WRONG_PASSWORD);
    assert_eq!(hall.answer(Some(&second), &posing).await, WELCOME);
    // One with the right name that the hall signed, but never gave to this device.
    let forged = Credential::of(hall.authority(), "tm-1");
    let answer = hall.answer(Some(&forged), &anonymous("tm-1")).await;
    assert_eq!(answer, WRONG_PASSWORD[..], "unknown");
}

#[tokio::test]
async fn a_certificate_of_other_hands_ends_the_handshake() {
    let hall = open("hands").await;
    hall.certified("tm-1").await;
    let other = Authority::open(&hall.folder.join("other.pem"), "hall").unwrap();
    let stranger = Credential::of(&other, "tm-1");
    let before = hall.shared.refused.load(Ordering::Relaxed);
    let shaken = hall.shake("127.0.0.1", Some(&stranger)).await;
    if let Ok(mut peer) = shaken {
        let _ = peer.stream.write_all(&anonymous("tm-1")).await;
        assert_eq!(peer.raw().await, Vec::<u8>::new());
    }
    eventually(async || hall.shared.refused.load(Ordering::Relaxed) > before).await;
}

#[tokio::test]
async fn a_new_secret_ends_what_the_certificate_was_worth() {
    let hall = open("renewed").await;
    let credential = hall.certified("tm-1").await;
    let trusted = Proof::Password("a new one".into());
    let devices = &hall.shared.devices;
    devices
        .trust("tm-1", &trusted, "test".into())
        .await
        .unwrap();
    let answer = hall.answer(Some(&credential), &anonymous("tm-1")).await;
    assert_eq!(answer, WRONG_PASSWORD);
    let with_password = login("tm-1", "a new one").bytes();
    assert_eq!(hall.answer(None, &with_password).await, WELCOME);
    assert_eq!(
        hall.answer(None, &login("tm-1", "wrong").bytes()).await,
        WRONG_PASSWORD
    );
}

#[tokio::test]
async fn the_door_shows_who_it_is() {
    let hall = open("shows").await;
    for name in ["127.0.0.1", "zhiban-hall.local"] {
        assert!(hall.shake(name, None).await.is_ok(), "{name}");
    }
    for name in ["192.168.1.1", "zhiban-other.local"] {
        assert!(hall.shake(name, None).await.is_err(), "{name}");
    }
}

#[tokio::test]
async fn silence_and_noise_keep_nobody_waiting() {
    let hall = open("silence").await;
    let credential = hall.certified("tm-1").await;
    let address = hall.tls.unwrap();
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(&anonymous("tm-1")).await.unwrap();
    let connect = anonymous("tm-1");
    let answer = hall.answer(Some(&credential), &connect);
    let answer = tokio::time::timeout(Duration::from_secs(3), answer).await;
    assert_eq!(answer.expect("had to wait"), WELCOME);
    let mut rest = Vec::new();
    let _ = plain.read_to_end(&mut rest).await;
    assert_ne!(rest.first(), Some(&0x20), "MQTT without TLS was served");
}

#[tokio::test]
async fn what_tls_holds_back_is_sent_as_soon_as_the_device_reads() {
    let hall = open("held").await;
    let credential = hall.certified("tm-1").await;
    let mut device = hall.shake("127.0.0.1", Some(&credential)).await.unwrap();
    device.send(&anonymous("tm-1")).await;
    assert_eq!(device.raw().await, WELCOME);
    device.subscribed("te/device/tm-1/#", 0).await;
    let broker = Broker(Arc::clone(&hall.shared));
    let payload = "x".repeat(30_000);
    // More than the kernel takes, and no faster than the door takes it from the router.
    for _ in 0..200 {
        let topic = "te/device/tm-1///cmd/text/1";
        let sent = broker.publish(topic, payload.clone().into(), false);
        sent.await.unwrap();
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    for number in 0..200 {
        assert_eq!(device.message().await.1.len(), 30_000, "message {number}");
    }
}
