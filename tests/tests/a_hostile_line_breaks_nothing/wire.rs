//! Bytes and how to spoil them.

use std::net::SocketAddr;
use std::sync::Arc;

use rand::RngExt as _;
use rand::rngs::StdRng;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use zhiban_gateway::federation::Member;
use zhiban_vocabulary::enrolment::{ALPN_LINE, CENTRE_NAME};

/// Changes, cuts, doubles or fills up bytes.
pub(crate) fn spoil(bytes: &[u8], rng: &mut StdRng) -> Vec<u8> {
    let mut spoilt = bytes.to_vec();
    for _ in 0..rng.random_range(1..4) {
        let at = rng.random_range(0..=spoilt.len());
        match rng.random_range(0..5) {
            0 => spoilt.truncate(at),
            1 => spoilt
                .splice(at..at, (0..rng.random_range(1..64)).map(|_| rng.random()))
                .for_each(drop),
            2 => spoilt.extend_from_slice(&bytes[..at.min(bytes.len())]),
            _ => {
                let length = spoilt.len();
                if let Some(byte) = spoilt.get_mut(at.min(length.saturating_sub(1))) {
                    *byte ^= 1 << rng.random_range(0..8);
                }
            }
        }
    }
    spoilt
}

fn config(member: Option<&Member>, roots: RootCertStore) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match member {
        None => config.with_no_client_auth(),
        Some(member) => {
            let key = member.private.clone_key();
            config
                .with_client_auth_cert(vec![member.certificate.clone()], key)
                .unwrap()
        }
    };
    config.alpn_protocols = vec![ALPN_LINE.to_vec()];
    config
}

/// The first flight of a client, as a wire carries it.
pub(crate) async fn client_hello() -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connector = TlsConnector::from(Arc::new(config(None, RootCertStore::empty())));
    let client = async move {
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from(CENTRE_NAME).unwrap();
        drop(connector.connect(name, stream).await);
    };
    let server = async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hello = vec![0; 4_096];
        let length = stream.read(&mut hello).await.unwrap();
        hello.truncate(length);
        hello
    };
    tokio::join!(client, server).1
}

/// A line through mutual TLS, as a member's box opens it.
pub(crate) async fn line(door: &str, member: &Member) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(member.authority.clone()).unwrap();
    let connector = TlsConnector::from(Arc::new(config(Some(member), roots)));
    let stream = TcpStream::connect(door).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from(CENTRE_NAME).map_err(std::io::Error::other)?;
    connector.connect(name, stream).await
}

/// Passes on what a session of zenoh says, once; after its handshake each of its frames is followed by
/// spoilt ones. Gives how many the centre took before it closed.
pub(crate) async fn spoil_session(
    listener: TcpListener,
    mut line: TlsStream<TcpStream>,
    mut rng: StdRng,
    spoilt_max: u64,
) -> u64 {
    /// Frames of the handshake: init and open.
    const HANDSHAKE: u32 = 2;
    let Ok((client, _)) = listener.accept().await else {
        return 0;
    };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut sent, mut frames) = (0, 0);
    let mut answer = vec![0; 65_536];
    while sent < spoilt_max {
        tokio::select! {
            frame = read_frame(&mut from_client) => {
                let Ok(frame) = frame else { break };
                if line.write_all(&frame).await.is_err() { break }
                frames += 1;
                if frames <= HANDSHAKE { continue }
                for _ in 0..16 {
                    let spoilt = framed(&spoil(&frame[2..], &mut rng));
                    if line.write_all(&spoilt).await.is_err() { return sent }
                    sent += 1;
                }
            }
            read = line.read(&mut answer) => {
                let Ok(length @ 1..) = read else { break };
                if to_client.write_all(&answer[..length]).await.is_err() { break }
            }
        }
    }
    sent
}

async fn read_frame(client: &mut (impl tokio::io::AsyncRead + Unpin)) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 2];
    client.read_exact(&mut length).await?;
    let mut frame = length.to_vec();
    frame.resize(2 + usize::from(u16::from_le_bytes(length)), 0);
    client.read_exact(&mut frame[2..]).await?;
    Ok(frame)
}

fn framed(body: &[u8]) -> Vec<u8> {
    let body = &body[..body.len().min(usize::from(u16::MAX))];
    let length = u16::try_from(body.len()).unwrap_or(u16::MAX);
    [&length.to_le_bytes()[..], body].concat()
}

/// A port of our own that leads through mutual TLS to the door, for as long as `task` runs.
pub(crate) async fn pipe(
    door: String,
    member: Arc<Member>,
) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        while let Ok((mut plain, _)) = listener.accept().await {
            let Ok(mut line) = line(&door, &member).await else {
                continue;
            };
            tokio::spawn(async move {
                let _ = tokio::io::copy_bidirectional(&mut plain, &mut line).await;
            });
        }
    });
    (address, task)
}
