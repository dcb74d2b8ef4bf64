//! Looks at the running service, from outside: its lock, its ports, its health.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::{Mark, Report, Said};

const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Looks in a row at which a service must be well.
const LOOKS_GOOD: u32 = 2;

/// A service that was asked.
#[derive(Debug)]
pub struct Running {
    pub web: SocketAddr,
    pub parts: Vec<Part>,
}

/// One part of its health.
#[derive(Debug, Deserialize)]
pub struct Part {
    pub part: String,
    /// `ok`, `degraded` or `failing`
    pub status: String,
    pub detail: String,
    pub detail_zh: String,
}

#[derive(Deserialize)]
struct Health {
    parts: Vec<Part>,
}

#[derive(Deserialize)]
struct RunFile {
    web: SocketAddr,
}

/// Whether the service runs and answers. Gives what it said of itself.
pub fn check_service(report: &mut Report, program: &str, data: &Path) -> Option<Running> {
    let what = Said::new("服务", "service");
    if !is_locked(data) {
        let found = Said::new("未运行", "not running");
        let advice = Said::new(
            format!("systemctl start {program}；失败时看 journalctl -u {program} -n 50"),
            format!("systemctl start {program}; if it fails: journalctl -u {program} -n 50"),
        );
        report.add(Mark::Bad, what, found, advice);
        return None;
    }
    match ask(data) {
        Ok(running) => {
            let found = Said::new(
                format!("运行中，http://{}/", running.web),
                format!("running, http://{}/", running.web),
            );
            report.good(what, found);
            Some(running)
        }
        Err(error) => {
            let found = Said::new(
                format!("运行但不应答：{error}"),
                format!("runs but does not answer: {error}"),
            );
            let advice = Said::new(
                format!("若刚启动请稍候；否则 systemctl restart {program}"),
                format!("wait if it has just started; else systemctl restart {program}"),
            );
            report.add(Mark::Bad, what, found, advice);
            None
        }
    }
}

/// Waits until the service answers that no part of it fails, `needed` among them, on two looks in a
/// row.
///
/// # Errors
/// What it said last, when `wait` is over.
pub fn wait_healthy(data: &Path, needed: &[&str], wait: Duration) -> Result<(), String> {
    let started = Instant::now();
    let mut good = 0;
    loop {
        match look(data, needed) {
            Ok(()) => good += 1,
            Err(problem) if started.elapsed() >= wait => return Err(problem),
            Err(_) => good = 0,
        }
        if good == LOOKS_GOOD {
            return Ok(());
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn look(data: &Path, needed: &[&str]) -> Result<(), String> {
    let running = ask(data).map_err(|error| format!("the service does not answer: {error}"))?;
    let is_there = |name: &&&str| running.parts.iter().any(|part| part.part == **name);
    if let Some(missing) = needed.iter().find(|name| !is_there(name)) {
        return Err(format!("{missing}: nothing was said yet"));
    }
    match running.parts.iter().find(|part| part.status == "failing") {
        Some(part) => Err(format!("{}: {}", part.part, part.detail)),
        None => Ok(()),
    }
}

fn is_locked(data: &Path) -> bool {
    let Ok(file) = File::open(data.join("lock")) else {
        return false;
    };
    matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock))
}

fn ask(data: &Path) -> std::io::Result<Running> {
    let text = std::fs::read(data.join("run.json"))?;
    let web = serde_json::from_slice::<RunFile>(&text)?.web;
    let body = get(reachable(web), "/health")?;
    let health: Health = serde_json::from_slice(&body)?;
    Ok(Running {
        web,
        parts: health.parts,
    })
}

/// A listener on all addresses is asked by loopback, which is told every detail.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// The body of one answer; HTTP/1.0, so that it ends with the connection.
fn get(address: SocketAddr, path: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_TIME_MAX)?;
    stream.set_read_timeout(Some(ANSWER_TIME_MAX))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = b"\r\n\r\n";
    let at = answer.windows(end.len()).position(|part| part == end);
    let at = at.ok_or_else(|| std::io::Error::other("no HTTP answer"))?;
    Ok(answer.split_off(at + end.len()))
}

/// Takes over what the service says of its parts.
pub fn check_parts(report: &mut Report, running: &Running, names: &[(&str, &str, &str, &str)]) {
    for part in &running.parts {
        let known = names.iter().find(|(name, ..)| *name == part.part);
        let (zh, advice_zh, advice_en) = known.map_or(
            (
                part.part.as_str(),
                "查看设备箱页面",
                "see the box page of the panel",
            ),
            |(_, zh, advice_zh, advice_en)| (*zh, *advice_zh, *advice_en),
        );
        let what = Said::new(zh, part.part.as_str());
        let found = Said::new(&part.detail_zh, &part.detail);
        let mark = match part.status.as_str() {
            "ok" => Mark::Good,
            "degraded" => Mark::Look,
            _ => Mark::Bad,
        };
        if mark == Mark::Good {
            report.good(what, found);
        } else {
            report.add(mark, what, found, Said::new(advice_zh, advice_en));
        }
    }
}

/// What the last update came to.
#[derive(Debug, Clone, Deserialize)]
pub struct Update {
    pub at: jiff::Timestamp,
    /// `installed` or `rolled-back`
    pub outcome: String,
    pub from: String,
    pub to: String,
    pub reason: String,
}

/// The last update, by what `deploy/upgrade` left in the data folder.
#[must_use]
pub fn last_update(data: &Path) -> Option<Update> {
    let text = std::fs::read(data.join("upgrade.json")).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Whether the last update came through.
pub fn check_update(report: &mut Report, data: &Path) {
    let Some(update) = last_update(data) else {
        return;
    };
    let what = Said::new("最近更新", "last update");
    let Update {
        at,
        from,
        to,
        reason,
        ..
    } = &update;
    if update.outcome == "installed" {
        report.good(what, Said::same(format!("{from} → {to}, {at}")));
        return;
    }
    let found = Said::new(
        format!("{at} 更新到 {to} 失败，已退回 {from}：{reason}"),
        format!("{at} {to} was rolled back to {from}: {reason}"),
    );
    let advice = Said::new(
        "把日志交给支持后再更新：journalctl -u 服务名",
        "send the log (journalctl) to support before the next try",
    );
    report.add(Mark::Look, what, found, advice);
}

/// Whether a port can be had; beside a running service it is that one's.
pub fn check_listen(report: &mut Report, key: &str, listen: SocketAddr, runs: bool) {
    let what = Said::new(format!("端口 {key}"), format!("port {key}"));
    if runs {
        let found = Said::new(
            format!("{listen} 由服务使用"),
            format!("{listen} is the service's"),
        );
        report.good(what, found);
        return;
    }
    match TcpListener::bind(listen) {
        Ok(_) => report.good(
            what,
            Said::new(format!("{listen} 空闲"), format!("{listen} is free")),
        ),
        Err(error) => {
            let found = Said::same(format!("{listen}: {error}"));
            let port = listen.port();
            let advice = Said::new(
                format!("被谁占用：ss -ltnp sport = :{port}；停止它，或改 {key}.listen"),
                format!("who has it: ss -ltnp sport = :{port}; stop that, or change {key}.listen"),
            );
            report.add(Mark::Bad, what, found, advice);
        }
    }
}
