//! Settings of the endpoints.

use std::num::NonZeroU32;
use std::sync::Arc;

use artifact_backend::UriPrefix;
use artifact_store::{
    CollectionStore, ManagedStore, ReadPolicy, ReadinessProbe, ReceiptLog, Sharing, UploadOptions,
};

use crate::api::Api;
use crate::audit::HttpAudit;
use crate::auth_scheme::AuthScheme;
use crate::binding::{BasePath, ErrorPrefix, ExperimentHeader};

/// How many requests a principal may send: a rate that lasts, and how many may come at once.
///
/// The limiter is the generic cell rate algorithm of ITU-T I.371. A principal that has sent nothing for a while may send
/// `burst` requests at once, and then `per_second` each second, evenly spaced.
///
/// ```
/// use artifact_http::{HttpConfig, RequestRate};
///
/// let rate = RequestRate::new(100, 200).expect("neither is zero");
/// let config = HttpConfig::default().with_request_rate(rate);
/// assert_eq!(config.request_rate, Some(rate));
/// assert_eq!(RequestRate::new(0, 200), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestRate {
    pub(crate) per_second: NonZeroU32,
    pub(crate) burst: NonZeroU32,
}

impl RequestRate {
    /// Creates a rate. Returns `None` if one of the numbers is 0, which would allow no request at all.
    pub fn new(per_second: u32, burst: u32) -> Option<Self> {
        Some(Self {
            per_second: NonZeroU32::new(per_second)?,
            burst: NonZeroU32::new(burst)?,
        })
    }
}

/// Settings of the [`router`](crate::router()).
#[derive(Debug, Clone)]
#[non_exhaustive]
#[cfg_attr(
    feature = "page",
    expect(
        clippy::struct_excessive_bools,
        reason = "each is a setting of its own"
    )
)]
pub struct HttpConfig {
    /// The prefix of artifact URIs, before the id.
    pub uri_prefix: UriPrefix,
    /// The path under which all endpoints are: `/v0` by default.
    pub base_path: BasePath,
    /// The store that the endpoints of management work on. Without one, the default, there are no such endpoints.
    pub management: Option<ManagedStore>,
    /// The collections. Without them, the default, there are no endpoints for them. They need `management` too.
    pub collections: Option<CollectionStore>,
    /// The path under which the endpoints of management are: `/v1` by default.
    pub management_path: BasePath,
    /// The grants and links of the managed store. Without them, the default, there are no such endpoints, and no grant counts.
    pub sharing: Option<Sharing>,
    /// Whether links can be made and used, if the router [shares](Self::with_sharing). On by default.
    pub links: bool,
    /// Whether browsers get a page at `/ui/`. Off by default, and without the endpoints of management.
    #[cfg(feature = "page")]
    pub page: bool,
    /// The header field that repeats the experiment of the path: `X-Eden-Experiment-Id` by default.
    pub experiment_header: ExperimentHeader,
    /// What the `type` of problems begins with: `eden://error/` by default.
    pub error_prefix: ErrorPrefix,
    /// What a 401 and the OpenAPI document say about credentials: `Authorization: Bearer <principal>:<secret>`
    /// by default.
    pub auth_scheme: AuthScheme,
    /// Decides who may read an artifact. Without one, depositors and administrators may.
    pub read_policy: Option<Arc<dyn ReadPolicy>>,
    /// The scheme and authority of the `instance` of problems, such as `https://files.example`. By
    /// default they come from `https` and the request's `Host`.
    pub public_url: Option<String>,
    /// Whether clients use `https://`. Has no effect if `public_url` is set.
    pub https: bool,
    /// The greatest number of concurrent deposits. Beyond it the answer is 503. Unlimited by default.
    pub max_uploads: Option<usize>,
    /// The greatest number of concurrent deposits of one principal. Beyond it the answer is 429.
    /// Unlimited by default.
    pub max_uploads_per_principal: Option<usize>,
    /// The greatest number of concurrent fetches: responses whose content is not handed over to the
    /// server yet. Beyond it the answer is 503. Unlimited by default.
    pub max_fetches: Option<usize>,
    /// The greatest number of concurrent fetches of one principal. Beyond it the answer is 429.
    /// Unlimited by default.
    pub max_fetches_per_principal: Option<usize>,
    /// The greatest number of concurrent lists of workers or groups, each with up to 1 MiB in memory.
    /// Beyond it the answer is 503. Unlimited by default.
    pub max_lists: Option<usize>,
    /// The greatest number of concurrent lists of one principal. Beyond it the answer is 429. Unlimited by
    /// default.
    pub max_lists_per_principal: Option<usize>,
    /// How many requests each principal may send. Beyond it the answer is 429. Unlimited by default.
    pub request_rate: Option<RequestRate>,
    /// Whether layers that may compress run outside the endpoints. A fetch by a client that accepts a content coding then
    /// carries `Content-Encoding: identity`, because compression layers leave such a response alone: compressed
    /// bytes would not be those of `ETag`, `Repr-Digest` and `Content-Length`. Off by
    /// default, because a response without compression needs no such field (RFC 9110, section 8.4.1).
    pub below_layers: bool,
    /// The settings of resumable uploads, which are part of the management.
    pub uploads: UploadOptions,
    /// The audit log. Off by default.
    pub audit: Option<HttpAudit>,
    /// What `/readyz` asks. Without one, the default, that path is 404.
    pub readiness: Option<ReadinessProbe>,
    /// The log of receipts. Off by default.
    pub receipts: Option<ReceiptLog>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            uri_prefix: UriPrefix::default(),
            base_path: BasePath::default(),
            management: None,
            collections: None,
            management_path: BasePath::management(),
            sharing: None,
            links: true,
            #[cfg(feature = "page")]
            page: false,
            experiment_header: ExperimentHeader::default(),
            error_prefix: ErrorPrefix::default(),
            auth_scheme: AuthScheme::default(),
            read_policy: None,
            public_url: None,
            https: false,
            max_uploads: None,
            max_uploads_per_principal: None,
            max_fetches: None,
            max_fetches_per_principal: None,
            max_lists: None,
            max_lists_per_principal: None,
            request_rate: None,
            below_layers: false,
            uploads: UploadOptions::default(),
            audit: None,
            readiness: None,
            receipts: None,
        }
    }
}

