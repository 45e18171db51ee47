//! Messages of another implementation of the format: the module `cobblestone` of the Python package `cryptography`.
//!
//! `tests/vectors/vectors.py` made the files in `theirs`. The files in `ours` are from `examples/write_messages.rs`; the same
//! script has verified them. A name says the bits of the key and the plain bytes. This test needs no Python.

#![expect(clippy::disallowed_methods, reason = "the test reads its own files")]

use std::fs;
use std::path::Path;

use artifact_backend::{ArtifactBackend, ArtifactBackendExt, ArtifactId, ByteRange};
use artifact_backend_mem::MemBackend;
use artifact_encryption::{EncryptedBackend, EncryptionKey};
use bytes::Bytes;

const NAMES: [&str; 7] = [
    "128-0",
    "128-1",
    "128-16383",
    "128-16384",
    "128-32769",
    "256-0",
    "256-20480",
];

async fn check_folder(folder: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vectors")
        .join(folder);
    let id = ArtifactId::from_bytes(std::array::from_fn(|index| 0xa0 + index as u8));
    for name in NAMES {
        let (bits, size) = name.split_once('-').unwrap();
        let secret: Vec<u8> = (0..bits.parse::<usize>().unwrap() / 8)
            .map(|index| index as u8)
            .collect();
        let right: Bytes = (0..size.parse::<usize>().unwrap())
            .map(|position| (position * 31 + position / 256) as u8)
            .collect();
        let message = fs::read(folder.join(format!("{name}.bin"))).unwrap();
        let inner = MemBackend::default();
        inner.store(id, message.into()).await.unwrap();
        let key = EncryptionKey::from_bytes(&secret).unwrap();
        let backend = EncryptedBackend::new(inner, key);
        assert_eq!(backend.load(id).await.unwrap(), right, "{name}");
        let found = backend.load_range(id, ByteRange::Full).await.unwrap();
        assert_eq!(found, right, "{name}");
        if let Some(from) = right.len().checked_sub(5_000) {
            let range = ByteRange::From(from as u64);
            let found = backend.load_range(id, range).await.unwrap();
            assert_eq!(found, right.slice(from..), "{name}");
        }
    }
}

#[tokio::test]
async fn messages_of_the_python_package_are_read() {
    check_folder("theirs").await;
}

#[tokio::test]
async fn committed_messages_of_this_crate_are_read() {
    check_folder("ours").await;
}
