//! How long the artifacts of an experiment are kept.

use std::time::Duration;

use reqwest::Method;
use serde::{Deserialize, Serialize};

use crate::client::{Client, Repeat};
use crate::error::{Operation, Result};
use crate::identity::json;

#[derive(Serialize, Deserialize)]
struct Retention {
    keep_seconds: Option<u64>,
}

impl Client {
    /// Returns how long artifacts without a time of their own are kept after their deposit; `None` is for ever. Any
    /// credential of the experiment is allowed.
    ///
    /// # Errors
    ///
    /// `NotFound` if the server removes no artifacts by their age, and those of every request.
    pub async fn retention(&self) -> Result<Option<Duration>> {
        let url = self.management_url(&["retention"]);
        let Retention { keep_seconds } = self.read(Operation::ReadRetention, url).await?;
        Ok(keep_seconds.map(Duration::from_secs))
    }

    /// Sets how long artifacts without a time of their own are kept after their deposit: 1 second to 100 years, in whole
    /// seconds; `None` is for ever. This counts for artifacts that are there already, too. Only the admin may call this.
    ///
    /// If the future is dropped, the retention is set or not.
    ///
    /// # Errors
    ///
    /// `BadRequest` for another time, `Forbidden`, and those of every request.
    pub async fn set_retention(&self, keep: Option<Duration>) -> Result<()> {
        let operation = Operation::SetRetention;
        let url = self.management_url(&["retention"]);
        let keep_seconds = keep.map(|keep| keep.as_secs());
        let body = json(operation, &Retention { keep_seconds })?;
        self.write(operation, Method::PUT, url, body, Repeat::Always)
            .await
    }
}
