//! The contract of notes (`NotedBackend`). A backend without notes passes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{
    ArtifactId, ArtifactInventory, ErrorKind, MAX_NOTE_BYTES, NoteEvent, NoteLog, NotePosition,
    NoteReplay, NotedBackend,
};
use bytes::Bytes;
use futures_util::TryStreamExt;

use crate::case::{Context, Outcome, cases, ensure};
use crate::check::{check_absent, check_bytes, check_present, fails, ok, poll_then_drop};
use crate::data::{KIB, noise};

cases!("noted":
    a_note_comes_back_as_it_was_stored,
    a_note_that_is_too_long_stores_nothing,
    a_blob_without_a_note_is_shown_too,
    a_refused_store_leaves_the_first_note,
    a_deleted_blob_is_shown_as_deleted,
    a_replay_after_a_position_shows_what_came_later,
    notes_and_deletions_outlive_their_handle,
    a_dropped_store_leaves_the_blob_with_its_note_or_neither,
);

/// The two sides of a backend that keeps notes.
struct Noted {
    backend: Arc<dyn NotedBackend>,
    log: Arc<dyn NoteLog>,
}

/// Returns `None` for a backend without notes.
fn noted(backend: &dyn ArtifactInventory) -> Option<Noted> {
    let (backend, log) = (backend.noted()?, backend.note_log()?);
    Some(Noted { backend, log })
}

/// What a replay says of one id at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Last {
    Stored(u64, Option<Bytes>),
    Deleted,
}

impl Noted {
    async fn replay(&self, after: Option<NotePosition>) -> Outcome<HashMap<ArtifactId, Last>> {
        let replay = ok(self.log.replay(after).await, "replay")?;
        let NoteReplay { events, .. } = replay;
        let events: Vec<_> = ok(events.try_collect().await, "a replay")?;
        let mut last = HashMap::new();
        for event in events {
            match event {
                NoteEvent::Stored { id, size, note } => {
                    // A blob that was moved may be shown again, but not behind its deletion.
                    let before = last.insert(id, Last::Stored(size, note));
                    ensure!(
                        before != Some(Last::Deleted),
                        "{id} is shown as stored behind its deletion"
                    );
                }
                NoteEvent::Deleted { id } => {
                    last.insert(id, Last::Deleted);
                }
                _ => {}
            }
        }
        Ok(last)
    }

    /// Checks that a whole replay shows a blob with this note.
    async fn check(&self, id: ArtifactId, size: usize, note: Option<&Bytes>) -> Outcome {
        let found = self.replay(None).await?.remove(&id);
        let Some(Last::Stored(found_size, found_note)) = found else {
            ensure!(false, "a replay shows {found:?} instead of the blob {id}");
            return Ok(());
        };
        ensure!(
            found_size == size as u64,
            "a replay shows {found_size} bytes instead of {size}"
        );
        ensure!(
            found_note.is_some() == note.is_some(),
            "a replay shows the note {found_note:?} instead of {note:?}"
        );
        let (found, expected) = (found_note.unwrap_or_default(), note.cloned());
        ensure!(
            note.is_none() || self.log.has_notes(),
            "has_notes returns false after a store with a note"
        );
        check_bytes(&found, &expected.unwrap_or_default(), "the note")
    }
}

async fn a_note_comes_back_as_it_was_stored(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let Some(noted) = noted(&*backend) else {
        return Ok(());
    };
    let mut stored = Vec::new();
    for size in [0, 1, 4_000, 300 * KIB] {
        for length in [1, 200, MAX_NOTE_BYTES] {
            let [whole, uploaded] = [ArtifactId::mint(), ArtifactId::mint()];
            let (bytes, note) = (noise(size as u64, size), noise(length as u64, length));
            let store = noted
                .backend
                .store_noted(whole, bytes.clone(), note.clone());
            ok(store.await, "a store with a note")?;
            let upload = noted.backend.upload_noted(uploaded).await;
            let mut upload = ok(upload, "an upload with a note")?;
            ok(upload.write(bytes.clone()).await, "write")?;
            let commit = upload.commit_noted(note.clone()).await;
            ok(commit, "a commit with a note")?;
            for id in [whole, uploaded] {
                check_present(&*backend, id, &bytes, "a blob with a note").await?;
                stored.push((id, size, note.clone()));
            }
        }
    }
    for (id, size, note) in stored {
        noted.check(id, size, Some(&note)).await?;
    }
    Ok(())
}

