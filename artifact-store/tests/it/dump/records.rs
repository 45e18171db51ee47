//! Contents of databases.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

use artifact_store::artifact_receipt::{LogSecret, TreeHash};
use artifact_store::{
    AccessGrant, AccessLink, Administrator, AdministratorId, AdministratorStoreExt as _,
    ArtifactId, ChunkDigests, Collection, CollectionFile, CollectionId, ContentType,
    CredentialHash, Database, DumpRecord, ErrorKind, Experiment, FileName, FileState, GrantId,
    GrantSubject, Group, GroupId, Hold, Labels, LinkId, LinkSecret, ListPosition, MemberId,
    PrincipalId, QueuedReceipt, Quota, QuotaScope, Row, RowPosition, Sha256Digest, Worker,
    WorkerId,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::support::{EXTERNAL, chunk_digests, experiment, row, time, worker_id};

fn credential(text: &str) -> CredentialHash {
    let phc = format!("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ${text}");
    phc.parse().unwrap()
}

fn name(number: u8) -> Option<artifact_store::DisplayName> {
    let names = [
        None,
        Some("a name"),
        Some("\u{1f980} crab"),
        Some("o'neill \\ \"x\""),
    ];
    names[usize::from(number) % names.len()].map(|name| name.parse().unwrap())
}

fn principal(number: u8) -> PrincipalId {
    match number % 4 {
        0 => PrincipalId::Admin,
        1 => WorkerId::mint().into(),
        2 => AdministratorId::mint().into(),
        _ => EXTERNAL[usize::from(number) % EXTERNAL.len()]
            .parse()
            .unwrap(),
    }
}

/// Returns the digests of two to five chunks.
fn some_digests(number: u8) -> ChunkDigests {
    let chunks = 2 + usize::from(number) % 4;
    chunk_digests(&vec![number; chunks * 65_536]).unwrap()
}

/// A few records of each kind: artifacts 1 to 4, chunk digests of 1 and 3, a hold on 2, the removed ids 8 and 9, grants of
/// artifact 3 and of the open collection to the worker and one that has expired, a link to artifact 4 with one download left,
/// and a quota.
pub(crate) fn small() -> Vec<DumpRecord> {
    let worker = WorkerId::mint();
    let [admins, orchestrators] = Group::founding(&Experiment::new(experiment(), time(1)));
    let mut groups = vec![admins.clone(), orchestrators];
    groups.sort_by_key(|group| group.id);
    let mut records = vec![
        DumpRecord::Experiment {
            experiment: Experiment::new(experiment(), time(1)),
            keep: Some(Duration::from_hours(24)),
        },
        DumpRecord::Worker {
            worker: Worker::new(worker, experiment(), time(2), PrincipalId::Admin),
            credential: credential("hash"),
        },
    ];
    records.extend(groups.into_iter().map(DumpRecord::Group));
    records.push(DumpRecord::Member {
        group: admins.id,
        member: worker.into(),
    });
    records.extend((1..=4).map(|number| DumpRecord::Artifact {
        position: RowPosition::from_number(u64::from(number) * 10),
        row: row(number),
    }));
    records.extend([1, 3].map(|number| DumpRecord::ChunkDigests {
        id: row(number).id,
        digests: some_digests(number),
    }));
    let held = Hold::new(row(2).id, PrincipalId::Admin, time(3));
    records.push(DumpRecord::Hold(held));
    records.extend([9, 8].map(|id| DumpRecord::Removed(ArtifactId::from_bytes([id; 16]))));
    let grant = |number, grantee: MemberId| {
        let subject = GrantSubject::Artifact(row(number).id);
        let id = GrantId::mint();
        AccessGrant::new(id, experiment(), subject, grantee, time(4), worker.into())
    };
    let (id, name) = (AdministratorId::mint(), "Alice".parse().unwrap());
    let (by, hash) = (PrincipalId::Admin, credential("administrator"));
    let administrator = Administrator::new(id, name, time(4), by, hash.with_expires_at(time(5)));
    records.push(DumpRecord::Administrator(administrator));
    records.extend(collections());
    records.push(DumpRecord::AccessGrant(grant(3, worker.into())));
    let expired = grant(4, admins.id.into()).with_expires_at(time(5));
    records.push(DumpRecord::AccessGrant(expired));
    let mut of_collection = grant(3, worker.into());
    of_collection.subject = GrantSubject::Collection(CollectionId::from_bytes([1; 16]));
    records.push(DumpRecord::AccessGrant(of_collection));
    let link = AccessLink::new(
        LinkId::mint(),
        experiment(),
        row(4).id,
        time(4),
        worker.into(),
        time(4_000_000_000),
    );
    records.push(DumpRecord::AccessLink {
        link: link.with_downloads(NonZeroU32::new(3), 2),
        digest: link_secret().digest(),
    });
    records.push(DumpRecord::Quota {
        scope: quota_scope(),
        quota: quota(),
    });
    records.extend(receipts());
    records
}

/// A log with an entry of a row and one of a removed row, and a row that has none yet.
fn receipts() -> Vec<DumpRecord> {
    let mut records = vec![DumpRecord::ReceiptLog {
        origin: "example.com/store".parse().unwrap(),
        secret: LogSecret::from_bytes([3; 32]),
    }];
    records.extend([(0, 1), (1, 200)].map(|(index, id)| DumpRecord::Receipt {
        index,
        artifact: row(id).id,
        hash: TreeHash::of_leaf(&[id]),
    }));
    let queued = QueuedReceipt::of(1, &row(4));
    records.push(DumpRecord::QueuedReceipt(queued));
    records
}

fn quota_scope() -> QuotaScope {
    QuotaScope::Principal(experiment(), row(1).created_by)
}

fn quota() -> Quota {
    Quota::default().with_max_bytes(100).with_max_in_flight(7)
}

/// Puts grants and links before the administrators, as older versions did.
pub(crate) fn in_older_order(records: Vec<DumpRecord>) -> Vec<DumpRecord> {
    let is_share = |record: &DumpRecord| {
        matches!(
            record,
            DumpRecord::AccessGrant(_) | DumpRecord::AccessLink { .. }
        )
    };
    let (shares, mut records): (Vec<_>, Vec<_>) = records.into_iter().partition(is_share);
    let is_administrator = |record: &DumpRecord| matches!(record, DumpRecord::Administrator(_));
    let at = records.iter().position(is_administrator).unwrap();
    records.splice(at..at, shares);
    records
}

/// Returns whether a record is a grant of a collection.
pub(crate) fn is_of_collection(record: &DumpRecord) -> bool {
    let DumpRecord::AccessGrant(grant) = record else {
        return false;
    };
    matches!(grant.subject, GrantSubject::Collection(_))
}

/// Returns the secret of the link in the small contents.
fn link_secret() -> LinkSecret {
    "5e".repeat(32).parse().unwrap()
}

/// Checks that the grants and the link of the small contents count. The worker is in `admins`, so that its link works.
async fn assert_shares_are_in_force(database: &Database, worker: WorkerId) {
    let sharing = &database.sharing;
    for id in [3, 4] {
        let subject = GrantSubject::Artifact(row(id).id);
        let granted = sharing.is_granted(&experiment(), &subject, worker).await;
        assert_eq!(granted.unwrap(), id == 3, "{id}");
    }
    for id in [1, 2] {
        let subject = GrantSubject::Collection(CollectionId::from_bytes([id; 16]));
        let granted = sharing.is_granted(&experiment(), &subject, worker).await;
        assert_eq!(granted.unwrap(), id == 1, "collection {id}");
    }
    let found = sharing.find_link(&link_secret().digest()).await.unwrap();
    let link = found.unwrap();
    assert_eq!((link.artifact, link.downloads), (row(4).id, 2));
    sharing.use_link(link.artifact, link.id).await.unwrap();
    let used_up = sharing.use_link(link.artifact, link.id).await.unwrap_err();
    assert_eq!(used_up.kind(), ErrorKind::NotFound);
    assert_eq!(
        sharing.forget_shares(10).await.unwrap(),
        2,
        "the expired grant and the link"
    );
}

/// An open collection with artifact 3 and a removed file, and a sealed one with artifact 4 and an expired file.
fn collections() -> Vec<DumpRecord> {
    let [open, sealed] = [1, 2].map(|id| {
        let id = CollectionId::from_bytes([id; 16]);
        Collection::new(id, experiment(), worker_id().into(), time(4))
    });
    let mut sealed = sealed.with_title(
        "a \u{1f980} title"
            .parse::<artifact_store::DisplayName>()
            .unwrap(),
    );
    sealed.sealed_at = Some(time(5));
    let files = [
        (open.id, "a/\u{e9} b", 3, FileState::Present),
        (open.id, "gone", 8, FileState::Removed),
        (sealed.id, "d", 4, FileState::Present),
        (sealed.id, "e", 9, FileState::Expired),
    ];
    let files = files.map(|(collection, name, number, state)| {
        let mut file = CollectionFile::of(name.parse().unwrap(), &row(number));
        file.state = state;
        DumpRecord::CollectionFile { collection, file }
    });
    let collections = [open, sealed].map(DumpRecord::Collection);
    collections.into_iter().chain(files).collect()
}

/// Checks that the collections of the small contents are in force.
async fn assert_collections_are_in_force(database: &Database) {
    let catalog = &database.collections;
    let [open, sealed] = [1, 2].map(|id| CollectionId::from_bytes([id; 16]));
    for (id, bytes) in [(open, 3), (sealed, 4)] {
        let found = catalog.collection(id).await.unwrap().unwrap();
        assert_eq!((found.files, found.bytes), (1, bytes));
    }
    let deposited = row(20);
    let insert = async |collection, name: &str| {
        let name = name.parse().unwrap();
        let inserted = catalog.insert_file(collection, &name, &deposited, None, None);
        inserted.await.unwrap_err().kind()
    };
    assert_eq!(insert(open, "gone").await, ErrorKind::NameTaken);
    assert_eq!(insert(open, "a").await, ErrorKind::NameTaken);
    assert_eq!(insert(sealed, "new").await, ErrorKind::Sealed);
    let removal = database.inventory.remove(row(4).id).await.unwrap();
    assert_eq!(removal, artifact_store::Removal::Sealed);
    database.inventory.delete(row(3).id).await.unwrap();
    let found = catalog.collection(open).await.unwrap().unwrap();
    assert_eq!((found.files, found.bytes), (0, 0));
}

/// Checks that a database with the small contents behaves as they say.
pub(crate) async fn assert_small_is_in_force(database: &Database) {
    let catalog = &database.catalog;
    for id in [8, 9] {
        let refused = catalog.insert(&row(id)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::AlreadyExists, "{id}");
        assert_eq!(catalog.get(row(id).id).await.unwrap(), None);
    }
    for id in [1, 2, 3, 4] {
        let found = catalog.chunk_digests(row(id).id).await.unwrap();
        assert_eq!(found, (id % 2 == 1).then(|| some_digests(id)), "{id}");
    }
    let removal = database.inventory.remove(row(2).id).await.unwrap();
    assert_eq!(removal, artifact_store::Removal::Held);
    database.inventory.remove(row(1).id).await.unwrap();
    let found = catalog.chunk_digests(row(1).id).await.unwrap();
    assert_eq!(found, None, "digests are removed with their row");
    let keep = database.inventory.retention(&experiment()).await.unwrap();
    assert_eq!(keep, Some(Duration::from_hours(24)));
    catalog.insert(&row(5)).await.unwrap();
    let found = catalog.quotas().unwrap().quota(&quota_scope()).await;
    let found = found.unwrap().unwrap();
    assert_eq!(found.quota, quota());
    let left = [2, 3, 4, 5];
    let used = (left.iter().sum(), left.len() as u64);
    assert_eq!((found.bytes, found.artifacts), used, "counted again");
    let all = artifact_store::RowFilter::default();
    let after = RowPosition::from_number(40);
    let page = database.inventory.scan(&all, after, 10).await.unwrap();
    let ids: Vec<_> = page.rows.iter().map(|row| row.id).collect();
    assert_eq!(ids, [row(5).id], "the next row has the next position");
    let removals = database.inventory.removals(RowPosition::START, 10).await;
    let removed: Vec<_> = removals.unwrap().ids;
    assert_eq!(removed, [row(9).id, row(8).id, row(1).id]);
    let workers = database
        .identities
        .worker_page(&experiment(), None, &ListPosition::default())
        .await;
    let worker = workers.unwrap().records[0].id;
    let found = database
        .identities
        .credential(worker)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.hash, credential("hash"));
    assert!(found.in_admins);
    assert_shares_are_in_force(database, worker).await;
    let administrators = database.identities.administrators().await.unwrap();
    assert_eq!(administrators.len(), 1);
    let found = database
        .identities
        .administrator_credential(administrators[0].id)
        .await
        .unwrap();
    let expected = credential("administrator").with_expires_at(time(5));
    assert_eq!(found, Some(expected));
    assert_collections_are_in_force(database).await;
}

