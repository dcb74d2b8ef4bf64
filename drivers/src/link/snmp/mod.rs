//! SNMP over UDP: what an agent has below given names, asked and never set.
//!
//! Datagrams come late, twice or not at all. Every attempt has a number of its own and a session a
//! port of its own, so an answer is taken only for the attempt it belongs to.

mod message;
mod settings;
#[cfg(test)]
mod tests;
mod walk;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{UdpSocket, lookup_host};
use tokio::time::timeout;

use zhiban_vocabulary::device::DeviceIdentity;

use super::{Direction, Tap};
use crate::Found;
pub use message::{Kind, Message, Oid, Value, Version, explain, fuzz};
pub(crate) use settings::{AgentSettings, decode};
pub use walk::Walk;
pub(crate) use walk::vendor;

/// Port of agents.
pub(crate) const PORT: u16 = 161;
/// Values asked for at a time: fits a datagram also of small agents.
const NAMES_AT_ONCE: usize = 12;
/// Rows of a table that are read.
const ROWS_MAX: usize = 64;
/// Longest datagram.
const DATAGRAM_MAX: usize = 65_507;
/// Version 1 says that there is nothing behind a name by an error.
const NO_SUCH_NAME: u32 = 2;

/// An agent that cannot be read; names the peer.
#[derive(Debug, thiserror::Error)]
pub enum SnmpError {
    #[error("{peer}: cannot be reached: {source}")]
    Unreachable {
        peer: String,
        source: std::io::Error,
    },
    /// Also when the community is wrong: agents then say nothing.
    #[error("{peer}: no answer to {attempts} requests (community right?)")]
    Silent { peer: String, attempts: u32 },
    #[error("{peer}: refuses: error {status} at {name}")]
    Refused {
        peer: String,
        status: u32,
        name: String,
    },
    #[error("{peer}: answer does not fit the question: {what}")]
    Unfit { peer: String, what: String },
}

/// Who is asked, and how patiently.
#[derive(Debug, Clone)]
pub struct Access {
    /// `host:port`
    pub peer: String,
    pub version: Version,
    pub community: Community,
    /// For one answer.
    pub timeout: Duration,
    /// Times a request is sent again.
    pub retries: u32,
}

/// What an agent wants to hear before it answers; a secret, though sent in the clear.
#[derive(Clone, PartialEq, Eq)]
pub struct Community(pub String);

impl std::fmt::Debug for Community {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Community(…)")
    }
}

/// An agent on the network.
#[derive(Debug)]
pub struct Agent {
    access: Access,
    socket: UdpSocket,
    tap: Tap,
    id: i32,
    buffer: Vec<u8>,
    strays: u64,
}

impl Agent {
    /// # Errors
    /// [`SnmpError::Unreachable`] when there is no way to the peer; whether anybody answers is seen
    /// when asking.
    pub async fn open(access: Access, tap: Tap) -> Result<Self, SnmpError> {
        let socket = connect(&access.peer).await;
        let socket = socket.map_err(|source| SnmpError::Unreachable {
            peer: access.peer.clone(),
            source,
        })?;
        Ok(Self {
            access,
            socket,
            tap,
            id: rand::random::<i32>() & i32::MAX,
            buffer: vec![0; DATAGRAM_MAX],
            strays: 0,
        })
    }

    /// Datagrams that were no answer to what was asked, since last asked.
    pub fn take_strays(&mut self) -> u64 {
        std::mem::take(&mut self.strays)
    }

    /// Everything below the given names, at most 64 values each.
    ///
    /// # Errors
    /// [`SnmpError`] when one of the requests was not answered as it should be.
    pub async fn walk(&mut self, columns: &[&[u32]]) -> Result<Walk, SnmpError> {
        let mut walk = Walk::default();
        for columns in columns.chunks(NAMES_AT_ONCE) {
            self.walk_some(columns, &mut walk).await?;
        }
        Ok(walk)
    }

    async fn walk_some(&mut self, columns: &[&[u32]], walk: &mut Walk) -> Result<(), SnmpError> {
        let start = |column: &&[u32]| (column.to_vec(), Oid(column.to_vec()));
        let mut open: Vec<(Vec<u32>, Oid)> = columns.iter().map(start).collect();
        for _ in 0..ROWS_MAX {
            if open.is_empty() {
                break;
            }
            let names: Vec<Oid> = open.iter().map(|(_, at)| at.clone()).collect();
            let answers = self.next(&names).await?;
            let mut still = Vec::new();
            for ((column, at), answer) in open.into_iter().zip(answers) {
                let Some((name, value)) = answer else {
                    continue;
                };
                if name <= at {
                    let what = format!("{name} does not come after {at}");
                    return Err(self.unfit(what));
                }
                if name.below(&column).is_some() {
                    walk.put(name.clone(), value);
                    still.push((column, name));
                }
            }
            open = still;
        }
        Ok(())
    }

