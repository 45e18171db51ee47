//! The subjects: ours, its peers, and the bare system calls.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use artifact_backend::{ArtifactBackend, ArtifactId, ByteRange};
use artifact_backend_fs::{FsBackend, FsConfig};
use bytes::Bytes;
use clap::ValueEnum;
use futures_util::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, WriteMultipart};
use opendal::Operator;
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::cell::{PIECE, Work};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// artifact-backend-fs
    Ours,
    /// The same system calls on plain threads: the limit for this durability
    Raw,
    /// object_store's LocalFileSystem with its fsync option
    ObjectStore,
    /// The same without it: what it gives by default (a foot-note: less is promised)
    ObjectStoreNosync,
    /// opendal's fs service with an atomic write directory (no directory sync)
    Opendal,
    /// tokio::fs as one would write it at first: write to a temporary, sync_all, rename
    TokioFs,
    /// cacache (no sync at all)
    Cacache,
}

impl Kind {
    pub fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

impl Kind {
    /// Fills an opened folder with small blobs as this subject would have named them.
    pub fn grow(self, root: &Path, blobs: u64) -> Result<()> {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        if blobs == 0 {
            return Ok(());
        }
        let folder = match self {
            Self::Ours => root.join("store/blobs"),
            Self::Opendal => root.join("data"),
            Self::Raw | Self::ObjectStore | Self::ObjectStoreNosync | Self::TokioFs => root.into(),
            Self::Cacache => anyhow::bail!("cacache names its files in a way of its own"),
        };
        for _ in 0..blobs {
            let path = folder.join(ArtifactId::mint().to_string());
            let mut options = std::fs::File::options();
            let mut file = options
                .write(true)
                .create_new(true)
                .mode(0o400)
                .open(path)?;
            file.write_all(b"small")?;
        }
        rustix::fs::sync();
        Ok(())
    }
}

/// One subject over one empty folder.
#[derive(Clone)]
pub enum Subject {
    Ours(Arc<FsBackend>),
    Raw(Arc<Raw>),
    ObjectStore(Arc<LocalFileSystem>),
    Opendal(Operator),
    TokioFs(Arc<PathBuf>),
    Cacache(Arc<PathBuf>),
}

fn key(id: ArtifactId) -> object_store::path::Path {
    object_store::path::Path::from(id.to_string())
}

impl Subject {
    pub fn open(kind: Kind, root: &Path, raw_second_sync: bool) -> Result<Self> {
        let local = |fsync| -> Result<_> {
            let store = LocalFileSystem::new_with_prefix(root)?.with_fsync(fsync);
            Ok(Self::ObjectStore(Arc::new(store)))
        };
        match kind {
            Kind::Ours => {
                let runtime = tokio::runtime::Builder::new_current_thread().build()?;
                let path = root.join("store");
                let backend = runtime.block_on(FsBackend::open(path, FsConfig::default()))?;
                Ok(Self::Ours(Arc::new(backend)))
            }
            Kind::Raw => Ok(Self::Raw(Arc::new(Raw::open(root, raw_second_sync)?))),
            Kind::ObjectStore => local(true),
            Kind::ObjectStoreNosync => local(false),
            Kind::Opendal => {
                let data = root.join("data");
                let staging = root.join("staging");
                let text = |path: &Path| path.to_str().map(str::to_owned).context("not UTF-8");
                let service = opendal::services::Fs::default()
                    .root(&text(&data)?)
                    .atomic_write_dir(&text(&staging)?);
                Ok(Self::Opendal(Operator::new(service)?))
            }
            Kind::TokioFs => Ok(Self::TokioFs(Arc::new(root.to_owned()))),
            Kind::Cacache => Ok(Self::Cacache(Arc::new(root.to_owned()))),
        }
    }

    /// Whether this subject can do this work at all, as its own interface offers it.
    pub fn does(&self, work: Work) -> bool {
        match self {
            Self::Raw(_) => !matches!(work, Work::Mixed | Work::Quiet),
            Self::Ours(_) => true,
            Self::ObjectStore(_) | Self::Opendal(_) | Self::TokioFs(_) => {
                !matches!(work, Work::UploadHashed)
            }
            Self::Cacache(_) => matches!(work, Work::Store | Work::Load | Work::ColdLoad),
        }
    }

    pub async fn store(&self, id: ArtifactId, bytes: Bytes) -> Result<()> {
        match self {
            Self::Ours(backend) => backend.store(id, bytes).await?,
            Self::Raw(raw) => raw.store(id, &bytes)?,
            Self::ObjectStore(store) => {
                let options = PutOptions {
                    mode: PutMode::Create,
                    ..PutOptions::default()
                };
                store.put_opts(&key(id), bytes.into(), options).await?;
            }
            Self::Opendal(operator) => {
                operator.write(&id.to_string(), bytes).await?;
            }
            Self::TokioFs(root) => {
                let temporary = root.join(format!("{id}.tmp"));
                let mut file = tokio::fs::File::create_new(&temporary).await?;
                file.write_all(&bytes).await?;
                file.sync_all().await?;
                tokio::fs::rename(&temporary, root.join(id.to_string())).await?;
                tokio::fs::File::open(&**root).await?.sync_all().await?;
            }
            Self::Cacache(root) => {
                cacache::write(&**root, id.to_string(), bytes).await?;
            }
        }
        Ok(())
    }

