//! The first five seconds of a connection: a complete CONNECT, from someone we know.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use subtle::ConstantTimeEq;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio_util::sync::CancellationToken;
use zhiban_vocabulary::DeviceId;

use super::Shared;
use super::answer;
use super::connection::Connection;
use super::frame::{self, Frame, Stage};
use super::line::Line;
use super::packet::{self, Connect, Version};
use super::reception;
use super::refusal::Refusal;
use super::seat::Seat;
use super::watchdog::WATCHDOG;
use crate::devices::Proof;
use crate::joining::{self, Pass};

const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// Longest client id of a device that chooses its own, in bytes.
const CLIENT_ID_BYTES_MAX: usize = 128;
/// How long a connection waits for the earlier one of the same device to leave.
const SEAT_TIME_MAX: Duration = Duration::from_secs(5);

/// Why nobody was greeted, and the version an answer can be given in.
struct Turned {
    refusal: Refusal,
    version: Option<Version>,
}

/// Who stands at the door.
struct Guest {
    connect: Connect,
    who: Who,
}

enum Who {
    Known(DeviceId, Proof),
    /// A device that asks to join.
    New(Pass),
}

/// Serves one connection from its first byte to its end. `certificate` is what the device showed
/// in a handshake.
pub(super) async fn serve<S>(
    shared: Arc<Shared>,
    stream: S,
    certificate: Option<Proof>,
    address: IpAddr,
    shutdown: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut line = Line::new(stream);
    let read = read_connect(&shared, &mut line);
    let read = tokio::select! {
        () = shutdown.cancelled() => return,
        read = tokio::time::timeout(CONNECT_TIME_MAX, read) => read,
    };
    let read = read.unwrap_or(Err(Turned {
        refusal: Refusal::ConnectTimeout,
        version: None,
    }));
    let guest = match read {
        Ok(None) => return,
        Ok(Some(connect)) => identify(&shared, connect, certificate, address).await,
        Err(turned) => Err(turned),
    };
    match guest {
        Ok(Guest {
            connect,
            who: Who::Known(device, proof),
        }) => seat(shared, line, connect, (device, proof), address, shutdown).await,
        Ok(Guest {
            connect,
            who: Who::New(pass),
        }) => reception::serve(shared, line, connect, pass, address, shutdown).await,
        Err(turned) => turn_away(&shared, line, &turned, None, address).await,
    }
}

/// Reads up to the end of the first packet; `None` when the other end closes before.
async fn read_connect<S: AsyncRead + AsyncWrite + Unpin>(
    shared: &Shared,
    line: &mut Line<S>,
) -> Result<Option<Connect>, Turned> {
    let size_max = shared.mqtt.packet_bytes_max as usize;
    loop {
        let before = |refusal| Turned {
            refusal,
            version: None,
        };
        if let Some(frame) =
            frame::next(&mut line.input, Stage::BeforeConnect, size_max).map_err(before)?
        {
            return understand(frame).map(Some);
        }
        line.make_room(false);
        match line.reader.read_buf(&mut line.input).await {
            Ok(0) | Err(_) => return Ok(None),
            Ok(_) => {}
        }
    }
}

fn understand(frame: Frame) -> Result<Connect, Turned> {
    let version = packet::version(&frame).map_err(|refusal| {
        // Each is answered in the form it is most likely to read.
        let version = match refusal {
            Refusal::ProtocolVersion(level) if level > 5 => Some(Version::V5),
            Refusal::ProtocolVersion(_) => Some(Version::V4),
            _ => None,
        };
        Turned { refusal, version }
    })?;
    packet::read_connect(frame, version).map_err(|refusal| Turned {
        refusal,
        version: Some(version),
    })
}

/// Makes sure who it is. Only a wrong answer is delayed, so guessing is slow and others are not.
async fn identify(
    shared: &Shared,
    connect: Connect,
    certificate: Option<Proof>,
    address: IpAddr,
) -> Result<Guest, Turned> {
    match check(shared, &connect, certificate, address).await {
        Ok(who) => Ok(Guest { connect, who }),
        Err(refusal) => {
            if matches!(
                refusal,
                Refusal::BadCredentials | Refusal::NoCredentials | Refusal::ShutOut(_)
            ) {
                let wait = shared.failures.note(address, Instant::now());
                tokio::time::sleep(wait).await;
            }
            Err(Turned {
                refusal,
                version: Some(connect.version),
            })
        }
    }
}