async fn a_note_that_is_too_long_stores_nothing(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let Some(noted) = noted(&*backend) else {
        return Ok(());
    };
    let note = noise(1, MAX_NOTE_BYTES + 1);
    let id = ArtifactId::mint();
    let stored = noted.backend.store_noted(id, noise(2, 9), note.clone());
    fails(stored.await, ErrorKind::TooLarge, "a note that is too long")?;
    let upload = ok(noted.backend.upload_noted(id).await, "upload")?;
    let committed = upload.commit_noted(note).await;
    fails(committed, ErrorKind::TooLarge, "a note that is too long")?;
    check_absent(&*backend, id, "a blob whose note was too long").await?;
    ensure!(
        noted.replay(None).await?.is_empty(),
        "a replay shows a blob whose note was too long"
    );
    Ok(())
}

async fn a_blob_without_a_note_is_shown_too(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let Some(noted) = noted(&*backend) else {
        return Ok(());
    };
    let [plain, empty] = [ArtifactId::mint(), ArtifactId::mint()];
    ok(backend.store(plain, noise(1, 70)).await, "store")?;
    let stored = noted.backend.store_noted(empty, noise(2, 80), Bytes::new());
    ok(stored.await, "a store with an empty note")?;
    noted.check(plain, 70, None).await?;
    noted.check(empty, 80, None).await
}

async fn a_refused_store_leaves_the_first_note(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let Some(noted) = noted(&*backend) else {
        return Ok(());
    };
    let id = ArtifactId::mint();
    let (bytes, note) = (noise(1, 500), noise(2, 50));
    let first = noted.backend.store_noted(id, bytes.clone(), note.clone());
    ok(first.await, "a store with a note")?;
    let second = noted.backend.store_noted(id, noise(3, 90), noise(4, 60));
    fails(second.await, ErrorKind::AlreadyExists, "a second store")?;
    check_present(&*backend, id, &bytes, "the first blob").await?;
    noted.check(id, 500, Some(&note)).await
}

async fn a_deleted_blob_is_shown_as_deleted(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let Some(noted) = noted(&*backend) else {
        return Ok(());
    };
    let mut deleted = Vec::new();
    for size in [40, 300 * KIB] {
        let id = ArtifactId::mint();
        let stored = noted.backend.store_noted(id, noise(1, size), noise(2, 50));
        ok(stored.await, "a store with a note")?;
        ok(backend.delete(id).await, "delete")?;
        deleted.push(id);
    }
    for swept in [false, true] {
        if swept {
            ok(backend.sweep(Duration::ZERO).await, "sweep")?;
        }
        let found = noted.replay(None).await?;
        for id in &deleted {
            ensure!(
                found.get(id) == Some(&Last::Deleted),
                "a replay shows {:?} instead of the deletion (swept: {swept})",
                found.get(id)
            );
        }
    }
    Ok(())
}

