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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn localhost_is_looked_up() {
        let name = "localhost".parse().unwrap();
        let found: Vec<_> = Resolver.resolve(name).await.unwrap().collect();
        assert!(!found.is_empty());
        assert!(found.iter().all(|address| address.ip().is_loopback()));
    }
}
