//! Commands that root runs on what is the service's, with the rights of the service: in a folder of
//! the service root would follow whatever link was put there, and write where the service may not.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, lchown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// Stands for the archive that root opened.
pub const STDIN: &str = "/dev/stdin";

/// Another user than the one who runs this.
#[derive(Debug, Clone, Copy)]
struct Owner {
    user: u32,
    group: u32,
}

impl Owner {
    /// Whose `data` is, when root runs this and it is not root's.
    fn of(data: &Path) -> Option<Self> {
        let found = fs::metadata(data).ok()?;
        let owner = Self {
            user: found.uid(),
            group: found.gid(),
        };
        (rustix::process::geteuid().is_root() && owner.user != 0).then_some(owner)
    }

    /// Whether no folder on the way to `folder` is closed to it.
    fn gets_to(self, folder: &Path) -> bool {
        folder.ancestors().all(|folder| {
            fs::metadata(folder).is_ok_and(|found| {
                let own = if found.uid() == self.user {
                    0o100
                } else if found.gid() == self.group {
                    0o010
                } else {
                    0o001
                };
                found.mode() & own != 0
            })
        })
    }

    /// This program with these rights; supplementary groups are dropped with the user.
    fn command(self, arguments: impl IntoIterator<Item = OsString>) -> Command {
        let mut command = Command::new("/proc/self/exe");
        command.args(arguments).uid(self.user).gid(self.group);
        command
    }
}

/// Goes on as the owner of `data`; comes back where that is who runs this already.
///
/// # Errors
/// When the rights cannot be changed.
pub fn go_on_as_owner(data: &Path) -> io::Result<()> {
    match Owner::of(data) {
        None => Ok(()),
        Some(owner) => Err(owner.command(std::env::args_os().skip(1)).exec()),
    }
}

/// Takes a backup as the owner of `data` to where root may write, in a folder made for it; false: who
/// runs this may do it.
///
/// # Errors
/// When it fails; then there is no backup.
pub fn back_up_as_owner(data: &Path, target: &Path, config: &Path) -> io::Result<bool> {
    let Some(owner) = Owner::of(data) else {
        return Ok(false);
    };
    let (folder, name) = crate::backup::place_of(target);
    let folder = fs::canonicalize(folder)?;
    if fs::metadata(&folder)?.uid() == owner.user {
        go_on_as_owner(data)?;
    }
    // Where the owner does not get through, the archive is made beside the data and copied.
    let gets_through = owner.gets_to(&folder);
    let room = Room::make(if gets_through { &folder } else { data }, owner)?;
    let into = room.0.join(name.clone().unwrap_or_default());
    let config = fs::canonicalize(config)?;
    let arguments = [
        "backup".into(),
        into.into(),
        "--config".into(),
        config.into(),
    ];
    let done = owner.command(arguments).stdout(Stdio::piped()).output()?;
    succeeded(done.status, &done.stderr)?;
    let made = room.archive()?;
    let target = folder.join(name.unwrap_or_else(|| made.file_name().unwrap_or_default().into()));
    if gets_through {
        lchown(&made, Some(0), Some(0))?;
        fs::rename(&made, &target)?;
    } else {
        copy(&made, &target)?;
    }
    File::open(&folder)?.sync_all()?;
    let said = String::from_utf8_lossy(&done.stdout);
    let said = said.split_once(": ").map_or(&*said, |(_, rest)| rest);
    print!("{}: {said}", target.display());
    Ok(true)
}

/// Whole or not at all.
fn copy(made: &Path, target: &Path) -> io::Result<()> {
    let no_link = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let mut made = File::options()
        .read(true)
        .custom_flags(no_link)
        .open(made)?;
    let part = target.with_extension(format!("part-{}", std::process::id()));
    let mut options = File::options();
    let mut out = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&part)?;
    let copied = io::copy(&mut made, &mut out).and_then(|_| out.sync_all());
    if let Err(error) = copied.and_then(|()| fs::rename(&part, target)) {
        let _ = fs::remove_file(&part);
        return Err(error);
    }
    Ok(())
}

/// Puts a backup that root may read back as the owner of `data`; false: who runs this may do it.
///
/// # Errors
/// When it fails.
pub fn restore_as_owner(data: &Path, archive: &Path, config: &Path) -> io::Result<bool> {
    let Some(owner) = Owner::of(data) else {
        return Ok(false);
    };
    let opened = File::open(archive)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", archive.display())))?;
    let config = fs::canonicalize(config)?;
    let arguments = [
        "restore".into(),
        STDIN.into(),
        "--config".into(),
        config.into(),
    ];
    let done = owner.command(arguments).stdin(opened).status()?;
    succeeded(done, b"")?;
    Ok(true)
}

fn succeeded(status: ExitStatus, said: &[u8]) -> io::Result<()> {
    if status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(said);
    let said = said.trim();
    Err(io::Error::other(if said.is_empty() {
        "it was not done, see above".to_owned()
    } else {
        said.to_owned()
    }))
}

/// A folder of the owner's in one that is not; goes away with what is in it.
struct Room(PathBuf);

impl Room {
    fn make(folder: &Path, owner: Owner) -> io::Result<Self> {
        let room = Self(folder.join(format!(".zhiban-{}", std::process::id())));
        DirBuilder::new().mode(0o700).create(&room.0)?;
        lchown(&room.0, Some(owner.user), Some(owner.group))?;
        Ok(room)
    }

    /// The one file that was made here.
    fn archive(&self) -> io::Result<PathBuf> {
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                return Ok(entry.path());
            }
        }
        Err(io::Error::new(
            io::ErrorKind::NotFound,
            "no backup was made",
        ))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // Follows no link.
        let _ = fs::remove_dir_all(&self.0);
    }
}