    /// What stands behind each name; `None` where nothing does.
    async fn next(&mut self, names: &[Oid]) -> Result<Vec<Option<(Oid, Value)>>, SnmpError> {
        let mut answers = vec![None; names.len()];
        let mut asked: Vec<usize> = (0..names.len()).collect();
        while !asked.is_empty() {
            let now: Vec<Oid> = asked.iter().map(|at| names[*at].clone()).collect();
            let answer = self.ask(&now).await?;
            let blamed = usize::try_from(answer.index).unwrap_or(0).wrapping_sub(1);
            match answer.status {
                0 if answer.values.len() == now.len() => {
                    for (at, (name, value)) in asked.iter().zip(answer.values) {
                        let is_there = !matches!(value, Value::Absent | Value::End);
                        answers[*at] = is_there.then_some((name, value));
                    }
                    return Ok(answers);
                }
                0 => {
                    let found = answer.values.len();
                    return Err(self.unfit(format!("{found} values, not {}", now.len())));
                }
                NO_SUCH_NAME if blamed < asked.len() => {
                    asked.remove(blamed);
                }
                status => {
                    let name = now.get(blamed).map_or_else(|| "?".into(), Oid::to_string);
                    let peer = self.access.peer.clone();
                    return Err(SnmpError::Refused { peer, status, name });
                }
            }
        }
        Ok(answers)
    }

    async fn ask(&mut self, names: &[Oid]) -> Result<Message, SnmpError> {
        let attempts = self.access.retries + 1;
        for _ in 0..attempts {
            self.id = self.id.wrapping_add(1) & i32::MAX;
            let request = Message::next(self.access.version, self.id, names);
            let bytes = request.write(self.access.community.0.as_bytes());
            self.tap.note(Direction::Out, &message::masked(&bytes));
            let sent = self.socket.send(&bytes).await;
            sent.map_err(|source| self.unreachable(source))?;
            if let Ok(answer) = timeout(self.access.timeout, self.answer()).await {
                return answer.map_err(|source| self.unreachable(source));
            }
        }
        let peer = self.access.peer.clone();
        Err(SnmpError::Silent { peer, attempts })
    }

    /// The answer to the present attempt; everything else is passed over.
    async fn answer(&mut self) -> std::io::Result<Message> {
        loop {
            let length = self.socket.recv(&mut self.buffer).await?;
            let bytes = &self.buffer[..length];
            self.tap.note(Direction::In, &message::masked(bytes));
            match Message::read(bytes) {
                Ok((message, community))
                    if message.kind == Kind::Answer
                        && message.id == self.id
                        && message.version == self.access.version
                        && community == self.access.community.0.as_bytes() =>
                {
                    return Ok(message);
                }
                _ => self.strays += 1,
            }
        }
    }

    fn unreachable(&self, source: std::io::Error) -> SnmpError {
        let peer = self.access.peer.clone();
        SnmpError::Unreachable { peer, source }
    }

    fn unfit(&self, what: String) -> SnmpError {
        let peer = self.access.peer.clone();
        SnmpError::Unfit { peer, what }
    }
}

async fn connect(peer: &str) -> std::io::Result<UdpSocket> {
    let address = lookup_host(peer).await?.next();
    let address = address.ok_or(std::io::ErrorKind::NotFound)?;
    let here: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(here).await?;
    // Datagrams of anybody else do not arrive.
    socket.connect(address).await?;
    Ok(socket)
}
/// Community of most agents as they leave the factory, the only one worth trying.
const FACTORY: &str = "public";

/// Asks a host, under the factory's community, whether it has any of `marks`, and then who it is.
pub(crate) async fn find(
    host: IpAddr,
    port: u16,
    marks: &[&[u32]],
    identity: &[&[u32]],
    read: fn(&Walk) -> DeviceIdentity,
) -> Option<Found> {
    let peer = SocketAddr::new(host, port).to_string();
    let access = Access {
        peer: peer.clone(),
        version: Version::V2c,
        community: Community(FACTORY.into()),
        timeout: Duration::from_millis(700),
        retries: 1,
    };
    let mut agent = Agent::open(access, Tap::default()).await.ok()?;
    let has = agent.walk(marks).await.ok()?;
    marks.iter().find_map(|mark| has.column(mark).next())?;
    let walk = agent.walk(identity).await.ok()?;
    let settings = [("peer", peer.as_str()), ("community", FACTORY)];
    let settings = settings.map(|(key, value)| (key.into(), value.into()));
    Some(Found {
        settings: toml::Table::from_iter(settings),
        identity: read(&walk),
    })
}
