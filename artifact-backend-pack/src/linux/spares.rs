//! Spare files: those of former segments, which the next segments take. Their blocks were written before, so the syncs of new frames
//! write no metadata.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::linux::segment::{self, SegmentFile};

/// The number of files that are kept. Each takes as much space as a segment.
pub(crate) const MAX_SPARES: usize = 2;
const PREFIX: &str = "spare-";

/// The name of a file in the folder of segments that is no segment any more. What is in it does not count.
#[derive(Debug)]
pub(crate) struct Spare {
    pub(crate) name: String,
    /// The file as a segment. It is not overwritten while a read, a list or a delete has it open.
    readers: Weak<SegmentFile>,
}

impl Spare {
    /// Returns the spare file that has this name in the folder of segments, if it is such a name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let number = name.strip_prefix(PREFIX)?;
        segment::number(number)?;
        Some(Self {
            name: name.to_owned(),
            readers: Weak::new(),
        })
    }

    /// Returns the spare file that a segment becomes.
    pub(crate) fn of(file: &Arc<SegmentFile>) -> Self {
        let number = segment::name(file.number);
        Self {
            name: format!("{PREFIX}{number}"),
            readers: Arc::downgrade(file),
        }
    }
}

/// The spare files of a root.
#[derive(Debug, Default)]
pub(crate) struct Spares(Mutex<Vec<Spare>>);

impl Spares {
    fn lock(&self) -> MutexGuard<'_, Vec<Spare>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether there is room for one more.
    pub(crate) fn has_room(&self) -> bool {
        self.lock().len() < MAX_SPARES
    }

    /// Adds a file. Its name is durable, and the index does not know it any more, so its readers become fewer only.
    pub(crate) fn add(&self, spare: Spare) {
        self.lock().push(spare);
    }

    /// Takes a file that has no readers.
    pub(crate) fn take(&self) -> Option<Spare> {
        let mut spares = self.lock();
        let unused = |spare: &Spare| spare.readers.strong_count() == 0;
        let at = spares.iter().position(unused)?;
        Some(spares.swap_remove(at))
    }
}
