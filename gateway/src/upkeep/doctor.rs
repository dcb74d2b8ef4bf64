//! What the doctor looks at in a hall.

use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use zhiban_config::GatewayConfig;
use zhiban_kernel::Clock;
use zhiban_kernel::doctor::{self, Mark, Report, Said};
use zhiban_kernel::web::check_pages;

use super::{PROGRAM, subject};
use crate::appliance::{AUTHORITY, DATABASE, wired_devices};
use crate::devices;

/// Parts of health in Chinese, with what to do where one is not well.
const PARTS: [(&str, &str, &str, &str); 9] = [
    (
        "journal",
        "流水写入",
        "看“磁盘空间”一行；写入已停止时重启服务",
        "see the line on the disk; restart the service when the writer has stopped",
    ),
    (
        "mqtt",
        "MQTT 入口",
        "systemctl restart zhiban-gateway",
        "systemctl restart zhiban-gateway",
    ),
    (
        "followers",
        "后续处理",
        "稍候；持续不动时重启服务",
        "wait; restart the service when one does not move",
    ),
    (
        "drivers",
        "有线设备",
        "看接线、电源和“串口”各行",
        "see wiring, power and the lines on serial ports",
    ),
    (
        "uplink",
        "到中心的连接",
        "检查网络、防火墙（到中心 7443 端口）和接入状态；数据在本机等待，不会丢失",
        "check the network, the firewall (port 7443 of the centre) and whether the hall is enrolled; data waits here, nothing is lost",
    ),
    (
        "audit log",
        "审计日志",
        "有人改动了数据库：保留现场并报告",
        "somebody changed the database: keep it as it is and report",
    ),
    (
        "backup",
        "夜间备份",
        "看 [backup] folder 是否挂载、是否有空间",
        "see whether [backup] folder is mounted and has room",
    ),
    (
        "retention",
        "数据保留",
        "磁盘份额已满：加大 [retention] disk_percent 或换磁盘",
        "the share of the disk is full: raise [retention] disk_percent or use a larger disk",
    ),
    ("clock", "时钟", "设置时间服务器", "name a time server"),
];

/// Looks at everything; the configuration may be wrong or the service down.
#[must_use]
pub(super) fn examine(file: &Path) -> Report {
    let mut report = Report::default();
    let Some(config) = check_config(&mut report, file) else {
        return report;
    };
    let (data, subject) = (&config.hall.data, subject(&config, file));
    doctor::check_folder(&mut report, data);
    doctor::check_disk(&mut report, data);
    doctor::check_fsync(&mut report, data);
    doctor::check_clock(&mut report);
    let running = doctor::check_service(&mut report, PROGRAM, data);
    for (key, listen) in listeners(&config) {
        doctor::check_listen(&mut report, key, listen, running.is_some());
    }
    check_ports(&mut report, &config);
    doctor::check_database(&mut report, &subject);
    doctor::check_incidents(&mut report, &subject);
    let backups = config.backup.folder_of(data);
    doctor::check_backup(&mut report, &subject, &backups, Clock::real_now());
    check_authority(&mut report, data);
    doctor::check_update(&mut report, data);
    if let Some(running) = &running {
        doctor::check_parts(&mut report, running, &PARTS);
    }
    report
}

fn check_config(report: &mut Report, file: &Path) -> Option<GatewayConfig> {
    let what = Said::new("配置", "configuration");
    let read = GatewayConfig::read(file).map_err(anyhow::Error::from);
    let read = read.and_then(|config| {
        wired_devices(&config)?;
        check_pages(&config.web)?;
        Ok(config)
    });
    match read {
        Ok(config) => {
            report.good(what, Said::same(file.display()));
            Some(config)
        }
        Err(error) => {
            let advice = Said::new(
                format!("改正后：{PROGRAM} check {}", file.display()),
                format!("mend it, then: {PROGRAM} check {}", file.display()),
            );
            report.add(Mark::Bad, what, Said::same(format!("{error:#}")), advice);
            None
        }
    }
}

