//! The recipes of the stores: the steps of each, and the one flaw of each broken store.

use artifact_crash_test::Layout;

/// When a store syncs a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    BeforePublish,
    AfterPublish,
    Never,
}

/// Where a store writes the bytes of a blob before it publishes the blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Under a temporary name in a staging folder.
    Named,
    /// Under a temporary name in the folder of the blobs.
    Beside,
    /// In a file without a name (`O_TMPFILE`).
    Tmpfile,
    /// Under the final name.
    InPlace,
}

/// What a store does after a failed sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnSyncError {
    /// Acknowledges nothing from then on.
    Stop,
    /// Calls the sync again.
    Retry,
    /// Continues as if the sync had succeeded.
    Ignore,
}

/// The steps of a store. Leaving out one that a store needs makes it a broken store.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the steps are independent, and a recipe may leave out any of them"
)]
pub(crate) struct Recipe {
    pub(crate) stage: Stage,
    pub(crate) sync_file: Sync,
    /// Publishes by a link, which fails if the name exists, instead of a rename, which replaces the file.
    pub(crate) exclusive: bool,
    pub(crate) sync_folder: bool,
    pub(crate) fan_out: bool,
    pub(crate) sync_fan_out_parent: bool,
    /// Syncs the file again after it got a name, for file systems that do not write the link count
    /// together with the name.
    pub(crate) sync_link_count: bool,
    pub(crate) sync_before_exists: bool,
    /// Changes the folder itself before that sync. Otherwise a sync on btrfs may return Ok at once while
    /// the other thread's sync that makes the name durable still runs (seen on Linux 6.18).
    pub(crate) touch_before_exists: bool,
    pub(crate) sync_deletion: bool,
    pub(crate) acknowledge_last: bool,
    pub(crate) on_sync_error: OnSyncError,
    /// Continues after a short write until all bytes are written.
    pub(crate) write_all: bool,
}

impl Recipe {
    const NAMED: Self = Self {
        stage: Stage::Named,
        sync_file: Sync::BeforePublish,
        exclusive: true,
        sync_folder: true,
        fan_out: false,
        sync_fan_out_parent: true,
        sync_link_count: false,
        sync_before_exists: true,
        touch_before_exists: true,
        sync_deletion: true,
        acknowledge_last: true,
        on_sync_error: OnSyncError::Stop,
        write_all: true,
    };
    const FAN_OUT: Self = Self {
        fan_out: true,
        ..Self::NAMED
    };
    const TMPFILE: Self = Self {
        stage: Stage::Tmpfile,
        sync_link_count: true,
        ..Self::NAMED
    };

    /// The correct stores.
    pub(crate) const CORRECT: [(&str, Self); 3] = [
        ("named-staging", Self::NAMED),
        ("fan-out", Self::FAN_OUT),
        ("tmpfile-two-syncs", Self::TMPFILE),
    ];

    /// The broken stores.
    pub(crate) const BROKEN: [(&str, Self); 14] = [
        (
            "no-file-sync",
            Self {
                sync_file: Sync::Never,
                ..Self::NAMED
            },
        ),
        (
            "no-folder-sync",
            Self {
                sync_folder: false,
                ..Self::NAMED
            },
        ),
        (
            "in-place",
            Self {
                stage: Stage::InPlace,
                ..Self::NAMED
            },
        ),
        (
            "sync-after-publish",
            Self {
                sync_file: Sync::AfterPublish,
                ..Self::NAMED
            },
        ),
        (
            "early-acknowledgement",
            Self {
                acknowledge_last: false,
                ..Self::NAMED
            },
        ),
        (
            "overwrite",
            Self {
                exclusive: false,
                ..Self::NAMED
            },
        ),
        (
            "stray-names",
            Self {
                stage: Stage::Beside,
                ..Self::NAMED
            },
        ),
        (
            "unsynced-fan-out-parent",
            Self {
                sync_fan_out_parent: false,
                ..Self::FAN_OUT
            },
        ),
        (
            "early-exists",
            Self {
                sync_before_exists: false,
                ..Self::NAMED
            },
        ),
        (
            "unsynced-deletion",
            Self {
                sync_deletion: false,
                ..Self::NAMED
            },
        ),
        (
            "tmpfile-one-sync",
            Self {
                sync_link_count: false,
                ..Self::TMPFILE
            },
        ),
        (
            "retried-sync",
            Self {
                on_sync_error: OnSyncError::Retry,
                ..Self::NAMED
            },
        ),
        (
            "ignored-sync-error",
            Self {
                on_sync_error: OnSyncError::Ignore,
                ..Self::NAMED
            },
        ),
        (
            "ignored-short-write",
            Self {
                write_all: false,
                ..Self::NAMED
            },
        ),
    ];

    /// The stores that are correct by every manual but lose blobs on a real file system. They count as
    /// neither correct nor broken.
    pub(crate) const UNDECIDED: [(&str, Self); 1] = [(
        "untouched-folder",
        Self {
            touch_before_exists: false,
            ..Self::NAMED
        },
    )];

    /// Returns the recipe with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let mut all = Self::CORRECT
            .iter()
            .chain(&Self::BROKEN)
            .chain(&Self::UNDECIDED);
        all.find(|(each, _)| *each == name)
            .map(|(_, recipe)| *recipe)
    }

    /// Returns the layout of all stores.
    pub(crate) fn layout() -> Layout {
        Layout::new(["blobs/{hex32}", "blobs/{hex1}/{hex32}"], ["staging/*"])
            .expect("the patterns are well formed")
    }
}
