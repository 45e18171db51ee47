//! The endpoints as one axum router.

use std::sync::Arc;

use artifact_store::ArtifactStore;
use axum::Router;

use crate::authenticate::Authenticate;
use crate::config::HttpConfig;
use crate::gate;
use crate::identity_authenticator::IdentityAuthenticator;
use crate::uploads::Uploads;

/// What every request is served with.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) store: ArtifactStore,
    pub(crate) authenticate: Arc<dyn Authenticate>,
    pub(crate) identities: Option<Arc<IdentityAuthenticator>>,
    pub(crate) config: HttpConfig,
    pub(crate) uploads: Arc<Uploads>,
}

/// A router that answers every path: the endpoints of artifacts under `/v0/`, `/healthz`,
/// `/openapi.json`, and a problem for everything else. Whom there is, is the authenticator's
/// business: there are no endpoints of workers and groups.
///
/// Mount it with [`Router::nest`] under a path of another app, or merge it into one that has no
/// fallback of its own. Sockets, time-outs and limits on connections are the caller's business.
pub fn router(
    store: ArtifactStore,
    authenticate: Arc<dyn Authenticate>,
    config: HttpConfig,
) -> Router {
    serve(store, authenticate, None, config)
}

/// A router as of [`router`], which has the endpoints of workers and groups too. Its workers are
/// those of the identities, which is to lie in the same database as the rows of the store.
pub fn router_with_identities(
    store: ArtifactStore,
    identities: Arc<IdentityAuthenticator>,
    config: HttpConfig,
) -> Router {
    let authenticate: Arc<dyn Authenticate> = identities.clone();
    serve(store, authenticate, Some(identities), config)
}

fn serve(
    store: ArtifactStore,
    authenticate: Arc<dyn Authenticate>,
    identities: Option<Arc<IdentityAuthenticator>>,
    config: HttpConfig,
) -> Router {
    let uploads = Uploads::new(&config);
    let service = Arc::new(Service {
        store,
        authenticate,
        identities,
        config,
        uploads,
    });
    // One way in for all: the order of checks is the same on every path, known or not.
    Router::new().fallback(gate::serve).with_state(service)
}
