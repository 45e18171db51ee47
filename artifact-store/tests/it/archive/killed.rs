//! An import that is stopped at any step leaves nothing visible, or everything.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use artifact_store::ImportOptions;

use super::site::{Halves, small};

/// Reads one byte less than a block at a time, and is not ready before each.
struct Slow<'a>(&'a [u8], bool);

impl tokio::io::AsyncRead for Slow<'_> {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        self.1 = !self.1;
        if self.1 {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let length = self.0.len().min(buffer.remaining()).min(511);
        let (now, rest) = self.0.split_at(length);
        buffer.put_slice(now);
        self.0 = rest;
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_dropped_import_leaves_nothing_visible_and_can_be_repeated() {
    let (from, archive) = small().await;
    let mut polls = 0;
    loop {
        let to = Halves::in_memory();
        let importer = to.importer(ImportOptions::default());
        let is_done = {
            let mut import = pin!(importer.run(Slow(&archive, false), |_| {}));
            let mut context = Context::from_waker(Waker::noop());
            (0..polls).any(|_| import.as_mut().poll(&mut context).is_ready())
        };
        if is_done {
            to.assert_has_all_of(&from).await;
            break;
        }
        assert_eq!(to.rows().await, [], "after {polls} polls");
        let report = to.import(&archive).await.unwrap();
        assert_eq!(report.new, 4);
        to.assert_has_all_of(&from).await;
        polls += 1;
    }
    assert!(polls > 100, "{polls}");
}

/// With a database that answers later, the future is also dropped while the transaction runs.
#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_an_import_that_is_dropped_during_its_transaction_all_or_nothing_is_visible() {
    let (from, archive) = small().await;
    let mut seen = [false; 2];
    for polls in 0..200 {
        let folder = tempfile::tempdir().unwrap();
        let database = artifact_store::SqliteDatabase::open(folder.path().join("db"))
            .await
            .unwrap();
        let to = Halves::of(std::sync::Arc::new(database));
        let importer = to.importer(ImportOptions::default());
        let is_done = {
            let mut import = pin!(importer.run(&archive[..], |_| {}));
            let mut left = polls;
            std::future::poll_fn(|context| match import.as_mut().poll(context) {
                Poll::Ready(done) => Poll::Ready(Some(done)),
                Poll::Pending if left == 0 => Poll::Ready(None),
                Poll::Pending => {
                    left -= 1;
                    Poll::Pending
                }
            })
            .await
            .is_some()
        };
        // A write of the same thread comes after those of the import.
        let again = to.import(&archive).await.unwrap();
        assert!([0, 4].contains(&again.new), "{again:?}");
        seen[usize::from(again.new == 0)] = true;
        to.assert_has_all_of(&from).await;
        if is_done {
            break;
        }
    }
    assert_eq!(seen, [true, true]);
}