    pub async fn load(&self, id: ArtifactId) -> Result<usize> {
        Ok(match self {
            Self::Ours(backend) => backend.load(id).await?.len(),
            Self::Raw(raw) => raw.load(id)?,
            Self::ObjectStore(store) => store.get(&key(id)).await?.bytes().await?.len(),
            Self::Opendal(operator) => operator.read(&id.to_string()).await?.len(),
            Self::TokioFs(root) => tokio::fs::read(root.join(id.to_string())).await?.len(),
            Self::Cacache(root) => cacache::read(&**root, id.to_string()).await?.len(),
        })
    }

    pub async fn upload(&self, id: ArtifactId, pieces: &[Bytes]) -> Result<()> {
        match self {
            Self::Ours(backend) => {
                let mut upload = backend.upload(id).await?;
                upload.expect_size(pieces.iter().map(|piece| piece.len() as u64).sum());
                for piece in pieces {
                    upload.write(piece.clone()).await?;
                }
                upload.commit().await?;
            }
            Self::Raw(raw) => raw.upload(id, pieces)?,
            Self::ObjectStore(store) => {
                let mut upload = WriteMultipart::new(store.put_multipart(&key(id)).await?);
                for piece in pieces {
                    upload.wait_for_capacity(8).await?;
                    upload.put(piece.clone());
                }
                upload.finish().await?;
            }
            Self::Opendal(operator) => {
                let mut writer = operator.writer(&id.to_string()).await?;
                for piece in pieces {
                    writer.write(piece.clone()).await?;
                }
                writer.close().await?;
            }
            Self::TokioFs(root) => {
                let temporary = root.join(format!("{id}.tmp"));
                let mut file = tokio::fs::File::create_new(&temporary).await?;
                for piece in pieces {
                    file.write_all(piece).await?;
                }
                file.sync_all().await?;
                tokio::fs::rename(&temporary, root.join(id.to_string())).await?;
                tokio::fs::File::open(&**root).await?.sync_all().await?;
            }
            Self::Cacache(_) => unreachable!("does() says no"),
        }
        Ok(())
    }

    pub async fn download(&self, id: ArtifactId) -> Result<u64> {
        let mut total = 0;
        match self {
            Self::Ours(backend) => {
                let mut download = backend.download(id, ByteRange::Full).await?;
                while let Some(piece) = download.next().await {
                    total += piece?.len() as u64;
                }
            }
            Self::Raw(raw) => total = raw.download(id)?,
            Self::ObjectStore(store) => {
                let mut stream = store.get(&key(id)).await?.into_stream();
                while let Some(piece) = stream.try_next().await? {
                    total += piece.len() as u64;
                }
            }
            Self::Opendal(operator) => {
                let reader = operator.reader(&id.to_string()).await?;
                let mut stream = reader.into_bytes_stream(..).await?;
                while let Some(piece) = stream.try_next().await? {
                    total += piece.len() as u64;
                }
            }
            Self::TokioFs(root) => {
                let mut file = tokio::fs::File::open(root.join(id.to_string())).await?;
                let mut buffer = vec![0; PIECE];
                loop {
                    let n = file.read(&mut buffer).await?;
                    if n == 0 {
                        break;
                    }
                    total += n as u64;
                }
            }
            Self::Cacache(_) => unreachable!("does() says no"),
        }
        Ok(total)
    }
}

/// The system calls alone: O_TMPFILE, write, fsync, linkat, (fsync,) fsync of the folder.
pub struct Raw {
    folder: std::fs::File,
    second_sync: bool,
}

impl Raw {
    fn open(root: &Path, second_sync: bool) -> Result<Self> {
        Ok(Self {
            folder: std::fs::File::open(root)?,
            second_sync,
        })
    }

    fn temporary(&self) -> Result<std::fs::File> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.folder, ".", flags, Mode::RUSR)?.into())
    }

    fn publish(&self, file: &std::fs::File, id: ArtifactId) -> Result<()> {
        use std::os::fd::AsRawFd;
        rustix::fs::fsync(file)?;
        let link = format!("/proc/self/fd/{}", file.as_raw_fd());
        rustix::fs::linkat(
            CWD,
            link,
            &self.folder,
            id.to_string(),
            AtFlags::SYMLINK_FOLLOW,
        )?;
        if self.second_sync {
            rustix::fs::fsync(file)?;
        }
        rustix::fs::fsync(self.folder.as_fd())?;
        Ok(())
    }

    pub fn store(&self, id: ArtifactId, bytes: &[u8]) -> Result<()> {
        use std::io::Write;
        let mut file = self.temporary()?;
        file.write_all(bytes)?;
        self.publish(&file, id)
    }

    fn upload(&self, id: ArtifactId, pieces: &[Bytes]) -> Result<()> {
        use std::io::Write;
        let mut file = self.temporary()?;
        for piece in pieces {
            file.write_all(piece)?;
        }
        self.publish(&file, id)
    }

    fn open_blob(&self, id: ArtifactId) -> Result<std::fs::File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.folder, id.to_string(), flags, Mode::empty())?.into())
    }

    pub fn load(&self, id: ArtifactId) -> Result<usize> {
        use std::io::Read;
        let mut file = self.open_blob(id)?;
        let size = usize::try_from(rustix::fs::fstat(&file)?.st_size)?;
        let mut bytes = Vec::with_capacity(size);
        file.by_ref().take(size as u64).read_to_end(&mut bytes)?;
        ensure!(bytes.len() == size, "a blob is short");
        Ok(bytes.len())
    }

    fn download(&self, id: ArtifactId) -> Result<u64> {
        use std::io::Read;
        let mut file = self.open_blob(id)?;
        let mut buffer = vec![0; PIECE];
        let mut total = 0;
        loop {
            let n = file.read(&mut buffer)?;
            if n == 0 {
                return Ok(total);
            }
            total += n as u64;
        }
    }
}
