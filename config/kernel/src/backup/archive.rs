//! The archive as a file: written with its manifest first, read with every byte held against it.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Seek as _, Write};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use super::manifest::{FORMAT, FileNote, Manifest, NAME};
use super::{BackupError, damaged, of};
use crate::rights::STDIN;

/// Most bytes of a manifest.
const MANIFEST_BYTES_MAX: u64 = 4 << 20;

/// A file to be packed, under its name in the archive.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) path: PathBuf,
    pub(super) name: String,
}

/// Size and hash of a file.
pub(super) fn note_of(packed: &Packed) -> Result<FileNote, BackupError> {
    let file = File::open(&packed.path).map_err(of(&packed.path))?;
    let mut hashing = Hashing::new(file);
    let bytes = io::copy(&mut hashing, &mut io::sink()).map_err(of(&packed.path))?;
    Ok(FileNote {
        name: packed.name.clone(),
        bytes,
        sha256: hashing.hex(),
    })
}

/// Writes the archive, readable by its owner only; on disk when it returns.
pub(super) fn write(
    target: &Path,
    manifest: &Manifest,
    files: &[Packed],
) -> Result<(), BackupError> {
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let file = options.open(target).map_err(of(target))?;
    let packed = GzEncoder::new(BufWriter::new(file), Compression::fast());
    let mut tar = tar::Builder::new(packed);
    let text = serde_json::to_vec_pretty(manifest).map_err(|error| of(target)(error.into()))?;
    append(&mut tar, NAME, manifest, text.len() as u64, &text[..]).map_err(of(target))?;
    for (file, note) in files.iter().zip(&manifest.files) {
        let source = File::open(&file.path).map_err(of(&file.path))?;
        // A file that grew meanwhile is cut where the manifest says it ends.
        let source = source.take(note.bytes);
        append(&mut tar, &note.name, manifest, note.bytes, source).map_err(of(target))?;
    }
    let finish = || -> io::Result<()> {
        let written = tar.into_inner()?.finish()?;
        let file = written.into_inner().map_err(io::Error::from)?;
        file.sync_all()
    };
    finish().map_err(of(target))
}

fn append(
    tar: &mut tar::Builder<impl Write>,
    name: &str,
    manifest: &Manifest,
    size: u64,
    source: impl Read,
) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o600);
    header.set_mtime(manifest.taken.as_second().unsigned_abs());
    tar.append_data(&mut header, name, source)
}

type Reader = tar::Archive<GzDecoder<BufReader<File>>>;

fn open(file: &Path) -> Result<Reader, BackupError> {
    // Opened by root, and read more than once.
    let opened = if file == Path::new(STDIN) {
        let opened = io::stdin().as_fd().try_clone_to_owned().map(File::from);
        opened.and_then(|mut opened| opened.rewind().map(|()| opened))
    } else {
        File::open(file)
    };
    let opened = opened.map_err(of(file))?;
    Ok(tar::Archive::new(GzDecoder::new(BufReader::new(opened))))
}

/// The manifest alone.
pub(super) fn read_manifest(file: &Path) -> Result<Manifest, BackupError> {
    let bad = |error: io::Error| damaged(file, error.to_string());
    let mut tar = open(file)?;
    let first = tar.entries().map_err(bad)?.next();
    let mut first = first
        .ok_or_else(|| damaged(file, "it is empty"))?
        .map_err(bad)?;
    manifest_in(file, &mut first)
}

fn manifest_in(
    file: &Path,
    entry: &mut tar::Entry<'_, impl Read>,
) -> Result<Manifest, BackupError> {
    let bad = |error: io::Error| damaged(file, error.to_string());
    if entry.path().map_err(bad)? != Path::new(NAME) {
        return Err(damaged(file, format!("its first entry is not {NAME}")));
    }
    let mut text = Vec::new();
    let mut limited = entry.take(MANIFEST_BYTES_MAX);
    limited.read_to_end(&mut text).map_err(bad)?;
    let found: serde_json::Value = serde_json::from_slice(&text).map_err(|e| bad(e.into()))?;
    let format = &found["format"];
    if *format != FORMAT {
        let problem = format!("expected format {FORMAT}, found {format}");
        return Err(damaged(file, problem));
    }
    let manifest: Manifest = serde_json::from_value(found).map_err(|e| bad(e.into()))?;
    if let Some(name) = manifest.name_astray() {
        return Err(damaged(file, format!("{name:?} leads out of the folder")));
    }
    Ok(manifest)
}

/// Unpacks everything into `folder`, which must be empty, each byte held against the manifest.
pub(super) fn unpack(file: &Path, folder: &Path) -> Result<Manifest, BackupError> {
    let bad = |error: io::Error| damaged(file, error.to_string());
    let mut tar = open(file)?;
    let mut entries = tar.entries().map_err(bad)?;
    let first = entries.next();
    let mut first = first
        .ok_or_else(|| damaged(file, "it is empty"))?
        .map_err(bad)?;
    let manifest = manifest_in(file, &mut first)?;
    for note in &manifest.files {
        let entry = entries.next();
        let entry = entry.ok_or_else(|| damaged(file, format!("{} is missing", note.name)))?;
        let mut entry = entry.map_err(bad)?;
        if entry.path().map_err(bad)? != Path::new(&note.name) {
            return Err(damaged(file, format!("{} is missing", note.name)));
        }
        unpack_one(file, &mut entry, note, &folder.join(&note.name))?;
    }
    Ok(manifest)
}

fn unpack_one(
    archive: &Path,
    entry: &mut impl Read,
    note: &FileNote,
    target: &Path,
) -> Result<(), BackupError> {
    if let Some(folder) = target.parent() {
        std::fs::create_dir_all(folder).map_err(of(folder))?;
    }
    let mut options = OpenOptions::new();
    let options = options.write(true).create_new(true).mode(0o600);
    let mut out = options.open(target).map_err(of(target))?;
    let mut hashing = Hashing::new(entry);
    let mut buffer = vec![0; 1 << 18];
    let mut bytes = 0;
    loop {
        // Reading fails where the archive is damaged, writing where the disk is full.
        let read = hashing.read(&mut buffer);
        let read = read.map_err(|error| damaged(archive, error.to_string()))?;
        if read == 0 {
            break;
        }
        bytes += read as u64;
        out.write_all(&buffer[..read]).map_err(of(target))?;
    }
    if bytes != note.bytes || hashing.hex() != note.sha256 {
        return Err(damaged(archive, format!("{} was changed", note.name)));
    }
    out.sync_all().map_err(of(target))
}

/// Hashes what passes.
struct Hashing<R> {
    inner: R,
    hasher: Sha256,
}

impl<R> Hashing<R> {
    fn new(inner: R) -> Self {
        let hasher = Sha256::new();
        Self { inner, hasher }
    }

    fn hex(self) -> String {
        let hash = self.hasher.finalize();
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}
