//! All interleavings of a look-up and a deletion.

use artifact_backend::ArtifactId;
use loom::sync::{Arc, Mutex};
use loom::thread;

use super::RowCache;
use crate::row::Row;

fn row(id: ArtifactId) -> Row {
    Row {
        id,
        experiment: "exp".parse().unwrap(),
        created_by: crate::PrincipalId::Admin,
        size: 1,
        content_type: crate::ContentType::default(),
        file_name: None,
        sha256: artifact_backend::Sha256Digest::from_bytes([0; 32]),
        created_at: crate::Timestamp::UNIX_EPOCH,
    }
}

#[test]
fn deleted_rows_never_return_to_the_cache() {
    loom::model(|| {
        let id = ArtifactId::from_bytes([1; 16]);
        let cache = Arc::new(RowCache::default());
        let database = Arc::new(Mutex::new(Some(row(id))));
        let reader = {
            let (cache, database) = (Arc::clone(&cache), Arc::clone(&database));
            thread::spawn(move || {
                if let Err(epoch) = cache.get(id) {
                    let found = database.lock().unwrap().clone();
                    if let Some(row) = found {
                        cache.insert(epoch, &row.into());
                    }
                }
            })
        };
        *database.lock().unwrap() = None;
        cache.forget(id);
        reader.join().unwrap();
        assert!(cache.get(id).is_err(), "a deleted row is in the cache");
    });
}