fn listeners(config: &GatewayConfig) -> Vec<(&'static str, SocketAddr)> {
    let mut all = vec![("web", config.web.listen), ("mqtt", config.mqtt.listen)];
    let tls = config.mqtt.tls.as_ref();
    all.extend(tls.map(|tls| ("mqtt.tls", tls.listen)));
    let pages = config.web.tls.as_ref();
    all.extend(pages.map(|tls| ("web.tls", tls.listen)));
    all
}

/// Serial ports of wired devices: of the configuration, and of the panel.
fn check_ports(report: &mut Report, config: &GatewayConfig) {
    let port_of = |settings: &serde_json::Value| {
        let link = &settings["link"];
        link["serial"].as_str().map(str::to_owned)
    };
    let listed = config.devices.iter().filter_map(|device| {
        let settings = serde_json::to_value(&device.settings).ok()?;
        Some((device.id.to_string(), port_of(&settings)?))
    });
    let mut ports: Vec<_> = listed.collect();
    ports.extend(ports_in_database(&config.hall.data, port_of).unwrap_or_default());
    ports.sort();
    ports.dedup();
    for (device, port) in ports {
        check_port(report, &device, &port);
    }
}

fn ports_in_database(
    data: &Path,
    port_of: impl Fn(&serde_json::Value) -> Option<String>,
) -> rusqlite::Result<Vec<(String, String)>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = Connection::open_with_flags(data.join(DATABASE), flags)?;
    let wired = devices::wired_settings(&connection)?;
    let port = |(device, settings): (String, String)| {
        let settings = serde_json::from_str(&settings).ok()?;
        Some((device, port_of(&settings)?))
    };
    Ok(wired.into_iter().filter_map(port).collect())
}

fn check_port(report: &mut Report, device: &str, port: &str) {
    let what = Said::new(format!("串口 {device}"), format!("serial port {device}"));
    let Ok(found) = std::fs::metadata(port) else {
        let absent = Said::new(format!("{port} 不存在"), format!("{port} is not there"));
        let advice = Said::new(
            "检查 USB 线；ls /dev/serial/by-path 看现有串口，在面板中改设备的端口",
            "check the USB cable; ls /dev/serial/by-path shows what is there; change the port on the device's page",
        );
        report.add(Mark::Bad, what, absent, advice);
        return;
    };
    if !found.file_type().is_char_device() {
        let advice = Said::same("ls /dev/serial/by-path");
        report.add(
            Mark::Bad,
            what,
            Said::same(format!("{port}: no terminal")),
            advice,
        );
        return;
    }
    let may = rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK;
    if rustix::fs::access(port, may).is_err() {
        let advice = Said::new(
            "以 root 运行 doctor；服务经 dialout 组获得权限：ls -l 应显示 root dialout crw-rw----",
            "run doctor as root; the service has its right by the group dialout: ls -l should say root dialout crw-rw----",
        );
        report.add(
            Mark::Look,
            what,
            Said::same(format!("{port}: no right")),
            advice,
        );
        return;
    }
    report.good(what, Said::same(port));
}

/// Until when the hall's own authority holds.
fn check_authority(report: &mut Report, data: &Path) {
    let file = data.join(AUTHORITY);
    if !file.exists() {
        return;
    }
    let what = Said::new("本厅证书", "hall authority");
    let ends = zhiban_kernel::authority::ends(&file);
    let days = |ends: jiff::Timestamp| ends.duration_since(Clock::real_now()).as_hours() / 24;
    let advice = Said::new(
        "设备要重新加入；请联系支持",
        "devices must join again; ask for support",
    );
    match ends {
        Ok(ends) if days(ends) > 60 => {
            let found = Said::new(
                format!("有效至 {}", ends.strftime("%Y-%m-%d")),
                format!("holds until {}", ends.strftime("%Y-%m-%d")),
            );
            report.good(what, found);
        }
        Ok(ends) => {
            let left = days(ends);
            let found = Said::new(format!("剩 {left} 天"), format!("{left} days left"));
            report.add(Mark::Look, what, found, advice);
        }
        Err(error) => report.add(Mark::Bad, what, Said::same(error), advice),
    }
}
