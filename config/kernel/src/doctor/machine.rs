//! Looks at the machine: folder, disk, clock.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use super::{Mark, Report, Said};
use crate::Clock;

const FSYNCS: u32 = 20;
/// Slower, and every acknowledgement waits noticeably.
const FSYNC_SLOW_MS: u128 = 50;
/// Faster than any disk: nothing reaches it.
const FSYNC_FALSE_US: u128 = 20;
const USED_LOOK_PERCENT: u64 = 80;
const USED_BAD_PERCENT: u64 = 95;
/// Seconds the battery clock may differ from the system's.
const RTC_DRIFT_S: u64 = 120;

/// Owner and rights of the data folder.
pub fn check_folder(report: &mut Report, data: &Path) {
    let what = Said::new("数据目录", "data folder");
    let shown = data.display();
    let Ok(found) = fs::metadata(data) else {
        let absent = Said::new(format!("{shown} 不存在"), format!("{shown} is not there"));
        let advice = Said::new("首次启动服务时自动建立", "it is made at the first start");
        report.add(Mark::Look, what, absent, advice);
        return;
    };
    let (mode, owner) = (found.permissions().mode() & 0o777, found.uid());
    let told = format!("{shown} {mode:03o} uid {owner}");
    if mode & 0o077 != 0 {
        let advice = Said::new(format!("chmod 700 {shown}"), format!("chmod 700 {shown}"));
        report.add(Mark::Bad, what, Said::same(told), advice);
        return;
    }
    let strange = strangers(data, owner);
    if let Some(name) = strange {
        let advice = Said::same(format!("chown -R --reference={shown} {shown}"));
        let found = Said::new(
            format!("{name} 属于其他用户"),
            format!("{name} belongs to another user"),
        );
        report.add(Mark::Bad, what, found, advice);
        return;
    }
    report.good(what, Said::same(told));
}

/// The first file that does not belong to the owner of the folder.
fn strangers(data: &Path, owner: u32) -> Option<String> {
    let entries = fs::read_dir(data).ok()?.filter_map(Result::ok);
    let mut strange = entries.filter(|entry| {
        let found = entry.metadata();
        found.is_ok_and(|found| found.uid() != owner)
    });
    strange
        .next()
        .map(|entry| entry.path().display().to_string())
}

/// Room and inodes of the disk the data is on.
pub fn check_disk(report: &mut Report, data: &Path) {
    let what = Said::new("磁盘空间", "disk");
    let Ok(disk) = rustix::fs::statvfs(data) else {
        let unknown = Said::new("无法读取", "cannot be read");
        report.add(Mark::Look, what, unknown, Said::same(data.display()));
        return;
    };
    let percent = |free: u64, all: u64| match all {
        0 => 0,
        all => 100 - (free.saturating_mul(100) / all).min(100),
    };
    let used = percent(disk.f_bavail, disk.f_blocks);
    let inodes = percent(disk.f_favail, disk.f_files);
    let free_mib = disk.f_bavail.saturating_mul(disk.f_frsize) >> 20;
    let found = Said::new(
        format!("已用 {used} %，剩余 {free_mib} MiB，inode 已用 {inodes} %"),
        format!("{used} % used, {free_mib} MiB free, {inodes} % of inodes used"),
    );
    let worst = used.max(inodes);
    if worst < USED_LOOK_PERCENT {
        report.good(what, found);
        return;
    }
    let mark = if worst < USED_BAD_PERCENT {
        Mark::Look
    } else {
        Mark::Bad
    };
    let advice = Said::new(
        "删除不属于本系统的文件，或换更大的磁盘；[retention] disk_percent 限制数据库占用",
        "remove what is not ours or use a larger disk; [retention] disk_percent limits the database",
    );
    report.add(mark, what, found, advice);
}

