//! The look-ups of credentials, and the leases of those that are cached.
//!
//! Any server may use a cached credential while the version of the rights is the one that it was read
//! with. A server knows that version for the time of a lease, which counts from before it was read. So
//! a credential that a change made invalid is used for at most one lease after the commit of that
//! change, and the change is acknowledged only after that. No server needs to know another one, and a
//! server that hangs, or is cut off from the database, keeps the rule too.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use artifact_backend::SystemClock;
use futures_util::future::try_join;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until};

use super::connections::{Connection, Connections};
use super::error::Failure;
use super::transaction::read_all;
use crate::credential_cache::{CredentialCaches, Rights, RightsVersion};
use crate::database::sql::{Columns, Param, Record, VersionedRecord};
use crate::metrics::PoolStatus;
use crate::quota::UnlimitedCache;
use crate::time::Moment;

/// The longest lease. The view `rights` has the one that is used.
const MAX_LEASE: Duration = Duration::from_secs(1);

const SELECT_RIGHTS: &str = "SELECT version, lease_ms, EXISTS (SELECT FROM quotas) FROM rights";

/// The cache of credentials, and what is known of the version of the rights.
#[derive(Debug)]
pub(super) struct Leases {
    connections: Connections,
    latest: Mutex<Option<Lease>>,
    /// Held by the task that reads the version while the latest lease is still valid.
    renewing: Arc<tokio::sync::Mutex<()>>,
    pub(super) caches: CredentialCaches,
    pub(super) unlimited: UnlimitedCache,
}

#[derive(Debug, Clone, Copy)]
struct Lease {
    rights: Rights,
    /// A moment before the version was read.
    began: Moment,
    period: Duration,
}

impl Lease {
    /// Half of the period is left to renew it.
    fn is_due(&self) -> bool {
        self.began.age(&SystemClock) >= self.period / 2
    }
}

impl Leases {
    /// These connections serve no other query, so a look-up does not queue behind one.
    pub(super) fn new(connections: Connections) -> Self {
        Self {
            connections,
            latest: Mutex::new(None),
            renewing: Arc::default(),
            caches: CredentialCaches::default(),
            unlimited: UnlimitedCache::default(),
        }
    }

    /// Returns the status of the connections, under a name.
    pub(super) fn pool(&self, name: &'static str) -> PoolStatus {
        self.connections.status(name)
    }

    /// Reads a record that is cached with the version of the rights, such as a credential. The same round trip renews the lease
    /// if it is due, so a server that was idle does not need a further one.
    pub(super) async fn query<R: VersionedRecord>(
        &self,
        statement: &'static str,
        params: Vec<Param>,
    ) -> Result<Option<R>, Failure> {
        let began = Moment::now(&SystemClock);
        let is_due = self.latest().is_none_or(|lease| lease.is_due());
        let params: Arc<[Param]> = params.into();
        let (rights, record) = self
            .connections
            .retry(|client| {
                let params = Arc::clone(&params);
                Box::pin(async move { query::<R>(client, is_due, statement, &params).await })
            })
            .await?;
        if let Some(rights) = rights {
            self.keep(began, &rights);
        }
        if let Some(version) = record.as_ref().and_then(R::version) {
            self.forget_unless(version);
        }
        Ok(record)
    }

    /// Returns the rights, unless the lease is over: then call [`query`](Self::query). A
    /// task renews the lease before that. So the database is asked only while requests arrive, and about
    /// twice in the time of a lease.
    pub(super) fn rights(self: &Arc<Self>) -> Option<Rights> {
        let lease = self.latest()?;
        let age = lease.began.age(&SystemClock);
        if age >= lease.period {
            return None;
        }
        if age >= lease.period / 2 {
            self.renew_in_background();
        }
        Some(lease.rights)
    }

    fn renew_in_background(self: &Arc<Self>) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let Ok(renewing) = Arc::clone(&self.renewing).try_lock_owned() else {
            return;
        };
        let leases = Arc::clone(self);
        runtime.spawn(async move {
            let _renewing = renewing;
            // After a failure the lease ends, and the next look-up reads the database itself.
            let _ = leases.renew().await;
        });
    }

    /// Reads the version of the rights, and returns for how long a server may use it.
    async fn renew(&self) -> Result<Duration, Failure> {
        let began = Moment::now(&SystemClock);
        let rights = self
            .connections
            .once(|client| Box::pin(async move { query_rights(client).await }))
            .await?;
        let period = rights.as_ref().map_or(MAX_LEASE, RightsRecord::lease);
        if let Some(rights) = rights {
            self.keep(began, &rights);
        }
        Ok(period)
    }

    /// Waits until every lease is over that began before now. The clocks of two machines may differ in
    /// speed by a tenth.
    ///
    /// Nothing is lost if the future is dropped: the change of a right is then done, but not
    /// acknowledged.
    pub(super) async fn outlast(&self) {
        let committed = Instant::now();
        let period = self.renew().await.unwrap_or(MAX_LEASE);
        sleep_until(committed + period + period / 10).await;
    }

    /// Keeps what was read, unless another read began later.
    fn keep(&self, began: Moment, rights: &RightsRecord) {
        let read = RightsVersion::new(rights.version).map(|version| Lease {
            rights: Rights {
                version,
                has_quotas: rights.has_quotas,
            },
            began,
            period: rights.lease(),
        });
        let mut latest = self.lock();
        if latest.is_none_or(|lease| lease.began.is_until(began)) {
            *latest = read;
        }
    }

    /// Ends the lease of another version, so that the next look-up reads both together.
    fn forget_unless(&self, version: RightsVersion) {
        let mut latest = self.lock();
        latest.take_if(|lease| lease.rights.version != version);
    }

    fn latest(&self) -> Option<Lease> {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Lease>> {
        // Only single assignments happen under the lock.
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn close(&self) {
        self.connections.close();
    }
}

/// The version of the rights, the milliseconds for which it may be used, and whether there are quotas.
#[derive(Debug)]
struct RightsRecord {
    version: i64,
    lease_ms: i64,
    has_quotas: bool,
}

impl Record for RightsRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        Ok(Self {
            version: row.integer(0)?,
            lease_ms: row.integer(1)?,
            has_quotas: row.boolean(2)?,
        })
    }
}

impl RightsRecord {
    fn lease(&self) -> Duration {
        let millis = u64::try_from(self.lease_ms).unwrap_or(0);
        Duration::from_millis(millis).min(MAX_LEASE)
    }
}

async fn query_rights(client: &Connection) -> Result<Option<RightsRecord>, Failure> {
    let statement = client.prepare_cached(SELECT_RIGHTS).await?;
    let rows = client.query_raw(&statement, [] as [&Param; 0]).await?;
    Ok(read_all(rows).await?.pop())
}

/// Sends both queries at once.
async fn query<R: Record>(
    client: &Connection,
    with_rights: bool,
    statement: &'static str,
    params: &[Param],
) -> Result<(Option<RightsRecord>, Option<R>), Failure> {
    let rights = async {
        if with_rights {
            query_rights(client).await
        } else {
            Ok(None)
        }
    };
    let record = async {
        let statement = client.prepare_cached(statement).await?;
        let rows = client.query_raw(&statement, params).await?;
        Ok(read_all(rows).await?.pop())
    };
    try_join(rights, record).await
}
