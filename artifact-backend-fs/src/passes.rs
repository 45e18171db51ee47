//! The list of a folder in the order of the ids, in constant memory.
//!
//! A folder has no order. Each pass reads all its names and keeps the smallest ids after the last one that was
//! listed; see [`smallest`].

use std::future::Future;

use artifact_backend::{ArtifactId, Result, smallest};
use futures_util::{Stream, stream};

/// The ids that one pass keeps: 65,536, which is 1 MiB.
pub(crate) type Smallest = smallest::Smallest<()>;

/// The result of one pass.
pub(crate) struct Pass {
    ids: Vec<ArtifactId>,
    /// The id after which the next pass begins.
    next: Option<ArtifactId>,
}

impl Pass {
    pub(crate) fn new(smallest: Smallest) -> Self {
        let (ids, next) = smallest.finish();
        let ids = ids.into_iter().map(|(id, ())| id).collect();
        Self { ids, next }
    }
}

/// Returns the ids of the first pass and of all later ones, in batches. `read` does the pass after an id.
pub(crate) fn batches<R, F>(
    first: Pass,
    batch: usize,
    read: R,
) -> impl Stream<Item = Result<Vec<ArtifactId>>>
where
    R: FnMut(ArtifactId) -> F,
    F: Future<Output = Result<Pass>>,
{
    let state = (first.ids.into_iter(), first.next, read);
    stream::try_unfold(state, move |(mut ids, mut next, mut read)| async move {
        if ids.len() == 0
            && let Some(after) = next
        {
            let pass = read(after).await?;
            (ids, next) = (pass.ids.into_iter(), pass.next);
        }
        let batch: Vec<_> = ids.by_ref().take(batch).collect();
        Ok((!batch.is_empty()).then_some((batch, (ids, next, read))))
    })
}

#[cfg(test)]
mod tests {
    use artifact_backend::Shard;
    use futures_util::{FutureExt as _, TryStreamExt as _};

    use super::*;

    #[test]
    fn passes_list_each_id_once_and_the_last_pass_is_the_last_read() {
        let ids: Vec<_> = (0..100)
            .map(|number: u128| ArtifactId::from(number * 7 % 100))
            .collect();
        for (limit, reads) in [(1, 100), (7, 15), (50, 2), (99, 2), (100, 1), (1_000, 1)] {
            let mut passes = 0;
            let mut pass = |after| {
                passes += 1;
                let mut smallest = Smallest::with_limit(Shard::ALL[0], after, limit);
                for id in &ids {
                    smallest.offer(*id, ());
                }
                Pass::new(smallest)
            };
            let first = pass(None);
            let batches = batches(first, 8, |after| std::future::ready(Ok(pass(Some(after)))));
            let listed = batches.try_concat().now_or_never().unwrap().unwrap();
            let listed: Vec<_> = listed.into_iter().map(u128::from).collect();
            assert_eq!(listed, (0..100).collect::<Vec<_>>());
            assert_eq!(passes, reads, "limit {limit}");
        }
    }
}
