//! Contents of databases.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use artifact_store::{
    ArtifactId, ChunkDigests, ContentType, CredentialHash, Database, DumpRecord, ErrorKind,
    Experiment, FileName, Group, GroupId, Hold, Labels, ListPosition, MemberId, PrincipalId, Quota,
    QuotaScope, Row, RowPosition, Sha256Digest, Worker, WorkerId,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::support::{EXTERNAL, chunk_digests, experiment, row, time};

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
    match number % 3 {
        0 => PrincipalId::Admin,
        1 => WorkerId::mint().into(),
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

/// A few records of each kind: artifacts 1 to 4, chunk digests of 1 and 3, a hold on 2, the removed ids 8 and 9,
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
    records.push(DumpRecord::Quota {
        scope: quota_scope(),
        quota: quota(),
    });
    records
}

fn quota_scope() -> QuotaScope {
    QuotaScope::Principal(experiment(), row(1).created_by)
}

fn quota() -> Quota {
    Quota::default().with_max_bytes(100).with_max_in_flight(7)
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
    records
}
