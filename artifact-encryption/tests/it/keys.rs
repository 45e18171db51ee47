//! Keys are rotated, and printed nowhere.

use artifact_backend::{ArtifactBackend, ArtifactId, ErrorKind};
use artifact_backend_mem::MemBackend;
use artifact_encryption::{EncryptedBackend, EncryptionKey, EncryptionKeys};
use bytes::Bytes;

use crate::world::key;

#[tokio::test]
async fn a_rotated_key_still_reads_what_it_wrote() {
    let shared = MemBackend::default();
    let [old, new] = [ArtifactId::mint(), ArtifactId::mint()];
    let former = EncryptedBackend::new(shared.clone(), key(1));
    former.store(old, Bytes::from_static(b"old")).await.unwrap();

    let current = EncryptionKey::from_bytes(&[2; 32]).unwrap();
    let keys = EncryptionKeys::new(current.clone()).with_key_for_reading(key(3));
    let rotated = EncryptedBackend::new(shared.clone(), keys.with_key_for_reading(key(1)));
    rotated
        .store(new, Bytes::from_static(b"new"))
        .await
        .unwrap();
    assert_eq!(rotated.load(old).await.unwrap(), "old");
    assert_eq!(rotated.load(new).await.unwrap(), "new");

    // Only the key for writing was used for the new blob.
    let error = former.load(new).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let only_current = EncryptedBackend::new(shared, current);
    assert_eq!(only_current.load(new).await.unwrap(), "new");
    let error = only_current.load(old).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(
        error.detail().contains("add the key for reading"),
        "{error}"
    );
}

#[tokio::test]
async fn no_debug_output_and_no_error_contains_a_key() {
    let secret = [0xab; 32];
    let key = EncryptionKey::from_bytes(&secret).unwrap();
    let keys = EncryptionKeys::new(key.clone()).with_key_for_reading(key.clone());
    let backend = EncryptedBackend::new(MemBackend::default(), keys.clone());
    let id = ArtifactId::mint();
    let upload = backend.upload(id).await.unwrap();
    backend
        .inner()
        .store(id, Bytes::from_static(b"x"))
        .await
        .unwrap();
    let error = backend.load(id).await.unwrap_err();
    let printed = format!("{key:?} {keys:?} {backend:?} {upload:?} {error:?} {error}");
    for form in ["ab", "AB", "171"] {
        let shown = printed.replace(&id.to_string(), "");
        assert!(!shown.contains(form), "{shown}");
    }
    assert_eq!(format!("{keys:?}"), "EncryptionKeys(2 keys)");
}

#[test]
fn only_16_and_32_bytes_are_a_key() {
    for len in 0..70 {
        let made = EncryptionKey::from_bytes(&vec![7; len]);
        assert_eq!(made.is_ok(), len == 16 || len == 32, "{len}");
    }
    let error = EncryptionKey::try_from(&[0; 24][..]).unwrap_err();
    let text = "an encryption key has 16 or 32 random bytes, but 24 bytes were given";
    assert_eq!(error.to_string(), text);
    assert_eq!(EncryptionKey::generate().as_bytes().len(), 32);
    assert_ne!(
        EncryptionKey::generate().as_bytes(),
        EncryptionKey::generate().as_bytes()
    );
}
