//! The subjects: ours, its peers, and the raw system calls.

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

use crate::cell::{CHUNK, Work};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// artifact-backend-fs
    Ours,
    /// The same system calls on plain threads: the upper bound for this durability
    Raw,
    /// object_store's LocalFileSystem with its fsync option
    ObjectStore,
    /// object_store's LocalFileSystem without fsync, its default (it promises less)
    ObjectStoreNosync,
    /// opendal's fs service with an atomic write directory (no directory sync)
    Opendal,
    /// The obvious code on tokio::fs: write to a temporary file, sync_all, rename
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
    /// Fills an opened folder with small blobs under the names that this subject uses.
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
            Self::Cacache => {
                anyhow::bail!("cacache uses its own naming scheme, so its folder cannot be filled")
            }
        };
        for _ in 0..blobs {
            let name = ArtifactId::mint().to_string();
            let path = match self {
                Self::Ours => folder.join(&name[..1]).join(&name),
                _ => folder.join(&name),
            };
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

/// A subject with an empty folder.
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

    /// Returns whether the subject's API offers this kind of work.
    pub fn supports(&self, work: Work) -> bool {
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

    pub async fn upload(&self, id: ArtifactId, chunks: &[Bytes]) -> Result<()> {
        match self {
            Self::Ours(backend) => {
                let mut upload = backend.upload(id).await?;
                upload.expect_size(chunks.iter().map(|chunk| chunk.len() as u64).sum());
                for chunk in chunks {
                    upload.write(chunk.clone()).await?;
                }
                upload.commit().await?;
            }
            Self::Raw(raw) => raw.upload(id, chunks)?,
            Self::ObjectStore(store) => {
                let mut upload = WriteMultipart::new(store.put_multipart(&key(id)).await?);
                for chunk in chunks {
                    upload.wait_for_capacity(8).await?;
                    upload.put(chunk.clone());
                }
                upload.finish().await?;
            }
            Self::Opendal(operator) => {
                let mut writer = operator.writer(&id.to_string()).await?;
                for chunk in chunks {
                    writer.write(chunk.clone()).await?;
                }
                writer.close().await?;
            }
            Self::TokioFs(root) => {
                let temporary = root.join(format!("{id}.tmp"));
                let mut file = tokio::fs::File::create_new(&temporary).await?;
                for chunk in chunks {
                    file.write_all(chunk).await?;
                }
                file.sync_all().await?;
                tokio::fs::rename(&temporary, root.join(id.to_string())).await?;
                tokio::fs::File::open(&**root).await?.sync_all().await?;
            }
            Self::Cacache(_) => unreachable!("supports() returns false for this subject"),
        }
        Ok(())
    }

    pub async fn download(&self, id: ArtifactId) -> Result<u64> {
        let mut total = 0;
        match self {
            Self::Ours(backend) => {
                let mut download = backend.download(id, ByteRange::Full).await?;
                while let Some(chunk) = download.next().await {
                    total += chunk?.len() as u64;
                }
            }
            Self::Raw(raw) => total = raw.download(id)?,
            Self::ObjectStore(store) => {
                let mut stream = store.get(&key(id)).await?.into_stream();
                while let Some(chunk) = stream.try_next().await? {
                    total += chunk.len() as u64;
                }
            }
            Self::Opendal(operator) => {
                let reader = operator.reader(&id.to_string()).await?;
                let mut stream = reader.into_bytes_stream(..).await?;
                while let Some(chunk) = stream.try_next().await? {
                    total += chunk.len() as u64;
                }
            }
            Self::TokioFs(root) => {
                let mut file = tokio::fs::File::open(root.join(id.to_string())).await?;
                let mut buffer = vec![0; CHUNK];
                loop {
                    let n = file.read(&mut buffer).await?;
                    if n == 0 {
                        break;
                    }
                    total += n as u64;
                }
            }
            Self::Cacache(_) => unreachable!("supports() returns false for this subject"),
        }
        Ok(total)
    }
}

/// The raw system calls: O_TMPFILE, write, fsync, linkat, (fsync,) fsync of the folder.
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

    fn upload(&self, id: ArtifactId, chunks: &[Bytes]) -> Result<()> {
        use std::io::Write;
        let mut file = self.temporary()?;
        for chunk in chunks {
            file.write_all(chunk)?;
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
        ensure!(bytes.len() == size, "a load returned too few bytes");
        Ok(bytes.len())
    }

    fn download(&self, id: ArtifactId) -> Result<u64> {
        use std::io::Read;
        let mut file = self.open_blob(id)?;
        let mut buffer = vec![0; CHUNK];
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
