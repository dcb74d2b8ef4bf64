//! A small disk of its own, to be filled: a loop-mounted file system. Needs root.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted disk; unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk {
    mount: PathBuf,
    image: PathBuf,
}

fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output();
    let output = output
        .unwrap_or_else(|error| panic!("{program}: {error} (apt-get install e2fsprogs mount)"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {args:?}: {said}\nthis test needs root to mount a small disk"
    );
}

impl SmallDisk {
    /// Makes one of `mib` MiB in `folder`.
    ///
    /// # Panics
    /// When it cannot be mounted, which needs root.
    #[must_use]
    pub fn mount(folder: &Path, mib: u64) -> Self {
        let (image, mount) = (folder.join("disk.img"), folder.join("disk"));
        fs::create_dir_all(&mount).expect("a mount point");
        let file = File::create(&image).expect("an image");
        file.set_len(mib << 20).expect("a sparse file");
        let shown = image.to_string_lossy();
        run("mkfs.ext4", &["-q", "-F", "-m", "0", &shown]);
        run("mount", &["-o", "loop", &shown, &mount.to_string_lossy()]);
        Self { mount, image }
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.mount
    }

    /// Writes until not a byte more fits.
    ///
    /// # Panics
    /// When something else goes wrong than the lack of space.
    pub fn fill(&self) {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.ballast());
        let mut file = file.expect("a file");
        for size in [1 << 20, 4 << 10, 512, 1] {
            let block = vec![0xa5; size];
            loop {
                match file.write_all(&block).and_then(|()| file.sync_data()) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::StorageFull => break,
                    Err(error) => panic!("{error}"),
                }
                // Single bytes only to the end of the block.
                if size == 1 && file.metadata().is_ok_and(|found| found.len() % 4_096 == 0) {
                    break;
                }
            }
        }
    }

    /// Gives the space back.
    ///
    /// # Panics
    /// When it cannot.
    pub fn free(&self) {
        fs::remove_file(self.ballast()).expect("the ballast can be removed");
    }

    fn ballast(&self) -> PathBuf {
        self.mount.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let mount = self.mount.to_string_lossy();
        // Lazily: a program that still runs must not keep the disk mounted for ever.
        let _ = Command::new("umount").args(["-l", &mount]).status();
        let _ = fs::remove_file(&self.image);
    }
}