impl HttpConfig {
    /// Sets the prefix of artifact URIs.
    #[must_use = "returns the changed settings"]
    pub fn with_uri_prefix(mut self, prefix: UriPrefix) -> Self {
        self.uri_prefix = prefix;
        self
    }

    /// Sets the path under which all endpoints are.
    #[must_use = "returns the changed settings"]
    pub fn with_base_path(mut self, path: BasePath) -> Self {
        self.base_path = path;
        self
    }

    /// Adds the endpoints that deposit and fetch artifacts as plain bodies, list, remove, hold and expire them, and create
    /// experiments. The managed store must contain the store
    /// of the router.
    ///
    /// They are under [`with_management_path`](Self::with_management_path). Its path must differ from that of the
    /// other endpoints; if the two are equal, there are no endpoints of management.
    #[must_use = "returns the changed settings"]
    pub fn with_management(mut self, store: ManagedStore) -> Self {
        self.management = Some(store);
        self
    }

    /// Adds the endpoints that share artifacts by grants and links, and lets the grants count for every fetch. The sharing must
    /// be that of the store of the router. Has no endpoints without [management](Self::with_management).
    ///
    /// With [collections](Self::with_collections), they can be shared by grants too, and those grants count for their files,
    /// their lists and their manifests. The router joins the two; nothing else has to be set.
    ///
    /// With a [read policy](Self::with_read_policy), the policy alone decides about principals; it asks
    /// [`Sharing::is_granted`] if grants shall count. No grant then counts for lists of files and manifests, about which no policy
    /// is asked. The policy is asked when a link is made, and not when it is used.
    #[must_use = "returns the changed settings"]
    pub fn with_sharing(mut self, sharing: Sharing) -> Self {
        self.sharing = Some(sharing);
        self
    }

    /// Switches links off: none can be made, and those that were made do not work. Grants are not affected.
    #[must_use = "returns the changed settings"]
    pub fn without_links(mut self) -> Self {
        self.links = false;
        self
    }

    /// Sets the path under which the endpoints of management are.
    #[must_use = "returns the changed settings"]
    pub fn with_management_path(mut self, path: BasePath) -> Self {
        self.management_path = path;
        self
    }

