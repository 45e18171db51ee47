//! TLS in a build without it: said at the start, and never there.

use std::path::PathBuf;

use anyhow::Result;

use super::listen::Io;
use crate::failure::setup;

/// There is none.
#[derive(Debug)]
pub(crate) enum Tls {}

impl Tls {
    pub(crate) fn open(_certificate: PathBuf, _key: PathBuf) -> Result<Self> {
        Err(setup(
            "this build has no TLS; leave --tls-cert and --tls-key out, or build it with --features \
             tls",
        ))
    }

    pub(crate) fn reload(&self) {
        match *self {}
    }

    #[expect(clippy::unused_async, reason = "of one shape with the real one")]
    pub(crate) async fn accept(&self, _stream: Box<dyn Io>) -> std::io::Result<Box<dyn Io>> {
        match *self {}
    }
}