/// A row with positions that may have gaps.
type Artifact = ([u8; 16], u8, u16, Option<i64>, Option<String>, u64);

/// Any contents, in the order of a snapshot.
pub(crate) fn contents() -> impl Strategy<Value = Vec<DumpRecord>> {
    let artifact = (
        any::<[u8; 16]>(),
        any::<u8>(),
        1..=u16::MAX,
        proptest::option::of(0..=4_000_000_000_000_000_i64),
        proptest::option::of("[a-zA-Z \u{e9}\u{1f980}]{1,40}"),
        0..=(i64::MAX as u64),
    );
    let worker = (
        any::<u8>(),
        proptest::option::of(proptest::collection::btree_map(".{0,8}", ".{0,8}", 0..4)),
    );
    (
        proptest::collection::btree_map(
            "[a-zA-Z0-9_~-]{1,20}",
            proptest::option::of(any::<u32>()),
            1..4,
        ),
        vec(worker, 0..6),
        vec((any::<u8>(), 0..5_usize), 0..5),
        vec(artifact, 0..40),
        vec(any::<[u8; 16]>(), 0..20),
    )
        .prop_map(|(experiments, workers, groups, artifacts, removed)| {
            assemble(&experiments, workers, groups, artifacts, removed)
        })
}

/// Returns administrators with and without an expiry, in the order of their ids.
fn administrators(count: u8) -> impl Iterator<Item = DumpRecord> {
    let mut all: Vec<_> = (0..count)
        .map(|number| {
            let hash = credential("x").with_expires_at((number % 2 == 0).then(|| time(7)));
            let (id, name) = (AdministratorId::mint(), "Alice".parse().unwrap());
            Administrator::new(id, name, time(number.into()), principal(number), hash)
        })
        .collect();
    all.sort_by_key(|administrator| administrator.id);
    all.into_iter().map(DumpRecord::Administrator)
}

