//! Asks a NUT server; one question at a time, and the connection ends with the first one that is not
//! answered as it should be.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use super::frame::{Lines, Reply, line};
use super::settings::User;
use super::state::Vars;
use crate::link::{Direction, Link, LinkError, Tap, Wire};

/// Lines of one list; a UPS has about a hundred.
const ROWS_MAX: usize = 2000;

/// A server that cannot be read; names the peer.
#[derive(Debug, thiserror::Error)]
pub(super) enum NutError {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("{peer}: no answer to {asked} within {} s", time.as_secs_f32())]
    Silent {
        peer: String,
        asked: String,
        time: Duration,
    },
    #[error("{peer}: refuses {asked}: {code}{}", meaning(code))]
    Refused {
        peer: String,
        asked: String,
        code: String,
    },
    #[error("{peer}: answer to {asked} makes no sense: {what}")]
    Unfit {
        peer: String,
        asked: String,
        what: String,
    },
}

fn meaning(code: &str) -> &'static str {
    match code {
        "DATA-STALE" => " (the server has lost the UPS)",
        "DRIVER-NOT-CONNECTED" => " (the server's driver of the UPS does not run)",
        "UNKNOWN-UPS" => " (no UPS of this name)",
        "ACCESS-DENIED" => " (user name or password)",
        _ => "",
    }
}

/// A connection to a server.
#[derive(Debug)]
pub(super) struct Client {
    link: Link,
    wire: Box<dyn Wire>,
    tap: Tap,
    lines: Lines,
    /// Lines that came and have not been read.
    came: std::collections::VecDeque<Vec<u8>>,
    time: Duration,
}

impl Client {
    pub(super) async fn connect(
        peer: String,
        time: Duration,
        tap: &Tap,
    ) -> Result<Self, NutError> {
        let link = Link::Tcp(peer);
        // What passes is noted line by line: the password must not be.
        let wire = link.open(&Tap::default()).await?;
        Ok(Self {
            link,
            wire,
            tap: tap.clone(),
            lines: Lines::default(),
            came: std::collections::VecDeque::new(),
            time,
        })
    }

    pub(super) async fn sign_in(&mut self, user: &User) -> Result<(), NutError> {
        self.told("USERNAME", &user.name).await?;
        self.told("PASSWORD", &user.password).await
    }

    async fn told(&mut self, what: &str, word: &str) -> Result<(), NutError> {
        let shown = if what == "PASSWORD" { "***" } else { word };
        let sent = self.say(&line(&[what, word]), &line(&[what, shown])).await;
        sent.map_err(|error| self.link.lost(error))?;
        let until = Instant::now() + self.time;
        match self.reply(what, until).await? {
            Reply::Ok => Ok(()),
            other => Err(self.unfit(what, &other.to_string())),
        }
    }

    /// Names of all UPS.
    pub(super) async fn all_ups(&mut self) -> Result<Vec<String>, NutError> {
        let rows = self.list(&["UPS"]).await?;
        let names = rows.into_iter().filter_map(|row| row.into_iter().next());
        Ok(names.collect())
    }

    /// All variables of a UPS.
    pub(super) async fn vars(&mut self, ups: &str) -> Result<Vars, NutError> {
        let rows = self.list(&["VAR", ups]).await?;
        let pair = |row: Vec<String>| <[String; 2]>::try_from(row).ok();
        let pairs = rows.into_iter().filter_map(pair);
        Ok(pairs.map(|[name, value]| (name, value)).collect())
    }

    /// What stands behind `of` in each line of the list.
    async fn list(&mut self, of: &[&str]) -> Result<Vec<Vec<String>>, NutError> {
        let asked = format!("LIST {}", of.join(" "));
        let bytes = line(&[&["LIST"], of].concat());
        let sent = self.say(&bytes, &bytes).await;
        sent.map_err(|error| self.link.lost(error))?;
        let until = Instant::now() + self.time;
        match self.reply(&asked, until).await? {
            Reply::Begin(what) if what == of => {}
            other => return Err(self.unfit(&asked, &other.to_string())),
        }
        let mut rows = Vec::new();
        loop {
            match self.reply(&asked, until).await? {
                Reply::End(what) if what == of => return Ok(rows),
                Reply::Row(mut row) if row.starts_with(&owned(of)) && rows.len() < ROWS_MAX => {
                    rows.push(row.split_off(of.len()));
                }
                other => return Err(self.unfit(&asked, &other.to_string())),
            }
        }
    }

    /// Sends a line; the monitor sees the other one.
    async fn say(&mut self, line: &[u8], shown: &[u8]) -> io::Result<()> {
        self.tap.note(Direction::Out, shown);
        self.wire.write_all(line).await
    }

    /// The next line; a refusal is an error.
    async fn reply(&mut self, asked: &str, until: Instant) -> Result<Reply, NutError> {
        let line = loop {
            if let Some(line) = self.came.pop_front() {
                break line;
            }
            let read = timeout_at(until, self.receive()).await;
            let Ok(read) = read else {
                return Err(NutError::Silent {
                    peer: self.link.name().to_owned(),
                    asked: asked.to_owned(),
                    time: self.time,
                });
            };
            read.map_err(|error| self.link.lost(error))?;
            if self.lines.too_long() {
                return Err(self.unfit(asked, "a line that does not end"));
            }
        };
        match Reply::read(&line) {
            Some(Reply::Err(code)) => Err(NutError::Refused {
                peer: self.link.name().to_owned(),
                asked: asked.to_owned(),
                code,
            }),
            Some(reply) => Ok(reply),
            None => {
                let line = String::from_utf8_lossy(&line);
                let line: String = line.chars().take(60).collect();
                Err(self.unfit(asked, &format!("{line:?}")))
            }
        }
    }

    async fn receive(&mut self) -> io::Result<()> {
        let mut bytes = [0; 4096];
        let read = match self.wire.read(&mut bytes).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            some => some,
        };
        self.tap.note(Direction::In, &bytes[..read]);
        self.came.extend(self.lines.feed(&bytes[..read]));
        Ok(())
    }

    fn unfit(&self, asked: &str, what: &str) -> NutError {
        NutError::Unfit {
            peer: self.link.name().to_owned(),
            asked: asked.to_owned(),
            what: what.to_owned(),
        }
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests;
