//! The hall's end of the encrypted line: zenoh speaks plain TCP to this pipe on loopback, the pipe
//! speaks TLS to the door of the centre.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use zhiban_vocabulary::enrolment::ALPN_LINE;

use super::member::{Member, Standing};
use super::tls;

/// What the last try to reach the centre met.
pub(super) type Problem = Arc<Mutex<Option<String>>>;

/// See the module.
#[derive(Debug)]
pub(super) struct Pipe {
    listener: TcpListener,
    member: Standing,
    /// Of the configuration; empty: those of the membership.
    doors: Vec<String>,
    problem: Problem,
}

impl Pipe {
    /// # Errors
    /// When no port on loopback is free.
    pub(super) async fn open(member: Standing, doors: Vec<String>) -> io::Result<Self> {
        Ok(Self {
            listener: TcpListener::bind(("127.0.0.1", 0)).await?,
            member,
            doors,
            problem: Problem::default(),
        })
    }

    /// Where zenoh connects to.
    ///
    /// # Errors
    /// When the system cannot say.
    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    pub(super) fn problem(&self) -> Problem {
        Arc::clone(&self.problem)
    }

    /// Carries until `shutdown`.
    pub(super) async fn run(self, shutdown: CancellationToken) {
        let carried = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else { continue };
            let member = self.member.borrow().clone();
            let Some(member) = member else { continue };
            let doors = if self.doors.is_empty() {
                member.doors.clone()
            } else {
                self.doors.clone()
            };
            let (standing, problem) = (self.member.clone(), Arc::clone(&self.problem));
            let stop = shutdown.clone();
            carried.spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = is_another(standing) => {}
                    ended = carry(stream, &member, &doors, &problem) => {
                        if let Err(error) = ended {
                            tracing::debug!(%error, "line to the centre ended");
                        }
                    }
                }
            });
        }
        carried.close();
        carried.wait().await;
    }
}

/// A line stands for the certificate it was opened with; with the next one it is opened anew.
async fn is_another(mut standing: Standing) {
    standing.mark_unchanged();
    let _ = standing.changed().await;
}

async fn carry(
    mut plain: TcpStream,
    member: &Member,
    doors: &[String],
    problem: &Problem,
) -> io::Result<()> {
    plain.set_nodelay(true)?;
    let config = tls::as_member(member, ALPN_LINE).map_err(io::Error::other)?;
    let mut met = Vec::new();
    for door in doors {
        match tls::connect(door, Arc::clone(&config)).await {
            Ok(mut centre) => {
                note(problem, None);
                let carried = copy_bidirectional(&mut plain, &mut centre).await;
                // A door that lets in and closes at once does not know the certificate any more.
                if let Err(error) = &carried {
                    note(problem, Some(format!("{door}: {error}")));
                }
                return carried.map(drop);
            }
            Err(error) => met.push(format!("{door}: {error}")),
        }
    }
    let met = met.join("; ");
    note(problem, Some(met.clone()));
    Err(io::Error::other(met))
}

fn note(problem: &Problem, met: Option<String>) {
    *problem.lock().unwrap_or_else(PoisonError::into_inner) = met;
}
