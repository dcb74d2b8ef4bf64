//! The old queue host of the showroom: it calls nobody any more, and still says its notices to the
//! text service it knows (TCP 6000 in halls).

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;
use zhiban_drivers::gbk;

use crate::harness::clock::ReplayClock;

/// Hall seconds between two notices.
const NOTICE_EVERY_S: f64 = 900.0;
const CONNECT_AGAIN: Duration = Duration::from_secs(2);
/// Screen address of the summary board.
pub const BOARD: u32 = 128;
/// Longest line the service takes.
const LINE_BYTES_MAX: usize = 512;
const NOTICES: [&str; 4] = [
    "办理护照请先自助拍照",
    "请看管好随身物品",
    "十二点至十三点窗口轮流午休",
    "过号请到导服台重新排队",
];

/// Says notices for as long as it is polled.
pub async fn play(port: u16, clock: ReplayClock) {
    let every = Duration::from_secs_f64((NOTICE_EVERY_S / f64::from(clock.speed)).max(1.0));
    loop {
        let _ = talk(port, every).await;
        sleep(CONNECT_AGAIN).await;
    }
}

/// Ends when the service is gone or does not take a notice.
async fn talk(port: u16, every: Duration) -> io::Result<()> {
    let mut service = TcpStream::connect(("127.0.0.1", port)).await?;
    for notice in NOTICES.iter().cycle() {
        let line = format!("1|{BOARD}|{notice}|1|");
        let mut line = gbk::encode(&line, LINE_BYTES_MAX);
        line.push(b'\n');
        service.write_all(&line).await?;
        // The service answers with one figure; the host waits for it.
        let answer = service.read_u8().await?;
        if answer != b'0' {
            return Err(io::ErrorKind::InvalidData.into());
        }
        sleep(every).await;
    }
    Ok(())
}
