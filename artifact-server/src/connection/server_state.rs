//! What all connections of a server share.

use std::sync::Arc;

use crate::config::ServerConfig;
use crate::hooks::Hooks;

#[derive(Debug)]
pub(crate) struct ServerState {
    pub(crate) config: ServerConfig,
    pub(crate) hooks: Arc<dyn Hooks>,
}