/// How long one small write takes until it is on disk.
pub fn check_fsync(report: &mut Report, data: &Path) {
    let what = Said::new("写盘速度", "fsync");
    let file = data.join(format!(".doctor-{}", std::process::id()));
    let timed = time_fsync(&file);
    let _ = fs::remove_file(&file);
    let each = match timed {
        Ok(each) => each,
        Err(error) => {
            let advice = Said::new(
                "以服务用户或 root 运行 doctor；若仍失败，磁盘可能只读或已满",
                "run doctor as root or as the service's user; else the disk is read-only or full",
            );
            report.add(Mark::Look, what, Said::same(error), advice);
            return;
        }
    };
    let found = Said::same(format!("{}.{} ms", each / 1_000, each % 1_000 / 100));
    if each > FSYNC_SLOW_MS * 1_000 {
        let advice = Said::new(
            "磁盘太慢（SD 卡或故障）：每次确认都要等它，请换 SSD",
            "the disk is slow (SD card, or failing): every acknowledgement waits for it; use an SSD",
        );
        report.add(Mark::Look, what, found, advice);
    } else if each < FSYNC_FALSE_US {
        let advice = Said::new(
            "写入没有真正落盘（内存盘或虚拟机缓存）：断电会丢数据",
            "writes do not reach a disk (memory disk, or a caching VM): a power cut loses data",
        );
        report.add(Mark::Look, what, found, advice);
    } else {
        report.good(what, found);
    }
}

/// Microseconds per write.
fn time_fsync(file: &Path) -> std::io::Result<u128> {
    let mut opened = fs::File::create_new(file)?;
    let started = Instant::now();
    for _ in 0..FSYNCS {
        opened.write_all(&[0; 4_096])?;
        opened.sync_data()?;
    }
    Ok(started.elapsed().as_micros() / u128::from(FSYNCS))
}

/// Whether the clock follows one of the network, and the battery clock agrees.
pub fn check_clock(report: &mut Report) {
    let what = Said::new("时钟", "clock");
    let now = Clock::real_now();
    let asked = Command::new("timedatectl")
        .args(["show", "--property=NTPSynchronized", "--value"])
        .output();
    let synchronized = asked
        .ok()
        .filter(|answer| answer.status.success())
        .map(|answer| answer.stdout.starts_with(b"yes"));
    let drift = rtc_drift_s(now.as_second());
    let shown = now.strftime("%Y-%m-%d %H:%M:%S UTC");
    let advice = Said::new(
        "设置内网时间服务器：/etc/systemd/timesyncd.conf 的 NTP=，然后 timedatectl set-ntp true",
        "name the time server of your network: NTP= in /etc/systemd/timesyncd.conf, then timedatectl set-ntp true",
    );
    match (synchronized, drift) {
        (_, Some(drift)) if drift > RTC_DRIFT_S => {
            let found = Said::new(
                format!("{shown}，与主板时钟相差 {drift} 秒"),
                format!("{shown}, {drift} s away from the battery clock"),
            );
            report.add(Mark::Look, what, found, advice);
        }
        (Some(true), _) => {
            let found = Said::new(format!("{shown}，已同步"), format!("{shown}, synchronized"));
            report.good(what, found);
        }
        (Some(false), _) => {
            let found = Said::new(
                format!("{shown}，未与时间服务器同步"),
                format!("{shown}, not synchronized with a time server"),
            );
            report.add(Mark::Look, what, found, advice);
        }
        (None, _) => {
            let found = Said::new(
                format!("{shown}，无法判断是否同步"),
                format!("{shown}, whether it is synchronized cannot be told"),
            );
            report.add(Mark::Look, what, found, advice);
        }
    }
}

/// Seconds between the battery clock and the system's; `None` without one.
fn rtc_drift_s(now_s: i64) -> Option<u64> {
    let text = fs::read_to_string("/sys/class/rtc/rtc0/since_epoch").ok()?;
    let battery: i64 = text.trim().parse().ok()?;
    Some(battery.abs_diff(now_s))
}