async fn check(
    shared: &Shared,
    connect: &Connect,
    certificate: Option<Proof>,
    address: IpAddr,
) -> Result<Who, Refusal> {
    if let Some((user, key)) = &connect.login
        && user == joining::USER
    {
        let pass = shared.joining.admits(key).await;
        return pass.map(Who::New).ok_or(Refusal::BadCredentials);
    }
    let claimed = claimed(shared, connect, certificate.as_ref());
    let is_foreign = claimed
        .as_ref()
        .is_some_and(|device| shared.devices.is_foreign(device));
    // An id that hurts is refused before anything else looks at it.
    let id: Option<DeviceId> = connect.client_id.parse().ok();
    if id.is_none() && !(is_foreign && is_harmless(connect)) {
        return Err(Refusal::ClientId);
    }
    let password = || Some(Proof::Password(connect.login.as_ref()?.1.clone()));
    // One may be of a time before the other.
    let proofs: Vec<Proof> = password().into_iter().chain(certificate).collect();
    if proofs.is_empty() {
        return Err(Refusal::NoCredentials);
    }
    let device = claimed.ok_or(Refusal::BadCredentials)?;
    let proof = proven(shared, &device, &proofs, address)?.clone();
    if !is_foreign && id.as_ref() != Some(&device) {
        return Err(Refusal::ClientId);
    }
    if let Some(will) = &connect.will
        && shared.rights_of(&device).topic(&will.topic).is_err()
    {
        return Err(Refusal::WillTopic);
    }
    // A device that may not move is shut out by this, if it did.
    let spoke = shared.devices.speaks_from(&device, address).await;
    spoke.map_err(|_| Refusal::StoreFailing)?;
    proven(shared, &device, &proofs, address)?;
    Ok(Who::Known(device, proof))
}

/// Who it says it is: by its user name, or without one by its certificate.
fn claimed(shared: &Shared, connect: &Connect, certificate: Option<&Proof>) -> Option<DeviceId> {
    match (&connect.login, certificate) {
        (Some((user, _)), _) => user.parse().ok(),
        (None, Some(certificate)) => shared.devices.of_certificate(certificate),
        (None, None) => None,
    }
}

/// The proof that holds.
fn proven<'a>(
    shared: &Shared,
    device: &DeviceId,
    proofs: &'a [Proof],
    address: IpAddr,
) -> Result<&'a Proof, Refusal> {
    let mut all = proofs.iter();
    if let Some(proof) = all.find(|proof| proves(shared, device, proof, address)) {
        return Ok(proof);
    }
    let mut all = proofs.iter();
    let shut_out = all.find_map(|proof| shared.devices.shut_out(device, proof));
    Err(shut_out.map_or(Refusal::BadCredentials, Refusal::ShutOut))
}

fn proves(shared: &Shared, device: &DeviceId, proof: &Proof, address: IpAddr) -> bool {
    match proof {
        // A registered device of that name stays outside: the name is the door's own.
        Proof::Password(password) if device.as_str() == WATCHDOG => {
            let right = shared.watchdog_secret.as_bytes();
            address.is_loopback() && bool::from(right.ct_eq(password.as_bytes()))
        }
        proof => shared.devices.knows(device, proof),
    }
}

/// Devices of other forms choose their own client id, or none; who they are is the user. Version 5
/// would want to be told the id it is given.
fn is_harmless(connect: &Connect) -> bool {
    let id = &connect.client_id;
    let may_be_empty = connect.version == Version::V4 && connect.clean_start;
    let fits = id.len() <= CLIENT_ID_BYTES_MAX && !id.chars().any(char::is_control);
    fits && (may_be_empty || !id.is_empty())
}

/// Takes the device's seat and serves it.
async fn seat<S>(
    shared: Arc<Shared>,
    line: Line<S>,
    connect: Connect,
    (device, proof): (DeviceId, Proof),
    address: IpAddr,
    shutdown: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let version = Some(connect.version);
    let number = shared.next_connection();
    let (seat, leave) = shared.sessions.arrive(&device, number);
    let refusal = match tokio::time::timeout(SEAT_TIME_MAX, seat.lock_owned()).await {
        Ok(guard) if !leave.is_cancelled() => {
            let seat = Seat::new(Arc::clone(&shared), device, number, guard);
            let connection =
                Connection::start(shared, line, connect, seat, number, &proof, address);
            return connection.await.run_to_end(leave, shutdown).await;
        }
        // Someone came even later.
        Ok(_) => Refusal::TakenOver,
        Err(_) => Refusal::SeatTaken,
    };
    let turned = Turned { refusal, version };
    turn_away(&shared, line, &turned, Some(&device), address).await;
}

async fn turn_away<S: AsyncRead + AsyncWrite>(
    shared: &Shared,
    mut line: Line<S>,
    turned: &Turned,
    device: Option<&DeviceId>,
    address: IpAddr,
) {
    shared.refuse(&turned.refusal, device, address);
    if let Some(version) = turned.version {
        answer::connack_refused(&mut line.output, version, &turned.refusal);
    }
    line.part().await;
}