    /// Adds the page at `/ui/` with which people deposit, find, fetch and delete artifacts, and administrators manage workers
    /// and groups. It signs in with `Authorization: Bearer <principal>:<secret>`, so it fits authenticators that accept
    /// that, and it needs the endpoints of [management](Self::with_management).
    ///
    /// All its URLs are relative, so it works under the prefix of an outer router. Layers must leave its header fields as
    /// they are.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use artifact_http::{AdminToken, HttpConfig};
    /// # use artifact_store::{ArtifactStore, ManagedStore};
    /// # fn mount(store: ArtifactStore, managed: ManagedStore, admin: AdminToken) -> axum::Router {
    /// let config = HttpConfig::default().with_management(managed).with_page();
    /// let artifacts = artifact_http::router(store, Arc::new(admin), config);
    /// axum::Router::new().nest("/files", artifacts) // the page is at /files/ui/
    /// # }
    /// ```
    #[cfg(feature = "page")]
    #[must_use = "returns the changed settings"]
    pub fn with_page(mut self) -> Self {
        self.page = true;
        self
    }

    /// Sets the header field that repeats the experiment of the path.
    #[must_use = "returns the changed settings"]
    pub fn with_experiment_header(mut self, header: ExperimentHeader) -> Self {
        self.experiment_header = header;
        self
    }

    /// Sets what the `type` of problems begins with.
    #[must_use = "returns the changed settings"]
    pub fn with_error_prefix(mut self, prefix: ErrorPrefix) -> Self {
        self.error_prefix = prefix;
        self
    }

    /// Sets what a 401 and the OpenAPI document say about credentials.
    #[must_use = "returns the changed settings"]
    pub fn with_auth_scheme(mut self, scheme: AuthScheme) -> Self {
        self.auth_scheme = scheme;
        self
    }

    /// Sets the policy that decides who may read an artifact, for `GET` and `HEAD`. A read that it does not allow
    /// gets the same 403 as one that the built-in rule does not allow; one that it cannot decide now gets 503.
    #[must_use = "returns the changed settings"]
    pub fn with_read_policy(mut self, policy: Arc<dyn ReadPolicy>) -> Self {
        self.read_policy = Some(policy);
        self
    }

    /// Sets the scheme and authority that clients use. A trailing `/` is removed.
    #[must_use = "returns the changed settings"]
    pub fn with_public_url(mut self, url: &str) -> Self {
        self.public_url = Some(url.trim_end_matches('/').to_owned());
        self
    }

    /// Declares that clients use `https://`.
    #[must_use = "returns the changed settings"]
    pub fn with_https(mut self) -> Self {
        self.https = true;
        self
    }

    /// Sets the greatest number of concurrent deposits.
    #[must_use = "returns the changed settings"]
    pub fn with_max_uploads(mut self, max: usize) -> Self {
        self.max_uploads = Some(max);
        self
    }

    /// Sets the greatest number of concurrent deposits of one principal.
    #[must_use = "returns the changed settings"]
    pub fn with_max_uploads_per_principal(mut self, max: usize) -> Self {
        self.max_uploads_per_principal = Some(max);
        self
    }

    /// Sets the greatest number of concurrent fetches.
    #[must_use = "returns the changed settings"]
    pub fn with_max_fetches(mut self, max: usize) -> Self {
        self.max_fetches = Some(max);
        self
    }

    /// Sets the greatest number of concurrent fetches of one principal.
    #[must_use = "returns the changed settings"]
    pub fn with_max_fetches_per_principal(mut self, max: usize) -> Self {
        self.max_fetches_per_principal = Some(max);
        self
    }

    /// Sets the greatest number of concurrent lists.
    #[must_use = "returns the changed settings"]
    pub fn with_max_lists(mut self, max: usize) -> Self {
        self.max_lists = Some(max);
        self
    }

    /// Sets the greatest number of concurrent lists of one principal.
    #[must_use = "returns the changed settings"]
    pub fn with_max_lists_per_principal(mut self, max: usize) -> Self {
        self.max_lists_per_principal = Some(max);
        self
    }

    /// Sets how many requests each principal may send to this server.
    #[must_use = "returns the changed settings"]
    pub fn with_request_rate(mut self, rate: RequestRate) -> Self {
        self.request_rate = Some(rate);
        self
    }

    /// Declares that layers of other crates, such as compression, run outside the endpoints.
    #[must_use = "returns the changed settings"]
    pub fn with_below_layers(mut self) -> Self {
        self.below_layers = true;
        self
    }

