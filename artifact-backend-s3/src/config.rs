//! What follows from the settings: how long uploads count as active.

use std::time::Duration;

use artifact_backend_config::S3Config;

/// Durations that follow from the settings.
pub(crate) trait UploadTimes {
    /// Returns how long an upload counts as active after its last part arrived, if the next part has
    /// `part_bytes` bytes: a client delivers them, then they are sent.
    fn grace_for_part(&self, part_bytes: u64) -> Duration;

    /// Returns how long an upload counts as active while a part of `part_bytes` bytes is being sent.
    fn grace_to_send(&self, part_bytes: u64) -> Duration;

    /// Returns the time that a request body of `bytes` bytes takes at the minimum rate.
    fn time_to_send(&self, bytes: u64) -> Duration;
}

impl UploadTimes for S3Config {
    fn grace_for_part(&self, part_bytes: u64) -> Duration {
        let to_arrive = Duration::from_secs(part_bytes / self.min_client_rate);
        grace(self, to_arrive + self.time_to_send(part_bytes))
    }

    fn grace_to_send(&self, part_bytes: u64) -> Duration {
        grace(self, self.time_to_send(part_bytes))
    }

    fn time_to_send(&self, bytes: u64) -> Duration {
        let millis = u128::from(bytes) * 1_000 / u128::from(self.min_upload_rate);
        Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
    }
}

fn grace(config: &S3Config, quiet_time: Duration) -> Duration {
    const SHORTEST: Duration = Duration::from_secs(3600);
    /// For pauses of the client, for retries, and for the completion.
    const RESERVE: Duration = Duration::from_secs(900);
    config
        .upload_grace
        .unwrap_or(SHORTEST.max(quiet_time.saturating_add(RESERVE)))
}
