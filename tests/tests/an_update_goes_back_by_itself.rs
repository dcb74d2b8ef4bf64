//! `deploy/upgrade` against real packages and the real program: a good update, one with a bad
//! signature, one that never gets healthy, one that changes the data and never gets healthy, and a
//! power cut in the middle. There is no systemd here: a script starts and stops the service.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;
use zhiban_tests::harness::configs::{self, Folder};
use zhiban_tests::harness::database::Copied;
use zhiban_tests::harness::peers::workspace;
use zhiban_tests::harness::programs;
use zhiban_tests::harness::wait::{seen, until};

const PROGRAM: &str = "zhiban-gateway";
/// A program that never answers.
const SICK: &str = "#!/bin/sh\nexec sleep 1000\n";

/// A box with its own root for dpkg.
struct Machine {
    folder: Folder,
    data: PathBuf,
    config: PathBuf,
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.command("service").arg("stop").status();
    }
}

fn run(command: &mut Command) -> Output {
    let output = command
        .output()
        .expect("a Debian machine with gpg and dpkg");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    output
}

fn script(file: &Path, text: &str) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}

impl Machine {
    /// A box on which version 1 is installed and runs.
    async fn new(name: &str) -> Self {
        let folder = Folder::new(name);
        let (hall, mut config) = configs::hall(folder.path(), "updated").unwrap();
        config["web"]["listen"] = "127.0.0.1:0".into();
        hall.write_config(&config).unwrap();
        let this = Self {
            data: hall.data.clone(),
            config: hall.config.clone(),
            folder,
        };
        for part in ["info", "updates", "triggers", "parts"] {
            fs::create_dir_all(this.path("root/var/lib/dpkg").join(part)).unwrap();
        }
        for file in ["status", "available"] {
            fs::write(this.path("root/var/lib/dpkg").join(file), "").unwrap();
        }
        this.make_keys();
        this.make_service();
        let first = this.package("1.0", copy_of_program);
        let root = this.path("root");
        let mut dpkg = Command::new("dpkg");
        run(dpkg.arg("--root").arg(root).arg("--install").arg(first));
        run(this.command("service").arg("start"));
        this.healthy().await;
        this
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// A key of whoever releases, and one of somebody else.
    fn make_keys(&self) {
        for who in ["release", "stranger"] {
            let home = self.path(who);
            fs::create_dir_all(&home).unwrap();
            fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
            let gpg = || {
                let mut gpg = Command::new("gpg");
                gpg.arg("--homedir").arg(&home).args(["--batch", "--quiet"]);
                gpg
            };
            let key = [
                "--passphrase",
                "",
                "--quick-generate-key",
                who,
                "ed25519",
                "sign",
                "never",
            ];
            run(gpg().args(key));
            let public = run(gpg().arg("--export")).stdout;
            fs::write(home.join("public.gpg"), public).unwrap();
        }
    }

    fn sign(&self, who: &str, package: &Path) {
        let mut gpg = Command::new("gpg");
        gpg.arg("--homedir").arg(self.path(who));
        gpg.args(["--batch", "--quiet", "--yes", "--detach-sign", "--output"]);
        run(gpg.arg(format!("{}.sig", package.display())).arg(package));
    }

    /// Starts and stops what stands in `usr/bin`, in place of systemd.
    /// A stop may be cut between its mark and its signal: the start behind it signals again, or it would wait
    /// for a program that nobody stops.
    fn make_service(&self) {
        let (root, pid) = (self.path("root"), self.path("pid"));
        let text = format!(
            "#!/bin/sh\npid={pid}\ncase $1 in\n\
             start) while [ -e $pid.stopping ] && kill $(cat $pid) 2>/dev/null; do sleep 0.1; done\n\
             rm -f $pid.stopping; [ -e $pid ] && kill -0 $(cat $pid) 2>/dev/null && exit 0\n\
             setsid {root}/usr/bin/{PROGRAM} run {config} >>{log} 2>&1 </dev/null & echo $! >$pid ;;\n\
             stop) [ -e $pid ] || exit 0\n touch $pid.stopping; kill $(cat $pid) 2>/dev/null\n\
             while kill -0 $(cat $pid) 2>/dev/null; do sleep 0.1; done; rm -f $pid $pid.stopping ;;\nesac\n",
            pid = pid.display(),
            root = root.display(),
            config = self.config.display(),
            log = self.path("log").display(),
        );
        script(&self.path("service"), &text);
    }

    /// A package of this version whose program is made by `program`.
    fn package(&self, version: &str, program: impl FnOnce(&Path)) -> PathBuf {
        let tree = self.path(&format!("tree-{version}"));
        fs::create_dir_all(tree.join("usr/bin")).unwrap();
        fs::create_dir_all(tree.join("DEBIAN")).unwrap();
        let control = format!(
            "Package: {PROGRAM}\nVersion: {version}\nArchitecture: all\nMaintainer: test <t@localhost>\n\
             Description: test\n"
        );
        fs::write(tree.join("DEBIAN/control"), control).unwrap();
        program(&tree.join("usr/bin").join(PROGRAM));
        let package = self.path(&format!("{PROGRAM}_{version}.deb"));
        let mut build = Command::new("dpkg-deb");
        run(build
            .args(["--root-owner-group", "-Znone", "--build"])
            .arg(&tree)
            .arg(&package));
        fs::remove_dir_all(tree).unwrap();
        self.sign("release", &package);
        package
    }

    fn sick(&self, version: &str, text: &str) -> PathBuf {
        self.package(version, |to| script(to, text))
    }

    /// A script of the box, with what `deploy/upgrade` is told of it.
    fn command(&self, script: &str) -> Command {
        let upgrade = self.path("zhiban-gateway-upgrade");
        if !upgrade.exists() {
            symlink(workspace().join("deploy/upgrade"), &upgrade).unwrap();
        }
        let mut command = Command::new(self.path(script));
        command
            .env("ZHIBAN_ROOT", self.path("root"))
            .env("ZHIBAN_SERVICE", self.path("service"))
            .env("ZHIBAN_CONFIG", &self.config)
            .env("ZHIBAN_KEYS", self.path("release/public.gpg"))
            .env("ZHIBAN_HEALTH_S", "12");
        command
    }

    fn upgrade(&self, package: &Path) -> Output {
        let mut command = self.command("zhiban-gateway-upgrade");
        command.arg(package).output().unwrap()
    }

    fn version(&self) -> String {
        let mut query = Command::new("dpkg-query");
        query.arg("--admindir").arg(self.path("root/var/lib/dpkg"));
        let shown = run(query.args(["--show", "--showformat", "${Version}", PROGRAM]));
        String::from_utf8_lossy(&shown.stdout).into_owned()
    }

    /// What doctor and panel are told.
    fn outcome(&self) -> Value {
        let text = fs::read(self.data.join("upgrade.json")).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    async fn healthy(&self) {
        until("the hall is well", Duration::from_secs(60), async || {
            let mut asked = Command::new(programs().unwrap().join(PROGRAM));
            let asked = asked
                .arg("health")
                .arg("--config")
                .arg(&self.config)
                .output();
            let asked = asked.map_err(|error| error.to_string())?;
            seen(asked.status.success(), text(&asked.stderr))
        })
        .await;
    }

    fn stop(&self) {
        run(self.command("service").arg("stop"));
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The real program with another version, so that it can be told.
fn copy_of_program(to: &Path) {
    fs::copy(programs().unwrap().join(PROGRAM), to).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_update_is_installed_and_a_bad_signature_changes_nothing() {
    let it = Machine::new("good-update").await;
    let good = it.package("1.1", copy_of_program);
    let signature = PathBuf::from(format!("{}.sig", good.display()));
    let kept = fs::read(&signature).unwrap();

    it.sign("stranger", &good);
    let refused = it.upgrade(&good);
    assert!(!refused.status.success());
    assert!(
        text(&refused.stderr).contains("the signature is not good"),
        "{}",
        text(&refused.stderr)
    );
    fs::remove_file(&signature).unwrap();
    assert!(text(&it.upgrade(&good).stderr).contains("expected its signature, found none"));
    fs::write(&signature, &kept).unwrap();
    let mut bytes = fs::read(&good).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let tampered = it.path("tampered.deb");
    fs::write(&tampered, bytes).unwrap();
    fs::write(it.path("tampered.deb.sig"), &kept).unwrap();
    assert!(text(&it.upgrade(&tampered).stderr).contains("the signature is not good"));
    assert_eq!(it.version(), "1.0", "nothing was changed");
    it.healthy().await;

    let done = it.upgrade(&good);
    assert!(
        done.status.success(),
        "{}{}",
        text(&done.stdout),
        text(&done.stderr)
    );
    assert_eq!(it.version(), "1.1");
    assert_eq!(it.outcome()["outcome"], "installed");
    it.healthy().await;
    let older = it.package("1.0.5", copy_of_program);
    assert!(text(&it.upgrade(&older).stderr).contains("expected a version after 1.1, found 1.0.5"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_never_gets_healthy_is_rolled_back() {
    let it = Machine::new("sick-update").await;
    let epoch = fs::read_to_string(it.data.join("epoch")).unwrap();
    let sick = it.sick("2.0", SICK);
    let refused = it.upgrade(&sick);
    assert!(
        text(&refused.stderr).contains("rolled back: 2.0"),
        "{}",
        text(&refused.stderr)
    );
    assert_eq!(it.version(), "1.0");
    it.healthy().await;
    assert_eq!(it.outcome()["outcome"], "rolled-back");
    assert_eq!(
        it.outcome()["reason"],
        "did not get healthy; what it accepted was kept"
    );
    let same = fs::read_to_string(it.data.join("epoch")).unwrap();
    assert_eq!(epoch, same, "the data was never put back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_fails_leaves_the_service_running() {
    let it = Machine::new("failed-step").await;
    let place = it.path("root/var/lib/zhiban-upgrade").join(PROGRAM);
    fs::create_dir_all(&place).unwrap();
    let good = it.package("1.1", copy_of_program);
    // A folder stands where the backup is to come.
    fs::create_dir_all(place.join("before.tar.gz/x")).unwrap();
    let failed = it.upgrade(&good);
    assert!(!failed.status.success());
    it.healthy().await;
    assert_eq!(it.version(), "1.0");
    assert_eq!(fs::read_to_string(place.join("step")).unwrap(), "done\n");
    fs::remove_dir_all(place.join("before.tar.gz")).unwrap();
    // Nobody could go back to this one: the package of before is gone when it is needed.
    let gone = format!(
        "#!/bin/sh\nrm -f {}/previous.deb\nexec sleep 1000\n",
        place.display()
    );
    let failed = it.upgrade(&it.sick("2.0", &gone));
    assert!(!failed.status.success());
    let said = text(&failed.stderr);
    assert!(
        said.contains("the program of before cannot be installed"),
        "{said}"
    );
    assert_eq!(
        it.outcome()["outcome"],
        "rolled-back",
        "it is told all the same"
    );
    assert_eq!(fs::read_to_string(place.join("step")).unwrap(), "done\n");
    let pid = fs::read_to_string(it.path("pid")).unwrap();
    assert!(
        Path::new("/proc").join(pid.trim()).exists(),
        "it was started"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_service_puts_in_the_way_is_not_followed() {
    let it = Machine::new("linked-update").await;
    let victim = it.path("victim");
    fs::write(&victim, "of root").unwrap();
    fs::set_permissions(&victim, fs::Permissions::from_mode(0o600)).unwrap();
    for name in ["upgrade.json", "upgrade.json.new", "secret"] {
        symlink(&victim, it.data.join(name)).unwrap();
    }
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        let mut chown = Command::new("chown");
        run(chown.arg("-hR").arg("nobody:nogroup").arg(&it.data));
        run(Command::new("chgrp").arg("nogroup").arg(&it.config));
    }
    let done = it.upgrade(&it.package("1.1", copy_of_program));
    let said = format!("{}{}", text(&done.stdout), text(&done.stderr));
    assert!(done.status.success(), "{said}");
    assert!(said.contains("before.tar.gz: "), "{said}");
    assert_eq!(it.outcome()["outcome"], "installed");
    assert_eq!(fs::read_to_string(&victim).unwrap(), "of root");
    let told = fs::symlink_metadata(it.data.join("upgrade.json")).unwrap();
    assert!(
        told.is_file(),
        "the link is gone, and what it led to is not"
    );
    let owner = fs::metadata(&it.data).unwrap().uid();
    assert_eq!(told.uid(), owner, "written with the rights of the service");
    let place = it.path("root/var/lib/zhiban-upgrade").join(PROGRAM);
    let kept = fs::metadata(place.join("before.tar.gz")).unwrap();
    assert_eq!(kept.uid(), rustix::process::geteuid().as_raw());
    // And back: root may read the archive, the service may write its folder.
    it.stop();
    let mut restore = Command::new(it.path("root/usr/bin").join(PROGRAM));
    let restore = restore.arg("restore").arg(place.join("before.tar.gz"));
    let restored = run(restore.arg("--config").arg(&it.config));
    assert!(text(&restored.stdout).contains("restored: updated"));
    assert_eq!(fs::metadata(it.data.join("hall.db")).unwrap().uid(), owner);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "of root");
}

#[tokio::test(flavor = "multi_thread")]
async fn data_the_old_program_cannot_read_is_put_back() {
    let it = Machine::new("changed-data").await;
    // A newer program's migration, and a row it accepted, before it hangs.
    let database = it.data.join("hall.db");
    let changes = format!(
        "#!/usr/bin/env python3\nimport sqlite3, sys, time\nif sys.argv[1] != 'run': sys.exit(1)\n\
         c = sqlite3.connect('{}')\n\
         c.execute(\"insert into gateway_migration values (99, 'future', '2030-01-01T00:00:00Z', '1')\")\n\
         c.execute('create table future (id integer)')\nc.commit()\ntime.sleep(1000)\n",
        database.display()
    );
    let sick = it.sick("2.0", &changes);
    let refused = it.upgrade(&sick);
    let said = text(&refused.stderr);
    assert!(
        said.contains("the data of before was restored"),
        "{}{said}",
        text(&refused.stdout)
    );
    it.healthy().await;
    it.stop();
    let tables = "select count(*) from sqlite_schema where name = 'future'";
    assert_eq!(
        Copied::of(&it.data, "hall.db").one::<i64>(tables),
        0,
        "as before"
    );
    let entries = fs::read_dir(&it.data)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut aside = entries.filter(|path| path.to_string_lossy().contains("before-restore-"));
    let aside = aside.next().expect("what came since is kept");
    assert_eq!(Copied::of(&aside, "hall.db").one::<i64>(tables), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_at_any_step_is_gone_on_from() {
    let it = Machine::new("cut-update").await;
    let place = it.path("root/var/lib/zhiban-upgrade").join(PROGRAM);
    for (number, step) in ["keep", "install", "health"].into_iter().enumerate() {
        let version = format!("1.{}", number + 1);
        let before = it.version();
        let good = it.package(&version, copy_of_program);
        // That of the round before.
        let _ = fs::remove_file(place.join("step"));
        let mut upgrade = it.command("zhiban-gateway-upgrade");
        let upgrade = upgrade.arg(&good).stdout(std::process::Stdio::null());
        // Killed with everything it started, as soon as it is at the step.
        let mut child = std::os::unix::process::CommandExt::process_group(upgrade, 0)
            .spawn()
            .unwrap();
        until("the step", Duration::from_secs(60), async || {
            let at = fs::read_to_string(place.join("step")).unwrap_or_default();
            seen(at.trim() == step || at.trim() == "done", at)
        })
        .await;
        let group = rustix::process::Pid::from_child(&child);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        child.wait().unwrap();
        let resumed = it
            .command("zhiban-gateway-upgrade")
            .arg("--resume")
            .output()
            .unwrap();
        assert!(
            resumed.status.success(),
            "{step}: {}",
            text(&resumed.stderr)
        );
        it.healthy().await;
        let now = if step == "keep" { before } else { version };
        assert_eq!(it.version(), now, "{step}");
        assert_eq!(fs::read_to_string(place.join("step")).unwrap(), "done\n");
    }
}
