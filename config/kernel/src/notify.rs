//! What a service tells systemd (`sd_notify`): that it is ready, alive, or stopping. A datagram of
//! text to the socket in `NOTIFY_SOCKET`; the standard library has all that takes, so there is no
//! crate for it. Outside systemd nothing is sent.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::health::{Health, Report};

/// Sends `state`, such as `READY=1`. Whoever does not listen is not waited for.
pub fn notify(state: &str) {
    if let Some(name) = std::env::var_os("NOTIFY_SOCKET")
        && let Err(error) = send(&name, state)
    {
        tracing::warn!(%error, state, "systemd was not told");
    }
}

fn send(name: &std::ffi::OsStr, state: &str) -> std::io::Result<()> {
    let bytes = name.as_encoded_bytes();
    let address = match bytes.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to_addr(state.as_bytes(), &address).map(drop)
}

/// Tells systemd again and again that the program lives, for as long as `is_alive` says so of its
/// health; a program whose parts do not answer is started anew. Ends at once where nobody asks.
pub async fn feed_watchdog(
    health: Health,
    is_alive: impl Fn(&Report) -> bool,
    shutdown: CancellationToken,
) {
    let Some(every) = watchdog_every() else {
        return shutdown.cancelled().await;
    };
    loop {
        let report = health.report();
        if is_alive(&report) {
            notify("WATCHDOG=1");
        } else {
            tracing::error!(?report, "systemd is not told that the program lives");
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
    }
}

/// A quarter of `WATCHDOG_USEC`, so that one bad look does no harm; `None` outside systemd.
fn watchdog_every() -> Option<Duration> {
    let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
    let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
    let every = number("WATCHDOG_USEC").filter(|_| is_ours)?;
    Some(Duration::from_micros(every / 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_socket_are_reached() {
        let file = std::env::temp_dir().join(format!("zhiban-notify-{}", std::process::id()));
        let _ = std::fs::remove_file(&file);
        let by_path = UnixDatagram::bind(&file).unwrap();
        let name = format!("zhiban-notify-{}", std::process::id());
        let abstract_name = SocketAddr::from_abstract_name(&name).unwrap();
        let by_name = UnixDatagram::bind_addr(&abstract_name).unwrap();
        send(file.as_os_str(), "READY=1").unwrap();
        send(format!("@{name}").as_ref(), "STOPPING=1").unwrap();
        let mut buffer = [0; 32];
        let heard = by_path.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..heard], b"READY=1");
        let heard = by_name.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..heard], b"STOPPING=1");
        std::fs::remove_file(&file).unwrap();
    }
}
