//! The settings of what the server does on a schedule.

use std::time::Duration;

use clap::Args;

use super::values::{ByteSize, seconds, seconds_or_never};

// Not a doc comment, because clap would make it the description of the command.
#[derive(Debug, Args)]
pub(crate) struct ScheduleSettings {
    /// Pause between two sweeps of the backend, which remove what crashed deposits left and is older than a day.
    /// The first sweep begins at the start. Each pause is shortened at random by up to a tenth
    #[arg(
        long,
        env = "ARTIFACT_SWEEP_INTERVAL",
        value_name = "SECONDS",
        default_value = "3600"
    )]
    #[arg(value_parser = seconds)]
    pub(crate) sweep_interval: Duration,

    /// Age from which a blob without a row is collected as an orphan. A deposit that takes longer than half of it is
    /// refused. Use minutes at least. All servers of one store, and `artifact gc`, need the same value
    #[arg(
        long,
        env = "ARTIFACT_GRACE_PERIOD",
        value_name = "SECONDS",
        default_value = "86400"
    )]
    #[arg(value_parser = seconds)]
    pub(crate) grace_period: Duration,

    /// Pause between two collections, which remove expired artifacts and orphans; 0 turns them off. The first one begins
    /// at the start. Of several servers on one database, one at a time collects. Each pause is shortened at random by up
    /// to a tenth
    #[arg(
        long,
        env = "ARTIFACT_GC_INTERVAL",
        value_name = "SECONDS",
        default_value = "3600"
    )]
    #[arg(value_parser = seconds_or_never)]
    pub(crate) gc_interval: Duration,

    /// Time from the beginning of one scrub, which reads every stored byte and compares it with its row, to the beginning of the
    /// next one; 0 turns them off. The default is 30 days. Of several servers on one database, one at a time scrubs. After a
    /// restart, the scrub continues where it was
    #[arg(
        long,
        env = "ARTIFACT_SCRUB_INTERVAL",
        value_name = "SECONDS",
        default_value = "2592000"
    )]
    #[arg(value_parser = seconds_or_never)]
    pub(crate) scrub_interval: Duration,

    /// How many bytes a scrub on the schedule reads per second at most. A smaller blob counts as 16 KiB. 0 is no limit
    #[arg(
        long,
        env = "ARTIFACT_SCRUB_RATE",
        value_name = "N",
        default_value = "10MiB"
    )]
    pub(crate) scrub_rate: ByteSize,
}
