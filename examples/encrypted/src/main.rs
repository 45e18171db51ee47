//! A program without an async runtime that keeps encrypted blobs in a folder, changes its key, and notices a changed file.
//!
//!     cargo run --manifest-path examples/Cargo.toml -p embed-encrypted

use std::error::Error;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use artifact_backend::{ArtifactId, BlockingBackend, ByteRange, ErrorKind};
use artifact_backend_fs::{FsBackend, FsConfig};
use artifact_encryption::{EncryptedBackend, EncryptionKey, EncryptionKeys};

type Vault = BlockingBackend<EncryptedBackend<FsBackend>>;

fn open(folder: &Path, keys: EncryptionKeys) -> Result<Vault, Box<dyn Error>> {
    let folder = folder.to_owned();
    let opening = async move {
        let folder = FsBackend::open(folder, FsConfig::default()).await?;
        Ok(EncryptedBackend::new(folder, keys))
    };
    Ok(BlockingBackend::open(opening)?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let [first_key, second_key] = [EncryptionKey::generate(), EncryptionKey::generate()];

    let vault = open(folder.path(), first_key.clone().into())?;
    let id = ArtifactId::mint();
    let text = "one line of a long secret\n".repeat(10_000);
    let mut upload = vault.upload(id)?;
    upload.write_all(text.as_bytes())?;
    upload.commit()?;
    drop(vault);

    // The new key encrypts from now on; the former one still decrypts.
    let keys = EncryptionKeys::new(second_key).with_key_for_reading(first_key);
    let vault = open(folder.path(), keys)?;
    vault.store(ArtifactId::mint(), "another secret".into())?;
    let mut line = String::new();
    let range = ByteRange::from(26_000..26_026);
    vault.download(id, range)?.read_to_string(&mut line)?;
    expect(line == text[..26], "a range is decrypted")?;
    expect(
        vault.stat(id)?.size == 260_000,
        "sizes are those of the plain bytes",
    )?;

    let stored = find(folder.path(), &id.to_string())?.ok_or("the blob has a file")?;
    let mut bytes = fs::read(&stored)?;
    let is_secret = |window: &[u8]| window == b"secret";
    expect(!bytes.windows(6).any(is_secret), "the file is encrypted")?;
    bytes[200_000] ^= 1;
    fs::remove_file(&stored)?;
    fs::write(&stored, bytes)?;
    let error = vault.load(id).err().ok_or("a changed file is an error")?;
    expect(
        error.kind() == ErrorKind::Corrupt,
        "a changed file is corrupt",
    )?;
    println!("{error}");
    Ok(())
}

fn expect(right: bool, what: &str) -> Result<(), Box<dyn Error>> {
    right
        .then_some(())
        .ok_or_else(|| format!("not true: {what}").into())
}

/// Finds the file whose path, without the slashes, ends with `name` or a part of it.
fn find(folder: &Path, name: &str) -> std::io::Result<Option<PathBuf>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let found = if path.is_dir() {
            find(&path, name)?
        } else {
            let last = path.file_name().and_then(|last| last.to_str());
            last.filter(|last| name.ends_with(last))
                .map(|_| path.clone())
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}
