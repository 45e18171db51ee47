//! The changes of a placement. They are pure: the database applies their result.

use std::fmt;

use super::{FormerBackend, Placement};
use crate::catalog::RowPosition;

/// Why a migration between two backends cannot begin.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlacementConflict {
    /// The two URLs are the same.
    SameBackend,
    /// Blobs are being moved between other backends.
    Busy {
        /// The backend that they are copied from.
        previous: String,
        /// The backend that they are copied to.
        current: String,
    },
    /// The blobs of the store are not in the backend to copy from.
    NotCurrent {
        /// The backend that they are in.
        current: String,
    },
    /// Blobs were deleted from the backend to copy to after an earlier migration. A process that was suspended since then may
    /// still delete some.
    Emptied,
}

impl fmt::Display for PlacementConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SameBackend => f.write_str("the blobs cannot be moved from a backend to itself"),
            Self::Busy { previous, current } => write!(
                f,
                "the blobs are being moved from {previous} to {current}; finish that first, or move them back from \
                 {current} to {previous}"
            ),
            Self::NotCurrent { current } => {
                write!(f, "the blobs of this store are in {current}; move them from there")
            }
            Self::Emptied => f.write_str(
                "the backend to move to was emptied after an earlier migration, and this store never uses it again; \
                 give an empty folder or prefix",
            ),
        }
    }
}

impl std::error::Error for PlacementConflict {}

/// What a migration finds when it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Begun {
    /// This placement must be written first.
    Write(Placement),
    /// The migration began before.
    Resumed(Placement),
    /// The migration ended before.
    Ended(Placement),
}

impl Placement {
    /// Begins, resumes or reverses a migration. `recorded` is the placement of the database.
    pub(crate) fn begin(
        recorded: Option<Self>,
        from: &str,
        to: &str,
    ) -> Result<Begun, PlacementConflict> {
        if from == to {
            return Err(PlacementConflict::SameBackend);
        }
        let before = recorded.unwrap_or_else(|| Self::new(from));
        match &before.previous {
            Some(previous) if previous == from && before.current == to => {
                return Ok(Begun::Resumed(before));
            }
            // Blobs of accepted rows are in these two, so the way back is open.
            Some(previous) if previous == to && before.current == from => {}
            Some(previous) => {
                return Err(PlacementConflict::Busy {
                    previous: previous.clone(),
                    current: before.current,
                });
            }
            None if before.current == to && before.former(from).is_some() => {
                return Ok(Begun::Ended(before));
            }
            None if before.current != from => {
                return Err(PlacementConflict::NotCurrent {
                    current: before.current,
                });
            }
            None => {}
        }
        if before.former(to).is_some_and(|former| former.is_emptied) {
            return Err(PlacementConflict::Emptied);
        }
        let mut former = before.former;
        former.retain(|former| former.url != to);
        Ok(Begun::Write(Self {
            epoch: before.epoch + 1,
            fence: before.fence,
            current: to.to_owned(),
            previous: Some(from.to_owned()),
            reached: RowPosition::START,
            former,
        }))
    }

    /// Refuses rows whose bytes may be in the previous backend. Servers need not notice, so the epoch stays.
    pub(crate) fn fenced(&self) -> Self {
        Self {
            fence: self.epoch,
            ..self.clone()
        }
    }

    /// Ends a fenced migration, once all blobs are in the current backend.
    pub(crate) fn ended(&self) -> Self {
        let mut former = self.former.clone();
        former.extend(
            self.previous
                .as_ref()
                .map(|url| FormerBackend::new(url, false)),
        );
        former.sort_unstable();
        Self {
            epoch: self.epoch + 1,
            previous: None,
            former,
            ..self.clone()
        }
    }

    /// Records that blobs are about to be deleted from a former backend.
    pub(crate) fn emptying(&self, url: &str) -> Self {
        let mut new = self.clone();
        new.epoch += 1;
        for former in &mut new.former {
            former.is_emptied |= former.url == url;
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(recorded: Option<&Placement>, from: &str, to: &str) -> Placement {
        match Placement::begin(recorded.cloned(), from, to).unwrap() {
            Begun::Write(new) => new,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_migration_begins_is_fenced_and_ends() {
        let moving = begin(None, "a", "b");
        assert_eq!((moving.epoch, moving.fence), (1, 0));
        assert_eq!(
            (&*moving.current, moving.previous.as_deref()),
            ("b", Some("a"))
        );
        assert!(moving.is_moving() && !moving.is_fenced());
        let again = Placement::begin(Some(moving.clone()), "a", "b");
        assert_eq!(again, Ok(Begun::Resumed(moving.clone())));
        let fenced = moving.fenced();
        assert_eq!(
            (fenced.epoch, fenced.fence, fenced.is_fenced()),
            (1, 1, true)
        );
        let ended = fenced.ended();
        assert_eq!((ended.epoch, ended.fence), (2, 1));
        assert_eq!((&*ended.current, ended.previous.as_deref()), ("b", None));
        assert_eq!(ended.former, [FormerBackend::new("a", false)]);
        let again = Placement::begin(Some(ended.clone()), "a", "b");
        assert_eq!(again, Ok(Begun::Ended(ended)));
    }

    #[test]
    fn a_migration_can_be_reversed_before_and_after_its_end() {
        let moving = begin(None, "a", "b");
        let back = begin(Some(&moving), "b", "a");
        assert_eq!((back.epoch, back.fence), (2, 0));
        assert_eq!((&*back.current, back.previous.as_deref()), ("a", Some("b")));
        let ended = moving.fenced().ended();
        let back = begin(Some(&ended), "b", "a");
        assert_eq!((back.epoch, back.fence, back.former), (3, 1, vec![]));
    }

    #[test]
    fn other_backends_are_refused() {
        let refused = |recorded: Option<&Placement>, from, to| {
            Placement::begin(recorded.cloned(), from, to).unwrap_err()
        };
        assert_eq!(refused(None, "a", "a"), PlacementConflict::SameBackend);
        let moving = begin(None, "a", "b");
        let busy = PlacementConflict::Busy {
            previous: "a".into(),
            current: "b".into(),
        };
        for (from, to) in [("a", "c"), ("b", "c"), ("c", "a")] {
            assert_eq!(refused(Some(&moving), from, to), busy);
        }
        let ended = moving.fenced().ended();
        let current = "b".into();
        let not_current = PlacementConflict::NotCurrent { current };
        assert_eq!(refused(Some(&ended), "a", "c"), not_current);
        let emptied = ended.emptying("a");
        assert_eq!(emptied.epoch, 3);
        assert_eq!(
            refused(Some(&emptied), "b", "a"),
            PlacementConflict::Emptied
        );
        assert_eq!(begin(Some(&emptied), "b", "c").former, emptied.former);
    }
}
