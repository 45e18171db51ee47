//! `artifact serve --check`: checks the settings, and what they name on this machine.

use anyhow::Result;

use super::plan::ServePlan;
use super::server_config;
use crate::output;
use crate::settings::{Loaded, ServeSettings};

/// Checks what a start checks before it opens a socket, a database or a backend. Reads the files of secrets and of the
/// certificate, and looks at folders. Creates and changes nothing.
pub(crate) fn check(loaded: &Loaded) -> Result<()> {
    let settings: ServeSettings = loaded.settings()?;
    let plan = ServePlan::new(&settings, &loaded.sources)?;
    plan.open_tls()?;
    server_config(&settings)?;
    output::data("the settings can be used")
}
