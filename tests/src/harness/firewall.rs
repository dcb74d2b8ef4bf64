//! A way that lets only some of the line through.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// A way that lets only some through, as firewalls that look into the first packet do.
#[derive(Debug)]
pub struct Firewall {
    pub address: String,
    pub lets_zenoh_through: Arc<AtomicBool>,
    /// Connections for requests.
    pub requests: Arc<AtomicU32>,
}

impl Firewall {
    /// Stands before the door of a centre.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn before(door: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let firewall = Self {
            address: listener.local_addr().expect("an address").to_string(),
            lets_zenoh_through: Arc::default(),
            requests: Arc::default(),
        };
        let open = Arc::clone(&firewall.lets_zenoh_through);
        let requests = Arc::clone(&firewall.requests);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (door, open) = (door.clone(), Arc::clone(&open));
                let requests = Arc::clone(&requests);
                tokio::spawn(async move {
                    let mut first = vec![0; 4_096];
                    let length = client.read(&mut first).await.unwrap_or(0);
                    let says =
                        |word: &[u8]| first[..length].windows(word.len()).any(|part| part == word);
                    if says(b"zhiban-line/1") && !open.load(Ordering::Relaxed) {
                        return;
                    }
                    if says(b"http/1.1") {
                        requests.fetch_add(1, Ordering::Relaxed);
                    }
                    let Ok(mut centre) = TcpStream::connect(door).await else {
                        return;
                    };
                    if centre.write_all(&first[..length]).await.is_ok() {
                        let _ = copy_bidirectional(&mut client, &mut centre).await;
                    }
                });
            }
        });
        firewall
    }
}
