//! The subjects: the two backends of this project, bare system calls, and embedded databases.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use artifact_backend::{ArtifactBackend, ArtifactId};
use artifact_backend_fs::{FsBackend, FsConfig};
use artifact_backend_pack::{PackBackend, PackConfig};
use bytes::Bytes;
use fjall::{KeyspaceCreateOptions, PersistMode};
use redb::{ReadableDatabase, TableDefinition};
use rusqlite::{Connection, OptionalExtension};

/// The bytes of each place in the files of bare system calls.
const SLOT: usize = 4096;
/// The places that are written before the measurement, so that a sync writes no metadata.
const SLOTS: u64 = 65_536;

#[derive(Clone)]
pub enum Subject {
    Pack(PackBackend),
    File(FsBackend),
    /// Threads that write to places of their own in a file that was written before, and sync it
    Append(Arc<Slots>),
    /// Threads that read places of one open file
    Pread(Arc<Slots>),
    Redb(Arc<redb::Database>),
    Fjall(Arc<Fjall>),
    Sqlite(Arc<Mutex<Connection>>),
}

/// A file of places of 4 KiB.
pub struct Slots {
    file: std::fs::File,
    next: AtomicU64,
}

pub struct Fjall {
    database: fjall::Database,
    blobs: fjall::Keyspace,
}

const BLOBS: TableDefinition<'_, [u8; 16], &[u8]> = TableDefinition::new("blobs");

impl Subject {
    pub async fn pack(root: &Path, config: PackConfig) -> Result<Self> {
        Ok(Self::Pack(
            PackBackend::open(root.join("pack"), config).await?,
        ))
    }

    pub async fn file(root: &Path) -> Result<Self> {
        let backend = FsBackend::open(root.join("file"), FsConfig::default());
        Ok(Self::File(backend.await?))
    }

    fn slots(path: &Path, slots: u64) -> Result<Arc<Slots>> {
        let mut options = std::fs::File::options();
        let file = options.read(true).write(true).create_new(true).open(path)?;
        let zeros = vec![7; 1 << 20];
        for at in (0..slots * SLOT as u64).step_by(zeros.len()) {
            file.write_all_at(&zeros, at)?;
        }
        file.sync_all()?;
        let next = AtomicU64::new(0);
        Ok(Arc::new(Slots { file, next }))
    }

    pub fn append(root: &Path) -> Result<Self> {
        Ok(Self::Append(Self::slots(&root.join("append"), SLOTS)?))
    }

    pub fn pread(root: &Path, slots: u64) -> Result<Self> {
        Ok(Self::Pread(Self::slots(&root.join("pread"), slots)?))
    }

    pub fn redb(root: &Path) -> Result<Self> {
        let database = redb::Database::create(root.join("redb"))?;
        let transaction = database.begin_write()?;
        transaction.open_table(BLOBS)?;
        transaction.commit()?;
        Ok(Self::Redb(Arc::new(database)))
    }

    pub fn fjall(root: &Path) -> Result<Self> {
        let database = fjall::Database::builder(root.join("fjall")).open()?;
        let blobs = database.keyspace("blobs", KeyspaceCreateOptions::default)?;
        Ok(Self::Fjall(Arc::new(Fjall { database, blobs })))
    }

    pub fn sqlite(root: &Path) -> Result<Self> {
        let connection = Connection::open(root.join("sqlite"))?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
             CREATE TABLE blobs (id BLOB PRIMARY KEY, bytes BLOB NOT NULL) WITHOUT ROWID",
        )?;
        Ok(Self::Sqlite(Arc::new(Mutex::new(connection))))
    }

    /// Returns whether the calls block a thread and never wait for a runtime.
    pub fn is_blocking(&self) -> bool {
        !matches!(self, Self::Pack(_) | Self::File(_))
    }

    /// Stores a blob durably.
    pub async fn store(&self, id: ArtifactId, bytes: Bytes) -> Result<()> {
        match self {
            Self::Pack(backend) => backend.store(id, bytes).await?,
            Self::File(backend) => backend.store(id, bytes).await?,
            Self::Append(slots) | Self::Pread(slots) => {
                let slot = slots.next.fetch_add(1, Ordering::Relaxed) % SLOTS;
                slots.file.write_all_at(&bytes, slot * SLOT as u64)?;
                rustix::fs::fdatasync(&slots.file)?;
            }
            Self::Redb(database) => {
                let transaction = database.begin_write()?;
                let mut table = transaction.open_table(BLOBS)?;
                table.insert(id.as_bytes(), &bytes[..])?;
                drop(table);
                transaction.commit()?;
            }
            Self::Fjall(fjall) => {
                fjall.blobs.insert(id.as_bytes(), &bytes[..])?;
                fjall.database.persist(PersistMode::SyncAll)?;
            }
            Self::Sqlite(connection) => {
                let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
                let mut insert = connection.prepare_cached("INSERT INTO blobs VALUES (?1, ?2)")?;
                insert.execute((&id.as_bytes()[..], &bytes[..]))?;
            }
        }
        Ok(())
    }

    /// Loads a whole blob. Bare system calls read the place of this turn.
    pub async fn load(&self, id: ArtifactId, turn: u64, size: usize) -> Result<()> {
        let loaded = match self {
            Self::Pack(backend) => backend.load(id).await?.len(),
            Self::File(backend) => backend.load(id).await?.len(),
            Self::Append(slots) | Self::Pread(slots) => {
                let mut buffer = vec![0; size];
                slots.file.read_exact_at(&mut buffer, turn * SLOT as u64)?;
                std::hint::black_box(&buffer).len()
            }
            Self::Redb(database) => {
                let table = database.begin_read()?.open_table(BLOBS)?;
                let value = table.get(id.as_bytes())?.context("the blob is missing")?;
                value.value().to_vec().len()
            }
            Self::Fjall(fjall) => {
                let value = fjall.blobs.get(id.as_bytes())?;
                value.context("the blob is missing")?.to_vec().len()
            }
            Self::Sqlite(connection) => {
                let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
                let mut select =
                    connection.prepare_cached("SELECT bytes FROM blobs WHERE id = ?1")?;
                let value: Option<Vec<u8>> = select
                    .query_row([&id.as_bytes()[..]], |row| row.get(0))
                    .optional()?;
                value.context("the blob is missing")?.len()
            }
        };
        ensure!(loaded == size, "a load returned {loaded} bytes");
        Ok(())
    }
}
