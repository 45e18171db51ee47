//! Who may share and read, and what each read costs.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use artifact_backend_mem::{MemBackend, MemConfig};
use artifact_store::{
    AccessGrant, AccessLink, ArtifactId, ArtifactStore, ByteRange, Database, ErrorKind,
    ExperimentId, GrantId, GrantSubject, LinkId, LinkSecret, ManagedStore, MemberId,
    MemoryDatabase, NewArtifact, NewLink, Principal, Result, Row, Sha256Digest, Sharing,
    SharingRecord, StoreConfig, WorkerId, authorize_link, authorize_shared,
};
use async_trait::async_trait;
use bytes::Bytes;

use super::site::{assert_kind, group, host, register, register_in};
use crate::support::{EXTERNAL, experiment, external, other_experiment};

/// Records whose calls are counted.
#[derive(Debug)]
pub(super) struct Counted {
    inner: Arc<dyn SharingRecord>,
    calls: AtomicU32,
}

impl Counted {
    pub(super) fn new(inner: &Arc<dyn SharingRecord>) -> Arc<Self> {
        Arc::new(Self {
            inner: inner.clone(),
            calls: AtomicU32::new(0),
        })
    }

    pub(super) fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }
}

macro_rules! counted {
    ($($name:ident($($arg:ident: $type:ty),*) -> $output:ty;)+) => {
        #[async_trait]
        impl SharingRecord for Counted {
            $(async fn $name(&self, $($arg: $type),*) -> $output {
                self.calls.fetch_add(1, Ordering::Relaxed);
                self.inner.$name($($arg),*).await
            })+
        }
    };
}

counted! {
    insert_grant(grant: &AccessGrant) -> Result<()>;
    grants(subject: &GrantSubject, after: Option<GrantId>, limit: u32) -> Result<Vec<AccessGrant>>;
    delete_grant(subject: &GrantSubject, id: GrantId) -> Result<()>;
    is_granted(experiment: &ExperimentId, subject: &GrantSubject, worker: WorkerId) -> Result<bool>;
    insert_link(link: &AccessLink, digest: &Sha256Digest) -> Result<()>;
    links(artifact: ArtifactId, after: Option<LinkId>, limit: u32) -> Result<Vec<AccessLink>>;
    delete_link(artifact: ArtifactId, id: LinkId) -> Result<()>;
    find_link(digest: &Sha256Digest) -> Result<Option<AccessLink>>;
    use_link(artifact: ArtifactId, id: LinkId) -> Result<()>;
    forget_shares(limit: u32) -> Result<u64>;
}

/// A store in memory with an artifact of ten bytes, its depositor, and another worker.
struct Site {
    database: Database,
    records: Arc<Counted>,
    store: ArtifactStore,
    managed: ManagedStore,
    sharing: Sharing,
    depositor: Principal,
    other: WorkerId,
    row: Arc<Row>,
}

impl Site {
    async fn new() -> Self {
        let database = Database::new(MemoryDatabase::new());
        host(&database).await;
        let backend = Arc::new(MemBackend::new(MemConfig::default()));
        let store = ArtifactStore::new(
            backend.clone(),
            database.catalog.clone(),
            StoreConfig::default(),
        );
        let managed = ManagedStore::new(store.clone(), database.inventory.clone(), backend);
        let records = Counted::new(&database.sharing);
        let sharing = Sharing::new(managed.clone(), records.clone());
        let depositor = Principal::worker(register(&database).await, experiment());
        let mut deposit = store.deposit(NewArtifact::new(experiment(), &depositor));
        deposit
            .write(Bytes::from_static(b"some bytes"))
            .await
            .unwrap();
        let row = deposit.finish().await.unwrap();
        Self {
            other: register(&database).await,
            database,
            records,
            store,
            managed,
            sharing,
            depositor,
            row,
        }
    }

    fn subject(&self) -> GrantSubject {
        GrantSubject::Artifact(self.row.id)
    }

    fn other(&self) -> Principal {
        Principal::worker(self.other, experiment())
    }

    async fn grant(&self, grantee: impl Into<MemberId>) -> Result<AccessGrant> {
        let (by, to) = (&self.depositor, grantee.into());
        self.sharing
            .grant(by, &experiment(), self.subject(), to, None)
            .await
    }

    async fn link(&self, max_downloads: u32) -> (AccessLink, LinkSecret) {
        let new = NewLink::expiring_in(Duration::from_mins(1));
        let new = new.with_max_downloads(NonZeroU32::new(max_downloads));
        self.sharing
            .create_link(&self.depositor, &experiment(), self.row.id, new)
            .await
            .unwrap()
    }

