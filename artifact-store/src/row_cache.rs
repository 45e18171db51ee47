//! A cache of rows. They never change, so an entry is right until its row is removed.

use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{ArtifactId, Clock};
use quick_cache::sync::{Cache, GuardResult};

use crate::error::Result;
use crate::freshness::Freshness;
use crate::metrics::CacheMetrics;
use crate::row::Row;

/// At most [`CAPACITY`](RowCache::CAPACITY) rows; those used least are evicted.
#[derive(Debug)]
pub(crate) struct RowCache {
    rows: Cache<ArtifactId, Arc<Row>>,
    /// Whether the removals are known that other processes made.
    pub(crate) freshness: Freshness,
    lookups: CacheMetrics,
}

impl RowCache {
    /// A row takes about 300 bytes and at most 1 KiB, so the cache takes a few MiB.
    pub(crate) const CAPACITY: usize = 8192;

    /// Creates an empty cache. The clock is that of its [freshness](Freshness).
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            rows: Cache::new(Self::CAPACITY),
            freshness: Freshness::new(clock),
            lookups: CacheMetrics::of_rows(),
        }
    }

    /// Returns the cached row, unless the cache is not fresh, or runs the query and caches the row that it finds.
    ///
    /// Never waits for another query of this row. Of two queries at once, only the first is cached. A row
    /// that was deleted while its query ran is not cached: [`forget`](Self::forget) removes the place
    /// that the query reserved before it began. The place is known by its address, which no other place has while the query
    /// holds it. So the query of a row that is removed meanwhile cannot fill the place of a later query.
    pub(crate) async fn get_or_query(
        &self,
        id: ArtifactId,
        query: impl Future<Output = Result<Option<Row>>>,
    ) -> Result<Option<Arc<Row>>> {
        let mut is_cached = false;
        let place = match self.rows.get_value_or_guard(&id, Some(Duration::ZERO)) {
            GuardResult::Value(row) if self.freshness.is_fresh() => {
                self.lookups.hit.increment(1);
                return Ok(Some(row));
            }
            GuardResult::Value(_) => {
                is_cached = true;
                None
            }
            GuardResult::Guard(place) => Some(place),
            GuardResult::Timeout => None,
        };
        self.lookups.miss.increment(1);
        let found = query.await?.map(Arc::new);
        if is_cached && found.is_none() {
            self.forget(id);
        }
        if let (Some(place), Some(row)) = (place, &found) {
            let _deleted_meanwhile = place.insert(Arc::clone(row));
        }
        Ok(found)
    }

    /// Removes a row that was deleted.
    pub(crate) fn forget(&self, id: ArtifactId) {
        self.rows.remove(&id);
    }

    /// Removes all rows. Rows whose queries run are not cached either.
    pub(crate) fn clear(&self) {
        self.rows.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;

    const ID: ArtifactId = ArtifactId::from_bytes([1; 16]);

    fn cache() -> RowCache {
        RowCache::new(Arc::new(artifact_backend::SystemClock))
    }

    fn row() -> Row {
        Row {
            id: ID,
            experiment: "exp".parse().unwrap(),
            created_by: crate::PrincipalId::Admin,
            size: 1,
            content_type: crate::ContentType::default(),
            file_name: None,
            sha256: artifact_backend::Sha256Digest::from_bytes([0; 32]),
            created_at: crate::Timestamp::UNIX_EPOCH,
            expires_at: None,
        }
    }

    #[tokio::test]
    async fn found_rows_are_cached_until_they_are_forgotten() {
        let cache = cache();
        let found = cache
            .get_or_query(ID, ready(Ok(Some(row()))))
            .await
            .unwrap();
        let cached = cache.get_or_query(ID, ready(Ok(None))).await.unwrap();
        assert_eq!(
            (found.as_deref(), cached.as_deref()),
            (Some(&row()), Some(&row()))
        );
        cache.forget(ID);
        let queried = cache.get_or_query(ID, ready(Ok(None))).await.unwrap();
        assert_eq!(queried, None);
    }

    #[tokio::test]
    async fn rows_deleted_during_their_query_are_not_cached() {
        let cache = cache();
        let query = async {
            cache.forget(ID);
            Ok(Some(row()))
        };
        assert!(cache.get_or_query(ID, query).await.unwrap().is_some());
        assert_eq!(cache.get_or_query(ID, ready(Ok(None))).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_query_does_not_wait_for_another_query_of_the_same_row() {
        let cache = cache();
        let query = async {
            // This query still holds the row's place in the cache.
            cache.get_or_query(ID, ready(Ok(Some(row())))).await
        };
        let nested = async { Ok(query.await?.map(|row| (*row).clone())) };
        assert!(cache.get_or_query(ID, nested).await.unwrap().is_some());
    }
}
