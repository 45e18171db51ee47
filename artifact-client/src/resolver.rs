//! Looks up the host name of the server.

use artifact_backend::host;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Looks up host names so that a missing thread is an error. The HTTP client's own look-up panics.
#[derive(Debug)]
pub(crate) struct Resolver;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_owned();
        Box::pin(async move {
            let addresses = host::look_up(name).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
