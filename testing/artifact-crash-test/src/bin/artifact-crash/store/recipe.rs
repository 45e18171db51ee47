//! What a store does, step by step, and in which one way it is wrong.

use artifact_crash_test::Layout;

/// When a file is synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    BeforePublish,
    AfterPublish,
    Never,
}

/// Where bytes are before they are a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Under a name in a folder of its own.
    Named,
    /// Under a name beside the blobs.
    Beside,
    /// Without a name.
    Tmpfile,
    /// Under the final name.
    InPlace,
}

/// What is done about a sync that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnSyncError {
    /// Nothing is acknowledged from then on.
    Stop,
    /// The sync is called again.
    Retry,
    /// Nothing.
    Ignore,
}

/// What a store does. Each flag is true in a right store.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent steps, each of which may be left out"
)]
pub(crate) struct Recipe {
    pub(crate) stage: Stage,
    pub(crate) sync_file: Sync,
    /// Publish by a link, which refuses an existing name; else by a rename, which replaces it.
    pub(crate) exclusive: bool,
    pub(crate) sync_folder: bool,
    pub(crate) fan_out: bool,
    pub(crate) sync_fan_out_parent: bool,
    /// Sync the file again once it has a name, for file systems that do not write its link count
    /// with the name.
    pub(crate) sync_link_count: bool,
    pub(crate) sync_before_exists: bool,
    /// Change the folder itself before that sync: btrfs may otherwise say Ok at once while the sync
    /// that would make the name durable, by whom it was made, still runs (seen on Linux 6.18).
    pub(crate) touch_before_exists: bool,
    pub(crate) sync_deletion: bool,
    pub(crate) acknowledge_last: bool,
    pub(crate) on_sync_error: OnSyncError,
    /// Go on after a short write until all bytes are written.
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

    /// The right ones.
    pub(crate) const RIGHT: [(&str, Self); 3] = [
        ("named-staging", Self::NAMED),
        ("fan-out", Self::FAN_OUT),
        ("tmpfile-two-syncs", Self::TMPFILE),
    ];

    /// The wrong ones.
    pub(crate) const WRONG: [(&str, Self); 14] = [
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

    /// Right by every manual, and yet caught by a real file system: neither accused nor acquitted.
    pub(crate) const WATCHED: [(&str, Self); 1] = [(
        "untouched-folder",
        Self {
            touch_before_exists: false,
            ..Self::NAMED
        },
    )];

    /// The one of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let mut all = Self::RIGHT.iter().chain(&Self::WRONG).chain(&Self::WATCHED);
        all.find(|(each, _)| *each == name)
            .map(|(_, recipe)| *recipe)
    }

    /// Where blobs and leftovers lie.
    pub(crate) fn layout() -> Layout {
        Layout::new(["blobs/{hex32}", "blobs/{hex2}/{hex32}"], ["staging/*"])
            .expect("the patterns are well formed")
    }
}