fn assemble(
    experiments: &BTreeMap<String, Option<u32>>,
    workers: Vec<(u8, Option<BTreeMap<String, String>>)>,
    groups: Vec<(u8, usize)>,
    artifacts: Vec<Artifact>,
    removed: Vec<[u8; 16]>,
) -> Vec<DumpRecord> {
    let ids: Vec<artifact_store::ExperimentId> =
        experiments.keys().map(|id| id.parse().unwrap()).collect();
    let some = |number: u8| ids[usize::from(number) % ids.len()].clone();
    let mut records: Vec<_> = experiments
        .values()
        .zip(&ids)
        .map(|(keep, id)| DumpRecord::Experiment {
            experiment: Experiment::new(id.clone(), time(7)),
            keep: keep.map(|micros| Duration::from_micros(micros.into())),
        })
        .collect();
    let mut all: Vec<_> = workers
        .into_iter()
        .map(|(number, labels)| {
            let labels = labels.map(|labels| Labels::try_from(labels).unwrap());
            Worker::new(
                WorkerId::mint(),
                some(number),
                time(number.into()),
                principal(number),
            )
            .with_name(name(number))
            .with_labels(labels)
        })
        .collect();
    all.sort_by_key(|worker| worker.id);
    records.extend(all.iter().map(|worker| DumpRecord::Worker {
        worker: worker.clone(),
        credential: credential(worker.id.as_str()),
    }));
    let mut all: Vec<_> = groups
        .into_iter()
        .map(|(number, members)| {
            let group = Group::new(
                GroupId::mint(),
                some(number),
                time(number.into()),
                principal(number),
            );
            (group.with_name(name(number)), members)
        })
        .collect();
    all.sort_by_key(|(group, _)| group.id);
    records.extend(
        all.iter()
            .map(|(group, _)| DumpRecord::Group(group.clone())),
    );
    for (group, members) in &all {
        records.extend((0..*members).map(|_| DumpRecord::Member {
            group: group.id,
            member: MemberId::from(WorkerId::mint()),
        }));
    }
    let (mut position, mut taken) = (0, BTreeSet::new());
    let (mut digests, mut holds) = (Vec::new(), Vec::new());
    for (id, number, gap, expires_at, file_name, size) in artifacts {
        if !taken.insert(id) {
            continue;
        }
        position += u64::from(gap);
        let id = ArtifactId::from_bytes(id);
        let sha256 = Sha256Digest::from_bytes([number; 32]);
        let expires_at =
            expires_at.map(|at| artifact_store::Timestamp::from_microsecond(at).unwrap());
        let row = Row::new(
            id,
            some(number),
            principal(number),
            size,
            sha256,
            time(number.into()),
        )
        .with_content_type(ContentType::clean(
            ["text/plain", "a/b; c=\"d\""][usize::from(number) % 2],
        ))
        .with_file_name(file_name.as_deref().and_then(FileName::clean))
        .with_expires_at(expires_at);
        let position = RowPosition::from_number(position);
        if number % 3 == 0 {
            digests.push(DumpRecord::ChunkDigests {
                id,
                digests: some_digests(number),
            });
        }
        records.push(DumpRecord::Artifact { position, row });
        if number % 5 == 0 {
            holds.push(Hold::new(id, principal(number), time(number.into())));
        }
    }
    records.extend(digests);
    holds.sort_by_key(|hold| hold.id);
    records.extend(holds.into_iter().map(DumpRecord::Hold));
    let removed = removed.into_iter().filter(|id| taken.insert(*id));
    records.extend(removed.map(|id| DumpRecord::Removed(ArtifactId::from_bytes(id))));
    let shares = shares_of(&records);
    records.extend(administrators(u8::try_from(experiments.len()).unwrap()));
    records.extend(shares);
    records
}