    /// Returns whether the principal may read, and how many calls of the records that took.
    async fn may_read(&self, principal: &Principal) -> (bool, u32) {
        let before = self.records.calls();
        let row = Arc::clone(&self.row);
        let is_allowed = match authorize_shared(&self.sharing, principal, row).await {
            Ok(grant) => {
                assert_eq!(grant.row(), &*self.row);
                assert_eq!(grant.link(), None);
                true
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Forbidden, "{error}");
                false
            }
        };
        (is_allowed, self.records.calls() - before)
    }

    async fn read(&self, secret: &LinkSecret, range: ByteRange) -> Result<Vec<u8>> {
        let grant = authorize_link(&self.sharing, secret).await?;
        self.store.check(&grant).await?;
        let mut download = self.store.read(&grant, range).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = download.next().await {
            bytes.extend_from_slice(&chunk.unwrap());
        }
        Ok(bytes)
    }
}

#[tokio::test]
async fn only_who_has_no_right_of_its_own_costs_a_look_up() {
    let site = Site::new().await;
    let elsewhere = register_in(&site.database, other_experiment()).await;
    let principals = [
        (Principal::admin(), (true, 0)),
        (site.depositor.clone(), (true, 0)),
        (site.other().with_admin_class(), (true, 0)),
        (site.other(), (false, 1)),
        (Principal::worker(elsewhere, other_experiment()), (false, 0)),
        (external(EXTERNAL[1]), (false, 0)),
    ];
    for (principal, expected) in &principals {
        assert_eq!(site.may_read(principal).await, *expected, "{principal:?}");
    }
    site.grant(site.other).await.unwrap();
    assert_eq!(site.may_read(&site.other()).await, (true, 1));
    // The id of the grantee, as a principal of another experiment.
    let impostor = Principal::worker(site.other, other_experiment());
    assert_eq!(site.may_read(&impostor).await, (false, 0));
}

#[tokio::test]
async fn a_grantee_may_read_and_nothing_else() {
    let site = Site::new().await;
    let above = group(&site.database, &[site.other.into()]).await;
    let grant = site.grant(above).await.unwrap();
    let (other, home, id) = (site.other(), experiment(), site.row.id);
    assert!(site.may_read(&other).await.0);

    let (sharing, subject) = (&site.sharing, site.subject());
    let forbidden = ErrorKind::Forbidden;
    let third = register(&site.database).await.into();
    let shared = sharing.grant(&other, &home, subject, third, None).await;
    assert_kind(shared, forbidden);
    let listed = sharing.grants(&other, &home, subject, None, 10).await;
    assert_kind(listed, forbidden);
    let revoked = sharing.revoke_grant(&other, &home, subject, grant.id);
    assert_kind(revoked.await, forbidden);
    let new = NewLink::expiring_in(Duration::from_mins(1));
    assert_kind(sharing.create_link(&other, &home, id, new).await, forbidden);
    let (link, _secret) = site.link(0).await;
    assert_kind(sharing.links(&other, &home, id, None, 10).await, forbidden);
    let revoked = sharing.revoke_link(&other, &home, id, link.id).await;
    assert_kind(revoked, forbidden);
    assert_kind(site.managed.remove(&other, &home, id).await, forbidden);
    assert_kind(site.managed.place_hold(&other, &home, id).await, forbidden);
    let page = site.managed.list(
        &other,
        artifact_store::RowFilter::default(),
        artifact_store::RowPosition::START,
        10,
    );
    assert_eq!(page.await.unwrap().rows, []);
}

