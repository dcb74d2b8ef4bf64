//! How many connections the encrypted pages hold, so that one neighbour on the network can take neither
//! the pages from everybody nor the file descriptors from the rest of the program.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// Connections in all.
const ALL_MAX: usize = 1_000;
/// Of one address: an office may come by one, each browser with up to seven.
const OF_ONE_MAX: usize = 200;
/// A connection on which nothing comes or goes for so long is closed; streams say something every 15 s.
const QUIET_MAX: Duration = Duration::from_secs(120);

/// Connections by address.
#[derive(Debug, Clone, Default)]
pub(super) struct Places(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// The place of one connection, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    address: IpAddr,
}

impl Places {
    /// A place, unless all are taken or the address has its share.
    pub(super) fn take(&self, address: IpAddr) -> Option<Place> {
        let mut taken = self.taken();
        let all: usize = taken.values().sum();
        let here = taken.entry(address).or_default();
        if all >= ALL_MAX || *here >= OF_ONE_MAX {
            if *here == 0 {
                taken.remove(&address);
            }
            return None;
        }
        *here += 1;
        Some(Place {
            places: self.clone(),
            address,
        })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Entry::Occupied(mut here) = self.places.taken().entry(self.address) {
            *here.get_mut() -= 1;
            if *here.get() == 0 {
                here.remove();
            }
        }
    }
}

/// A connection in its place, closed when it is quiet for too long.
#[derive(Debug)]
pub struct Placed<S> {
    stream: S,
    quiet: Pin<Box<Sleep>>,
    _place: Place,
}

impl<S> Placed<S> {
    pub(super) fn new(stream: S, place: Place) -> Self {
        Self {
            stream,
            quiet: Box::pin(sleep(QUIET_MAX)),
            _place: place,
        }
    }

    /// Of what was tried: something moved, or it is seen whether it was quiet for too long.
    fn seen<T>(
        &mut self,
        tried: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if tried.is_ready() {
            self.quiet.as_mut().reset(Instant::now() + QUIET_MAX);
            return tried;
        }
        match self.quiet.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Placed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let tried = Pin::new(&mut self.stream).poll_read(context, into);
        self.seen(tried, context)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Placed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let tried = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.seen(tried, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn address(number: usize) -> IpAddr {
        Ipv4Addr::from_bits(u32::try_from(number).unwrap()).into()
    }

    #[test]
    fn one_address_has_its_share_and_all_have_theirs() {
        let places = Places::default();
        let mut taken: Vec<_> = (0..OF_ONE_MAX)
            .map(|_| places.take(address(1)).unwrap())
            .collect();
        assert!(places.take(address(1)).is_none());
        while taken.len() < ALL_MAX {
            taken.push(places.take(address(taken.len())).unwrap());
        }
        assert!(places.take(address(5_000)).is_none(), "beyond all");
        drop(taken.pop());
        drop(places.take(address(5_000)).unwrap());
        drop(taken);
        assert!(places.taken().is_empty(), "nothing is kept of who is gone");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_quiet_is_closed_and_one_that_only_listens_is_not() {
        let (ours, mut theirs) = tokio::io::duplex(100);
        let place = Places::default().take(address(1)).unwrap();
        let mut placed = Placed::new(ours, place);
        let mut byte = [0];
        for _ in 0..20 {
            let waited = tokio::time::timeout(Duration::from_secs(15), placed.read(&mut byte));
            assert!(waited.await.is_err(), "closed though something went out");
            placed.write_all(b".").await.unwrap();
            theirs.read_exact(&mut byte).await.unwrap();
        }
        let began = Instant::now();
        let error = placed.read(&mut byte).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed(), QUIET_MAX);
    }
}