/// Returns grants and links of the artifacts among the records, to and by the workers and groups among them.
fn shares_of(records: &[DumpRecord]) -> Vec<DumpRecord> {
    let workers: Vec<_> = records
        .iter()
        .filter_map(|record| match record {
            DumpRecord::Worker { worker, .. } => Some(worker.id),
            _ => None,
        })
        .collect();
    let groups: Vec<_> = records
        .iter()
        .filter_map(|record| match record {
            DumpRecord::Group(group) => Some(group.id),
            _ => None,
        })
        .collect();
    let (mut grants, mut links) = (Vec::new(), Vec::new());
    for record in records {
        let DumpRecord::Artifact { row, .. } = record else {
            continue;
        };
        let number = row.id.as_bytes()[0];
        let worker = workers.get(usize::from(number) % 8);
        let group = groups.get(usize::from(number) % 3);
        let grantees = worker.map(|id| MemberId::from(*id)).into_iter();
        let grantees = grantees.chain(group.map(|id| MemberId::from(*id)));
        grants.extend(grantees.map(|grantee| some_grant(row.id, number, grantee)));
        // A link of a worker that is not there would not be loaded.
        if number % 4 != 1 {
            links.push(some_link(row.id, number, principal(number)));
        }
        links.extend(worker.map(|maker| some_link(row.id, number, (*maker).into())));
    }
    grants.sort_by_key(|grant| (grant.subject, grant.id));
    links.sort_by_key(|link: &AccessLink| (link.artifact, link.id));
    let links = links.into_iter().map(|link| DumpRecord::AccessLink {
        link,
        digest: LinkSecret::mint().digest(),
    });
    let grants = grants.into_iter().map(DumpRecord::AccessGrant);
    grants.chain(links).collect()
}

fn some_grant(artifact: ArtifactId, number: u8, grantee: MemberId) -> AccessGrant {
    let subject = GrantSubject::Artifact(artifact);
    let (id, made) = (GrantId::mint(), time(number.into()));
    AccessGrant::new(id, experiment(), subject, grantee, made, principal(number))
        .with_expires_at(number.is_multiple_of(2).then(|| time(4_000_000_000)))
}

fn some_link(artifact: ArtifactId, number: u8, maker: PrincipalId) -> AccessLink {
    let (id, made) = (LinkId::mint(), time(number.into()));
    let max = NonZeroU32::new(u32::from(number) % 4);
    let expires_at = time(i64::from(number) * 20_000_000);
    AccessLink::new(id, experiment(), artifact, made, maker, expires_at)
        .with_downloads(max, max.map_or(0, |max| max.get() - 1))
}