#[tokio::test]
async fn depositors_and_administrators_share_and_strangers_learn_nothing() {
    let site = Site::new().await;
    let (sharing, subject, home) = (&site.sharing, site.subject(), experiment());
    for by in [
        site.depositor.clone(),
        Principal::admin(),
        site.other().with_admin_class(),
    ] {
        let grant = sharing.grant(&by, &home, subject, site.other.into(), None);
        let grant = grant.await.unwrap();
        assert_eq!(grant.created_by, by.id());
        let listed = sharing.grants(&by, &home, subject, None, 10).await.unwrap();
        assert_eq!(listed, std::slice::from_ref(&grant));
        let revoked = sharing.revoke_grant(&by, &home, subject, grant.id);
        revoked.await.unwrap();
        let again = sharing.revoke_grant(&by, &home, subject, grant.id);
        assert_kind(again.await, ErrorKind::NotFound);

        let new = NewLink::expiring_in(Duration::from_mins(1));
        let link = sharing.create_link(&by, &home, site.row.id, new);
        let (link, _secret) = link.await.unwrap();
        let listed = sharing.links(&by, &home, site.row.id, None, 10).await;
        assert_eq!(listed.unwrap(), std::slice::from_ref(&link));
        let revoked = sharing.revoke_link(&by, &home, site.row.id, link.id);
        revoked.await.unwrap();
    }
    let elsewhere = Principal::worker(site.other, other_experiment()).with_admin_class();
    let absent = GrantSubject::Artifact(ArtifactId::from_bytes([0xcd; 16]));
    for (by, home, subject) in [
        (&elsewhere, experiment(), subject),
        (&elsewhere, other_experiment(), subject),
        (&site.depositor, experiment(), absent),
        (&site.depositor, other_experiment(), subject),
    ] {
        let refused = sharing.grant(by, &home, subject, site.other.into(), None);
        assert_kind(refused.await, ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn each_read_by_a_link_is_one_download() {
    let site = Site::new().await;
    let (link, secret) = site.link(3).await;
    let grant = authorize_link(&site.sharing, &secret).await.unwrap();
    assert_eq!(grant.link(), Some(&link));
    assert_eq!(grant.row(), &*site.row);

    let unsatisfiable = ByteRange::From(10);
    let refused = site.read(&secret, unsatisfiable).await;
    assert_kind(refused, ErrorKind::InvalidRange);
    for _ in 0..5 {
        // What a HEAD does.
        site.store.check(&grant).await.unwrap();
    }
    assert_eq!(
        site.read(&secret, ByteRange::Full).await.unwrap(),
        b"some bytes"
    );
    let range = ByteRange::FromTo { first: 5, last: 7 };
    assert_eq!(site.read(&secret, range).await.unwrap(), b"byt");
    // A grant that was made before the last download is worth nothing after it.
    drop(site.store.read(&grant, ByteRange::Full).await.unwrap());
    let late = site.store.read(&grant, ByteRange::Full).await;
    assert_kind(late.map(drop), ErrorKind::NotFound);
    let again = site.read(&secret, ByteRange::Full).await;
    assert_kind(again, ErrorKind::NotFound);
}

/// The answers to all secrets that do not work are equal, so they tell nothing.
#[tokio::test]
async fn links_that_do_not_work_cannot_be_told_apart() {
    let site = Site::new().await;
    let home = experiment();
    let (_used_up, used_up) = site.link(1).await;
    site.read(&used_up, ByteRange::Full).await.unwrap();
    let (revoked_link, revoked) = site.link(0).await;
    let done = site
        .sharing
        .revoke_link(&site.depositor, &home, site.row.id, revoked_link.id)
        .await;
    done.unwrap();
    let new = NewLink::expiring_in(Duration::ZERO);
    let expired = site
        .sharing
        .create_link(&site.depositor, &home, site.row.id, new);
    let (_, expired) = expired.await.unwrap();
    let mut deposit = site
        .store
        .deposit(NewArtifact::new(home.clone(), &Principal::admin()));
    deposit.write(Bytes::from_static(b"gone")).await.unwrap();
    let row = deposit.finish().await.unwrap();
    let new = NewLink::expiring_in(Duration::from_mins(1));
    let made = site
        .sharing
        .create_link(&Principal::admin(), &home, row.id, new)
        .await;
    let (_, removed) = made.unwrap();
    let removal = site
        .managed
        .remove(&Principal::admin(), &home, row.id)
        .await;
    removal.unwrap();

    let mut texts = Vec::new();
    for secret in [LinkSecret::mint(), used_up, revoked, expired, removed] {
        let error = authorize_link(&site.sharing, &secret).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(error.id(), None);
        let source = std::error::Error::source(&error).is_some();
        texts.push((error.to_string(), source));
        assert!(!format!("{error:?}").contains(&secret.expose()));
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "{texts:?}");
}

#[test]
fn secrets_are_parsed_strictly_and_not_shown() {
    let secret = LinkSecret::mint();
    let text = secret.expose();
    assert_eq!(text.len(), 64);
    assert_eq!(
        text.parse::<LinkSecret>().unwrap().digest(),
        secret.digest()
    );
    assert_ne!(secret.digest().to_string(), text);
    assert_ne!(LinkSecret::mint().expose(), text);
    assert!(!format!("{secret:?}").contains(&text));
    for bad in [
        "",
        &text[1..],
        &format!("{text}0"),
        &text.to_uppercase(),
        &format!(" {}", &text[1..]),
        &"g".repeat(64),
    ] {
        if *bad != text {
            assert!(bad.parse::<LinkSecret>().is_err(), "{bad}");
        }
    }
}
