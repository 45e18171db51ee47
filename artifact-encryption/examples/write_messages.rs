//! Writes encrypted blobs as files, for `tests/vectors/vectors.py`, which reads them with another implementation.
//!
//!     cargo run -p artifact-encryption --example write_messages -- FOLDER

#![expect(
    clippy::disallowed_methods,
    reason = "the files are for a script, not for a store"
)]

use std::env;
use std::error::Error;
use std::fs;
use std::path::PathBuf;

use artifact_backend::{ArtifactBackend, ArtifactId};
use artifact_backend_mem::MemBackend;
use artifact_encryption::{EncryptedBackend, EncryptionKey};
use bytes::Bytes;

/// The bits of the key and the plain bytes of each message.
const MESSAGES: [(u16, usize); 7] = [
    (128, 0),
    (128, 1),
    (128, 16_383),
    (128, 16_384),
    (128, 32_769),
    (256, 0),
    (256, 20_480),
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::args().nth(1).ok_or("give a folder")?;
    let folder = PathBuf::from(folder);
    fs::create_dir_all(&folder)?;
    let id = ArtifactId::from_bytes(
        *b"\xa0\xa1\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xab\xac\xad\xae\xaf",
    );
    for (bits, size) in MESSAGES {
        let key: Vec<u8> = (0..u8::try_from(bits / 8)?).collect();
        let backend =
            EncryptedBackend::new(MemBackend::default(), EncryptionKey::from_bytes(&key)?);
        let plain: Bytes = (0..size)
            .map(|position| ((position * 31 + position / 256) % 256) as u8)
            .collect();
        backend.store(id, plain).await?;
        let message = backend.inner().load(id).await?;
        fs::write(folder.join(format!("{bits}-{size}.bin")), message)?;
    }
    Ok(())
}
