//! A program that selects its backend by one feature flag and one URL. The rest of the code stays the same.
//!
//!     cargo run --manifest-path examples/Cargo.toml -p embed-any-backend --features mem -- \
//!         mem: mem:
//!     cargo run --manifest-path examples/Cargo.toml -p embed-any-backend --features fs,sqlite -- \
//!         ./blobs ./rows.sqlite
//!
//! It deposits a file, reads it back and prints its id. With an id as the third argument it reads the artifact of an earlier
//! run instead.

use std::env;
use std::error::Error;

use artifact_store::{
    ArtifactId, ArtifactStore, Backend, ByteRange, Database, Experiment, NewArtifact, Principal,
    StoreConfig, Timestamp, authorize,
};

const FILE: &str = "the same bytes, wherever they are";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let (backend, database, former) = match &arguments[..] {
        [backend, database] => (backend, database, None),
        [backend, database, id] => (backend, database, Some(id.parse()?)),
        _ => return Err("give the URLs of a backend and of a database, and perhaps an id".into()),
    };
    let backend = Backend::from_url(backend).await?.backend();
    let catalog = Database::from_url(database).await?.catalog;

    let home = Experiment::new("demo".parse()?, Timestamp::UNIX_EPOCH);
    catalog.create_experiment(&home).await?;
    let store = ArtifactStore::new(backend, catalog, StoreConfig::default());
    let id = match former {
        Some(id) => id,
        None => deposit(&store, &home).await?,
    };

    let row = store.row(&home.id, id).await?;
    let grant = authorize(&Principal::admin(), row)?;
    let download = store.read(&grant, ByteRange::Full).await?;
    if download.into_bytes().await? != FILE {
        return Err("something else came back".into());
    }
    println!("{id}");
    Ok(())
}

async fn deposit(store: &ArtifactStore, home: &Experiment) -> artifact_store::Result<ArtifactId> {
    let new = NewArtifact::new(home.id.clone(), &Principal::admin());
    let mut deposit = store.deposit(new);
    deposit.write(FILE.into()).await?;
    Ok(deposit.finish().await?.id)
}