async fn a_replay_after_a_position_shows_what_came_later(context: Context) -> Outcome {
    let mut storage = context.fresh().await?;
    let backend = storage.backend();
    let Some(first) = noted(&*backend) else {
        return Ok(());
    };
    let [before, between, later] = [(); 3].map(|()| ArtifactId::mint());
    let store = async |noted: &Noted, id| {
        let stored = noted.backend.store_noted(id, noise(1, 60), noise(2, 50));
        ok(stored.await, "a store with a note")
    };
    store(&first, before).await?;
    let position = ok(first.log.position().await, "position")?;
    store(&first, between).await?;
    drop((backend, first));
    let backend = if storage.can_reopen() {
        storage.reopen().await?
    } else {
        storage.backend()
    };
    let Some(second) = noted(&*backend) else {
        return Ok(());
    };
    store(&second, later).await?;
    ok(backend.delete(before).await, "delete")?;
    let found = second.replay(Some(position)).await?;
    for id in [between, later] {
        ensure!(
            matches!(found.get(&id), Some(Last::Stored(60, Some(_)))),
            "a replay after a position shows {:?} instead of a later blob",
            found.get(&id)
        );
    }
    ensure!(
        found.get(&before) == Some(&Last::Deleted),
        "a replay after a position shows {:?} instead of a later deletion",
        found.get(&before)
    );
    let end = ok(second.log.position().await, "position")?;
    let replay = ok(second.log.replay(Some(end)).await, "replay")?;
    ensure!(
        replay.end == end && !replay.from_beginning,
        "a replay after the end is {replay:?} instead of one of nothing up to {end:?}"
    );
    let rest: Vec<_> = ok(replay.events.try_collect().await, "a replay")?;
    ensure!(rest.is_empty(), "a replay after the end shows {rest:?}");
    let unknown = NotePosition::from_bytes([0xee; NotePosition::BYTES]);
    let replay = ok(second.log.replay(Some(unknown)).await, "replay")?;
    ensure!(
        replay.from_beginning,
        "a replay after an unknown position does not begin at the beginning"
    );
    Ok(())
}

async fn notes_and_deletions_outlive_their_handle(context: Context) -> Outcome {
    let mut storage = context.fresh().await?;
    if noted(&*storage.backend()).is_none() || !storage.can_reopen() {
        return Ok(());
    }
    let [kept, deleted] = [ArtifactId::mint(), ArtifactId::mint()];
    let note = noise(2, 300);
    for id in [kept, deleted] {
        let Some(first) = noted(&*storage.backend()) else {
            return Ok(());
        };
        let stored = first.backend.store_noted(id, noise(1, 700), note.clone());
        ok(stored.await, "a store with a note")?;
    }
    ok(storage.backend().delete(deleted).await, "delete")?;
    for _ in 0..2 {
        let backend = storage.reopen().await?;
        let Some(second) = noted(&*backend) else {
            ensure!(false, "the backend keeps no notes after a reopen");
            return Ok(());
        };
        second.check(kept, 700, Some(&note)).await?;
        let found = second.replay(None).await?;
        ensure!(
            found.get(&deleted) == Some(&Last::Deleted),
            "after a reopen, a replay shows {:?} instead of the deletion",
            found.get(&deleted)
        );
    }
    Ok(())
}

async fn a_dropped_store_leaves_the_blob_with_its_note_or_neither(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let Some(noted) = noted(&*backend) else {
        return Ok(());
    };
    let note = noise(2, 100);
    let mut ids = Vec::new();
    for polls in 0..6 {
        let id = ArtifactId::mint();
        let size = if polls % 2 == 0 { 500 } else { 200 * KIB };
        let store = noted.backend.store_noted(id, noise(1, size), note.clone());
        let _ = poll_then_drop(store, polls).await;
        ids.push((id, size));
    }
    // What was begun before is done when a later store is.
    let last = ArtifactId::mint();
    let stored = noted.backend.store_noted(last, noise(1, 9), note.clone());
    ok(stored.await, "a store with a note")?;
    backend.close().await;
    for (id, size) in ids {
        match backend.stat(id).await {
            Ok(_) => noted.check(id, size, Some(&note)).await?,
            Err(error) => {
                fails(
                    Err::<(), _>(error),
                    ErrorKind::NotFound,
                    "stat of a dropped store",
                )?;
                ensure!(
                    !noted.replay(None).await?.contains_key(&id),
                    "a replay shows a note without its blob"
                );
            }
        }
    }
    Ok(())
}