    /// Sets how resumable uploads work: how long they live, how many a principal may have, and the size of their parts.
    #[must_use = "returns the changed settings"]
    pub fn with_uploads(mut self, options: UploadOptions) -> Self {
        self.uploads = options;
        self
    }

    /// Records each request below the base paths in an audit log.
    #[must_use = "returns the changed settings"]
    pub fn with_audit(mut self, audit: HttpAudit) -> Self {
        self.audit = Some(audit);
        self
    }

    /// Adds `/readyz`, which says without a credential whether the store can serve requests: 200 or 503, with the parts that are not
    /// ready. The probe should be of the store of the router. Unlike `/healthz`, it fails while the database or the backend cannot be used.
    ///
    /// ```
    /// # use artifact_http::HttpConfig;
    /// # use artifact_store::{ArtifactStore, Backend, Database, ReadinessProbe};
    /// # fn checked(store: &ArtifactStore, database: &Database, backend: &Backend) -> HttpConfig {
    /// let probe = ReadinessProbe::new(store, database, backend.inventory());
    /// // A program calls `probe.shut_down()` when it begins to end.
    /// HttpConfig::default().with_readiness(probe.clone())
    /// # }
    /// ```
    #[must_use = "returns the changed settings"]
    pub fn with_readiness(mut self, probe: ReadinessProbe) -> Self {
        self.readiness = Some(probe);
        self
    }

    /// Signs a receipt of each deposit that asks for one, adds the endpoint that returns the receipt of an artifact with its proof, under the path
    /// of [management](Self::with_management), and serves the hashes of the log to everyone at `/log/checkpoint` and `/log/tile/`. The log
    /// must be in the database of the store.
    ///
    /// Receipts name artifacts by `eden://artifacts/` and their ids, also with another [prefix](Self::with_uri_prefix).
    ///
    /// The program calls [`ReceiptLog::append_queued`] from time to time; a request for a receipt does it, too.
    #[must_use = "returns the changed settings"]
    pub fn with_receipts(mut self, log: ReceiptLog) -> Self {
        self.receipts = Some(log);
        self
    }

    /// Adds the endpoints of collections, under the path of management. Has no effect without
    /// [`with_management`](Self::with_management).
    #[must_use = "returns the changed settings"]
    pub fn with_collections(mut self, collections: CollectionStore) -> Self {
        self.collections = Some(collections);
        self
    }

    /// Joins sharing and collections, so that collections can be shared.
    pub(crate) fn join(mut self) -> Self {
        if let (Some(sharing), Some(collections)) = (&mut self.sharing, &mut self.collections) {
            let catalog = Arc::clone(collections.catalog());
            *sharing = sharing.clone().with_collections(catalog);
            if self.read_policy.is_none() {
                *collections = collections.clone().with_sharing(sharing);
            }
        }
        self
    }

    /// Returns the collections, if there are endpoints for them.
    pub(crate) fn collections(&self) -> Option<&CollectionStore> {
        let collections = self.collections.as_ref();
        collections.filter(|_| self.managed().is_some())
    }

    /// Returns the store that the endpoints of management work on, if there are any.
    pub(crate) fn managed(&self) -> Option<&ManagedStore> {
        let store = self.management.as_ref();
        store.filter(|_| self.management_path != self.base_path)
    }

    /// Returns the grants and links that the endpoints of sharing work on, if there are any.
    pub(crate) fn sharing(&self) -> Option<&Sharing> {
        self.sharing.as_ref().filter(|_| self.managed().is_some())
    }

    /// Returns whether there is a page.
    #[cfg(feature = "page")]
    pub(crate) fn has_page(&self) -> bool {
        self.page && self.managed().is_some()
    }

    /// Returns the base path of a part of the protocol.
    pub(crate) fn base_path_of(&self, api: Api) -> BasePath {
        match api {
            Api::Artifacts => self.base_path,
            Api::Management => self.management_path,
        }
    }

    /// Returns the part of the protocol that a path belongs to, and what follows its base path. Of two base paths
    /// that fit, the longer one counts.
    pub(crate) fn find_api<'p>(&self, path: &'p str) -> Option<(Api, &'p str)> {
        let management = self.managed().map(|_| Api::Management);
        let apis = [Some(Api::Artifacts), management].into_iter().flatten();
        let found = apis.filter_map(|api| Some((api, self.base_path_of(api).rest(path)?)));
        found.min_by_key(|(_, rest)| rest.len())
    }
}
