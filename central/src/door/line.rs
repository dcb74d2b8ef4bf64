//! Carries zenoh between a hall and the router on loopback, as long as the hall's certificate
//! counts.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional_with_sizes};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use zhiban_vocabulary::StoreId;

use super::{Shared, tls};
use crate::trust::{Digest, Members};

/// Bytes held for each direction: tens of thousands of lines stand open at once.
const BUFFER_BYTES: usize = 4 << 10;

/// Connections that are open, by store; a new one ends the oldest when there are too many.
#[derive(Debug)]
pub(super) struct Lines {
    per_hall_max: usize,
    by_store: Mutex<HashMap<StoreId, VecDeque<CancellationToken>>>,
}

impl Lines {
    pub(super) fn new(per_hall_max: usize) -> Self {
        Self {
            per_hall_max,
            by_store: Mutex::default(),
        }
    }

    pub(super) fn open(&self, store: &StoreId) -> CancellationToken {
        let mut lines = self.by_store.lock().unwrap_or_else(PoisonError::into_inner);
        let own = lines.entry(store.clone()).or_default();
        own.retain(|line| !line.is_cancelled());
        if own.len() >= self.per_hall_max
            && let Some(oldest) = own.pop_front()
        {
            oldest.cancel();
        }
        let line = CancellationToken::new();
        own.push_back(line.clone());
        line
    }

    /// Forgets a connection that ended.
    pub(super) fn close(&self, store: &StoreId, line: &CancellationToken) {
        line.cancel();
        let mut lines = self.by_store.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = lines.get_mut(store) {
            own.retain(|line| !line.is_cancelled());
            if own.is_empty() {
                lines.remove(store);
            }
        }
    }
}

/// Carries until either side ends it, the certificate counts no longer, or the door closes.
pub(super) async fn carry(
    shared: &Shared,
    stream: impl AsyncRead + AsyncWrite + Unpin,
    digest: Digest,
    store: StoreId,
) -> io::Result<()> {
    let router = TcpStream::connect(shared.router).await?;
    tls::tune(&router)?;
    let line = shared.lines.open(&store);
    metrics::gauge!("zhiban_door_lines").increment(1);
    let ended = tokio::select! {
        ended = pass_on(stream, router) => ended,
        () = counts_no_longer(shared.trust.members(), &digest) => {
            tracing::warn!(%store, "line ended: its certificate counts no longer");
            Ok(())
        }
        () = line.cancelled() => Ok(()),
        () = shared.stop.cancelled() => Ok(()),
    };
    metrics::gauge!("zhiban_door_lines").decrement(1);
    shared.lines.close(&store, &line);
    ended
}

async fn pass_on(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    mut router: TcpStream,
) -> io::Result<()> {
    copy_bidirectional_with_sizes(&mut stream, &mut router, BUFFER_BYTES, BUFFER_BYTES)
        .await
        .map(drop)
}

/// Ends when the certificate is revoked. One that only grows old ends nothing that is under way:
/// its messages are judged one by one.
async fn counts_no_longer(members: &Members, digest: &Digest) {
    let mut changes = members.changes();
    while members.store_of(digest).is_some() {
        if changes.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hall_that_comes_again_and_again_keeps_its_newest_lines() {
        let lines = Lines::new(4);
        let wola: StoreId = "wola".parse().unwrap();
        let opened: Vec<_> = (0..6).map(|_| lines.open(&wola)).collect();
        let ended: Vec<bool> = opened.iter().map(CancellationToken::is_cancelled).collect();
        assert_eq!(ended, [true, true, false, false, false, false]);
        for line in &opened {
            lines.close(&wola, line);
        }
        assert!(lines.by_store.lock().unwrap().is_empty());
    }
}
