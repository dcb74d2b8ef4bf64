//! TCP connections to devices and to serial-to-Ethernet converters.

use std::time::Duration;

use tokio::net::TcpStream;

use super::LinkError;

/// A device on the hall's own network answers long before this.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// # Errors
/// [`LinkError`] when the peer refuses or does not answer in time.
pub async fn connect(peer: &str) -> Result<TcpStream, LinkError> {
    let connecting = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(peer));
    let connected = connecting.await.map_err(|_| LinkError::ConnectTimeout {
        peer: peer.to_owned(),
        seconds: CONNECT_TIMEOUT.as_secs(),
    })?;
    let stream = connected.map_err(|source| LinkError::Connect {
        peer: peer.to_owned(),
        source,
    })?;
    // Frames are a few bytes and each waits for its answer.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(peer, %error, "nodelay not set");
    }
    Ok(stream)
}
