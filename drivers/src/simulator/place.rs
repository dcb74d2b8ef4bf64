//! Where a simulated device can be reached.

use std::io;
use std::ops::Deref;
use std::sync::Arc;

use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;
use tokio_serial::{SerialPort as _, SerialStream};

use crate::link::Wire;

/// Longest datagram.
const DATAGRAM_MAX: usize = 65_507;

/// Something that answers on a wire until the wire breaks.
pub trait Device: Send + Sync + 'static {
    fn serve(
        self: Arc<Self>,
        wire: Box<dyn Wire>,
        framing: Framing,
    ) -> impl Future<Output = io::Result<()>> + Send;
}

/// Something that answers datagrams, each by itself.
pub trait DatagramDevice: Send + Sync + 'static {
    fn answer(&self, datagram: &[u8]) -> Option<Vec<u8>>;
}

/// What a simulated device hangs on; some protocols are framed differently on each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    Serial,
    Tcp,
}

/// A running simulation; ends when dropped. Gives the device behind it.
#[derive(Debug)]
pub struct Port<D> {
    device: Arc<D>,
    path: String,
    _tasks: JoinSet<()>,
    /// Held open, so that the terminal lives on while the gateway has it closed.
    _far_end: Option<SerialStream>,
}

impl<D> Deref for Port<D> {
    type Target = D;

    fn deref(&self) -> &D {
        &self.device
    }
}

impl<D> Port<D> {
    /// What the gateway opens: `/dev/pts/N`, or `host:port`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    fn new(device: Arc<D>, path: String, task: impl Future<Output = ()> + Send + 'static) -> Self {
        let mut tasks = JoinSet::new();
        tasks.spawn(task);
        Self {
            device,
            path,
            _tasks: tasks,
            _far_end: None,
        }
    }
}

impl<D: Device> Port<D> {
    /// A terminal in raw mode of its own. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When there is no terminal to be had.
    pub fn pty(device: D) -> io::Result<Self> {
        let (near, far) = SerialStream::pair()?;
        let path = far.name().ok_or(io::ErrorKind::NotFound)?;
        let device = Arc::new(device);
        let served = Arc::clone(&device);
        let task = async move {
            end(served.serve(Box::new(near), Framing::Serial).await);
        };
        Ok(Self {
            _far_end: Some(far),
            ..Self::new(device, path, task)
        })
    }

    /// Any number of connections to a free port of this machine, as behind a serial-to-Ethernet
    /// converter.
    ///
    /// # Errors
    /// When there is no port to be had.
    pub async fn tcp(device: D) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let path = listener.local_addr()?.to_string();
        let device = Arc::new(device);
        let task = accept(listener, Arc::clone(&device));
        Ok(Self::new(device, path, task))
    }
}

impl<D: DatagramDevice> Port<D> {
    /// A free UDP port of this machine.
    ///
    /// # Errors
    /// When there is no port to be had.
    pub async fn udp(device: D) -> io::Result<Self> {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).await?;
        let path = socket.local_addr()?.to_string();
        let device = Arc::new(device);
        let task = hear(socket, Arc::clone(&device));
        Ok(Self::new(device, path, task))
    }
}

async fn accept<D: Device>(listener: TcpListener, device: Arc<D>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let device = Arc::clone(&device);
        connections.spawn(async move {
            end(device.serve(Box::new(stream), Framing::Tcp).await);
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn hear<D: DatagramDevice>(socket: UdpSocket, device: Arc<D>) {
    let mut bytes = vec![0; DATAGRAM_MAX];
    loop {
        // What was sent to somebody who is gone comes back as an error of the next call.
        let Ok((length, from)) = socket.recv_from(&mut bytes).await else {
            continue;
        };
        if let Some(answer) = device.answer(&bytes[..length]) {
            let _ = socket.send_to(&answer, from).await;
        }
    }
}

fn end(result: io::Result<()>) {
    if let Err(error) = result {
        tracing::debug!(%error, "simulated device lost its wire");
    }
}
