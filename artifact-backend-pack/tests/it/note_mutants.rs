//! Backends that break one promise about notes each. The suite must reject every one.

use std::sync::Arc;

use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactInventory, NoteEvent, NoteLog, NotePosition, NoteReplay,
    NotedBackend, NotedUpload, Result, async_trait, forward,
};
use artifact_backend_conformance::{Storage, Suite, Verdict};
use artifact_backend_pack::PackBackend;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};

use crate::world::{World, in_memory, small_segments};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mutation {
    Sound,
    /// A note loses its last byte.
    CutsNotes,
    /// A note that is too long is cut.
    CutsLongNotes,
    /// Blobs are stored without their notes.
    ForgetsNotes,
    /// A replay lacks blobs without notes.
    HidesPlainBlobs,
    /// A replay lacks deletions.
    HidesDeletions,
    /// A replay after a position lacks the first event.
    SkipsOne,
    /// A replay always begins at the beginning, and does not say so.
    IgnoresPositions,
    /// A second store replaces the note in the replay.
    ReplacesNotes,
}

/// A backend with one fault.
#[derive(Debug, Clone)]
struct Mutant {
    inner: PackBackend,
    mutation: Mutation,
    replaced: Arc<std::sync::Mutex<Vec<(ArtifactId, Bytes)>>>,
}

#[async_trait]
impl ArtifactBackend for Mutant {
    forward!(inner => store, upload, load, download, stat);

    fn noted(&self) -> Option<Arc<dyn NotedBackend>> {
        Some(Arc::new(self.clone()))
    }
}

#[async_trait]
impl ArtifactInventory for Mutant {
    forward!(inner => list, list_shard, delete, sweep, store_id, create_store_id, probe, close);

    fn note_log(&self) -> Option<Arc<dyn NoteLog>> {
        Some(Arc::new(self.clone()))
    }
}

#[async_trait]
impl NotedBackend for Mutant {
    async fn store_noted(&self, id: ArtifactId, bytes: Bytes, note: Bytes) -> Result<()> {
        let note = match self.mutation {
            Mutation::CutsNotes => note.slice(..note.len().saturating_sub(1)),
            Mutation::CutsLongNotes => note.slice(..note.len().min(4_096)),
            Mutation::ForgetsNotes => Bytes::new(),
            _ => note,
        };
        let stored = self.inner.store_noted(id, bytes, note.clone()).await;
        if stored.is_err() && self.mutation == Mutation::ReplacesNotes {
            self.replaced.lock().unwrap().push((id, note));
        }
        stored
    }

    async fn upload_noted(&self, id: ArtifactId) -> Result<Box<dyn NotedUpload>> {
        self.inner.upload_noted(id).await
    }
}

#[async_trait]
impl NoteLog for Mutant {
    fn has_notes(&self) -> bool {
        self.inner.has_notes()
    }

    async fn position(&self) -> Result<NotePosition> {
        self.inner.position().await
    }

    async fn replay(&self, after: Option<NotePosition>) -> Result<NoteReplay> {
        let mutation = self.mutation;
        let replay = match mutation {
            Mutation::IgnoresPositions => {
                let mut replay = self.inner.replay(None).await?;
                replay.from_beginning = after.is_none();
                replay
            }
            _ => self.inner.replay(after).await?,
        };
        let is_hidden = move |event: &NoteEvent| match event {
            NoteEvent::Stored { note, .. } => {
                note.is_none() && mutation == Mutation::HidesPlainBlobs
            }
            NoteEvent::Deleted { .. } => mutation == Mutation::HidesDeletions,
            _ => false,
        };
        let replaced = self.replaced.lock().unwrap().clone();
        let changed = move |event| match event {
            NoteEvent::Stored { id, size, note } => {
                let other = replaced.iter().find(|(other, _)| *other == id);
                let note = other.map(|(_, note)| note.clone()).or(note);
                NoteEvent::Stored { id, size, note }
            }
            other => other,
        };
        let skipped = usize::from(mutation == Mutation::SkipsOne && after.is_some());
        let events = replay
            .events
            .skip(skipped)
            .try_filter(move |event| std::future::ready(!is_hidden(event)))
            .map_ok(changed)
            .boxed();
        Ok(NoteReplay::new(replay.from_beginning, replay.end, events))
    }
}

fn suite(mutation: Mutation) -> Suite {
    Suite::new(move || async move {
        let world = Arc::new(World::within(&in_memory()));
        let root = world.root();
        let open = move || {
            let root = root.clone();
            async move {
                let inner = PackBackend::open(root, small_segments()).await?;
                Ok(Mutant {
                    inner,
                    mutation,
                    replaced: Arc::default(),
                })
            }
        };
        let storage = Storage::new(open().await?);
        Ok(storage.with_exclusive_reopen(open).with_guard(world))
    })
    .only("noted::")
}

async fn rejected_by(mutation: Mutation) -> Vec<&'static str> {
    let report = suite(mutation).run().await;
    let failed = report
        .cases()
        .iter()
        .filter(|case| matches!(case.verdict, Verdict::Failed(_)));
    failed.map(|case| case.name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_broken_promise_about_notes_is_noticed() {
    assert!(rejected_by(Mutation::Sound).await.is_empty());
    for (mutation, case) in [
        (
            Mutation::CutsNotes,
            "noted::a_note_comes_back_as_it_was_stored",
        ),
        (
            Mutation::CutsLongNotes,
            "noted::a_note_that_is_too_long_stores_nothing",
        ),
        (
            Mutation::ForgetsNotes,
            "noted::notes_and_deletions_outlive_their_handle",
        ),
        (
            Mutation::HidesPlainBlobs,
            "noted::a_blob_without_a_note_is_shown_too",
        ),
        (
            Mutation::HidesDeletions,
            "noted::a_deleted_blob_is_shown_as_deleted",
        ),
        (
            Mutation::SkipsOne,
            "noted::a_replay_after_a_position_shows_what_came_later",
        ),
        (
            Mutation::IgnoresPositions,
            "noted::a_replay_after_a_position_shows_what_came_later",
        ),
        (
            Mutation::ReplacesNotes,
            "noted::a_refused_store_leaves_the_first_note",
        ),
    ] {
        let rejected = rejected_by(mutation).await;
        assert!(rejected.contains(&case), "{mutation:?}: {rejected:?}");
    }
}
