//! Collectors beside an import, and long after one that did not end.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use artifact_backend::{ArtifactInventory as _, ManualClock};
use artifact_backend_mem::{MemBackend, MemConfig};
use artifact_store::{
    CollectOptions, CollectReport, Collector, ErrorKind, ImportOptions, MemoryDatabase, StoreConfig,
};
use futures_util::StreamExt as _;

use super::site::{Halves, small};

const DAY: Duration = Duration::from_hours(24);

struct Site {
    clock: Arc<ManualClock>,
    to: Halves,
    config: StoreConfig,
}

impl Site {
    fn new() -> Self {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let clock = Arc::new(ManualClock::new(start));
        let mem = MemBackend::new(MemConfig::default().with_clock(clock.clone()));
        let to = Halves {
            catalog: Arc::new(MemoryDatabase::with_clock(clock.clone())),
            backend: Arc::new(mem),
        };
        let config = StoreConfig::default().with_clock(clock.clone());
        Self { clock, to, config }
    }

    async fn collect(&self) -> CollectReport {
        let options = CollectOptions::new(&self.config).with_many_orphans(true);
        let (catalog, backend) = (self.to.catalog.clone(), self.to.backend.clone());
        Collector::new(catalog, backend, options).run(|_| {}).await
    }

    async fn blobs(&self) -> usize {
        self.to.backend.list().await.unwrap().count().await
    }
}

#[tokio::test]
async fn the_blobs_of_an_import_that_did_not_end_wait_for_its_repetition() {
    let (from, archive) = small().await;
    let site = Site::new();
    // All of the part, and not the end.
    let cut = archive.len() - 1_100;
    let error = site.to.import(&archive[..cut]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_eq!(site.blobs().await, 4);
    site.clock.advance(6 * DAY);
    site.collect().await;
    assert_eq!(site.blobs().await, 4, "they are staged");
    assert_eq!(site.to.import(&archive).await.unwrap().new, 4);
    site.clock.advance(30 * DAY);
    site.collect().await;
    site.to.assert_has_all_of(&from).await;
}

#[tokio::test]
async fn after_seven_days_the_ids_are_condemned_and_refused_by_name() {
    let (_, archive) = small().await;
    let site = Site::new();
    let cut = archive.len() - 1_100;
    site.to.import(&archive[..cut]).await.unwrap_err();
    site.clock.advance(8 * DAY);
    assert_eq!(site.collect().await.orphans, 4);
    assert_eq!(site.blobs().await, 0);
    let (report, ids) = site
        .to
        .import_with(ImportOptions::default(), &archive)
        .await;
    assert_eq!((report.refused, ids.len()), (4, 4));
    assert_eq!(site.to.rows().await, []);
    let options = ImportOptions::default().with_skip_removed(true);
    let (report, _) = site.to.import_with(options, &archive).await;
    assert_eq!((report.skipped, report.new), (4, 0));
}

#[tokio::test]
async fn an_id_that_a_collector_took_before_it_was_staged_stops_the_import() {
    let (from, archive) = small().await;
    let site = Site::new();
    // The collector ran while the importer was suspended between a blob and the list of its part.
    let importer = site.to.importer(ImportOptions::default());
    let id = from.rows().await[0].id;
    let catalog = site.to.catalog.clone();
    let mut is_done = false;
    let reader = PausedReader::new(&archive, archive.len() - 2_600, move || {
        let catalog = catalog.clone();
        async move { assert_eq!(catalog.condemn(&[id]).await.unwrap(), [id]) }
    });
    let outcome = importer.run(reader, |_| is_done = true).await;
    assert!(is_done);
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(site.to.rows().await, []);
    let (report, ids) = site
        .to
        .import_with(ImportOptions::default(), &archive)
        .await;
    assert_eq!((report.refused, ids), (1, vec![id]));
}

use self::paused::PausedReader;

mod paused {
    //! A reader that does something at one position.

    use std::future::Future;
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll, ready};

    use tokio::io::{AsyncRead, ReadBuf};

    pub(super) struct PausedReader<'a> {
        bytes: &'a [u8],
        left_before: usize,
        work: Option<Pin<Box<dyn Future<Output = ()> + Send + 'a>>>,
    }

    impl<'a> PausedReader<'a> {
        pub(super) fn new<F>(bytes: &'a [u8], at: usize, work: impl FnOnce() -> F) -> Self
        where
            F: Future<Output = ()> + Send + 'a,
        {
            Self {
                bytes,
                left_before: at,
                work: Some(Box::pin(work())),
            }
        }
    }

    impl AsyncRead for PausedReader<'_> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let this = &mut *self;
            if this.left_before == 0
                && let Some(work) = &mut this.work
            {
                ready!(work.as_mut().poll(context));
                this.work = None;
            }
            let limit = match this.work {
                Some(_) => this.left_before,
                None => usize::MAX,
            };
            let length = this.bytes.len().min(buffer.remaining()).min(limit).min(512);
            let (now, rest) = this.bytes.split_at(length);
            buffer.put_slice(now);
            this.bytes = rest;
            this.left_before -= length.min(this.left_before);
            Poll::Ready(Ok(()))
        }
    }
}
