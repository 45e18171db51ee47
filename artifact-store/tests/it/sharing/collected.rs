//! Grants and links that have ended are deleted by a collector that knows them.

use std::sync::Arc;

use artifact_backend_mem::{MemBackend, MemConfig};
use artifact_store::{CollectOptions, Collector, Database, MemoryDatabase};

use super::site::{grant, host, link, past, publish, register};

#[tokio::test]
async fn a_collector_deletes_what_has_ended() {
    let database = Database::new(MemoryDatabase::new());
    host(&database).await;
    for number in 1..=3 {
        let expired = grant(number, register(&database).await).with_expires_at(past());
        database.sharing.insert_grant(&expired).await.unwrap();
        let mut expired = link(number);
        expired.expires_at = past();
        publish(&database, &expired).await;
    }
    publish(&database, &link(1)).await;
    let backend = Arc::new(MemBackend::new(MemConfig::default()));
    let collect = async |dry_run, knows_shares: bool| {
        let options = CollectOptions::default().with_dry_run(dry_run);
        let mut collector = Collector::new(database.inventory.clone(), backend.clone(), options);
        if knows_shares {
            collector = collector.with_sharing(database.sharing.clone());
        }
        collector.run(|_| {}).await.shares
    };
    assert_eq!(collect(false, false).await, 0);
    assert_eq!(collect(true, true).await, 0, "a dry run");
    assert_eq!(collect(false, true).await, 6);
    assert_eq!(collect(false, true).await, 0);
}
