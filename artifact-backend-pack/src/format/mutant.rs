//! Faults that the tests plant in this module, to show that the tests notice each of them.

/// A fault to plant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mutant {
    /// The end moves when a frame is written, not when it is synced.
    EndMovesAtWrite,
    /// The log goes on after a failed sync.
    GoesOnAfterFailedSync,
    /// A frame need not follow the one before it.
    PreviousIsNotChecked,
    /// A frame of an earlier use of the file counts.
    EpochIsNotChecked,
    BlobsAreNotChecked,
    NotesAreNotChecked,
    EntriesAreNotChecked,
    /// Recovery ends at the first frame that is not valid.
    NothingBehindIsLookedFor,
    /// A frame begins in the last block of the one before.
    FramesShareBlocks,
    /// Recovery reads what was written after the last good frame.
    EndIsIgnored,
    /// The first record of an id decides, not the last.
    FirstRecordDecides,
}

#[cfg(test)]
thread_local! {
    pub(super) static PLANTED: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
}

/// Returns whether a test has planted this fault. Always false outside the tests of this crate.
#[cfg(test)]
pub(super) fn planted(mutant: Mutant) -> bool {
    PLANTED.get() == Some(mutant)
}

#[cfg(not(test))]
pub(super) const fn planted(_: Mutant) -> bool {
    false
}
