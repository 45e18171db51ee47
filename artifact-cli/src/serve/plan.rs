//! What a server is to be, checked as far as can be without making anything.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use artifact_server::{Listener, ServerConfig};
use artifact_store::{BackendUrl, DatabaseUrl, ExperimentId};
use tracing_subscriber::EnvFilter;

use super::bucket::Bucket;
use super::certificate::CertificateFiles;
use super::database;
use super::logging::LogFormat;
use super::ready;
use super::token::Token;
use crate::failure::{setup, setup_from};
use crate::files;
use crate::output::{self, shell_word};
use crate::settings::{Key, Loaded};

/// What `--listen` begins with where a path follows.
const UNIX: &str = "unix:";

/// A server that can be started, as far as is known.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) listen: String,
    pub(crate) listen_called: String,
    pub(crate) data_dir: PathBuf,
    pub(crate) backend: BackendUrl,
    pub(crate) backend_called: String,
    pub(crate) bucket: Bucket,
    pub(crate) database: DatabaseUrl,
    pub(crate) database_called: String,
    pub(crate) token: Token,
    pub(crate) experiments: Vec<ExperimentId>,
    pub(crate) max_artifact_bytes: u64,
    pub(crate) verified_cache: u64,
    pub(crate) max_uploads: usize,
    pub(crate) max_uploads_per_principal: usize,
    pub(crate) limits: ServerConfig,
    /// The mode of a Unix socket.
    pub(crate) socket_mode: u32,
    /// The files of the certificate and of its key.
    pub(crate) tls: Option<CertificateFiles>,
    pub(crate) public_url: Option<String>,
    pub(crate) ready_fd: Option<File>,
    pub(crate) log: String,
    pub(crate) log_format: LogFormat,
}

impl Plan {
    pub(crate) fn new(loaded: &Loaded) -> Result<Self> {
        let cannot =
            |key, detail: &str| setup(format!("{} cannot be used: {detail}", loaded.called(key)));
        let log = loaded.text(Key::Log);
        EnvFilter::builder()
            .parse(log)
            .map_err(|error| cannot(Key::Log, &format!("{error}; write a level such as info")))?;
        check_data_dir(&loaded.path(Key::DataDir))?;
        let experiments = loaded.list(Key::Experiments).iter().map(|text| {
            text.parse::<ExperimentId>()
                .map_err(|error| cannot(Key::Experiments, &error.to_string()))
        });
        let experiments = experiments.collect::<Result<Vec<_>>>()?;
        let backend = BackendUrl::parse(loaded.text(Key::Backend))
            .map_err(|error| cannot(Key::Backend, error.detail()))?;
        let database = DatabaseUrl::parse(loaded.text(Key::Database))
            .map_err(|error| cannot(Key::Database, error.detail()))?;
        let database = database::with_password(database, loaded)?;

        let plan = Self {
            listen: loaded.text(Key::Listen).to_owned(),
            listen_called: loaded.called(Key::Listen),
            data_dir: loaded.path(Key::DataDir),
            backend,
            backend_called: loaded.called(Key::Backend),
            bucket: Bucket::plan(loaded)?,
            database,
            database_called: loaded.called(Key::Database),
            token: Token::plan(loaded)?,
            experiments,
            max_artifact_bytes: loaded.number(Key::MaxArtifactBytes)?.unwrap_or_default(),
            verified_cache: loaded.number(Key::VerifiedCache)?.unwrap_or_default(),
            max_uploads: loaded.count(Key::MaxUploads)?,
            max_uploads_per_principal: loaded.count(Key::MaxUploadsPerPrincipal)?,
            limits: limits(loaded)?,
            socket_mode: socket_mode(loaded)?,
            tls: tls(loaded)?,
            public_url: public_url(loaded)?,
            ready_fd: loaded.number(Key::ReadyFd)?.map(ready::open).transpose()?,
            log: log.to_owned(),
            log_format: LogFormat::parse(loaded.text(Key::LogFormat)).ok_or_else(|| {
                let name = loaded.called(Key::LogFormat);
                setup(format!("{name} must be text or json"))
            })?,
        };
        if plan.backend.is_memory() && plan.database.outlives_the_process() {
            output::warn("the rows will outlive their blobs, which are in memory only");
        }
        plan.check_nothing_lies_with_the_blobs()?;
        plan.check_can_be_made(plan.backend.path(), &plan.backend_called)?;
        plan.check_can_be_made(plan.database.path(), &plan.database_called)?;
        Ok(plan)
    }

    /// Binds the socket.
    pub(crate) fn bind(&self) -> Result<Listener> {
        let bound = match self.listen.strip_prefix(UNIX) {
            Some(path) => Listener::bind_unix(Path::new(path), self.socket_mode),
            None => Listener::bind_tcp(&self.listen),
        };
        bound.map_err(|error| setup_from(error, &*self.listen_called))
    }

    /// Whoever can read the folder of the blobs must not get at rows and secrets by it, and nothing
    /// of ours may be taken for a blob.
    fn check_nothing_lies_with_the_blobs(&self) -> Result<()> {
        let Some(blobs) = self.backend.path() else {
            return Ok(());
        };
        let real = |path: &Path| {
            files::real_path(path).map_err(|error| {
                setup_from(
                    error,
                    format!("cannot find out where {} leads", path.display()),
                )
            })
        };
        let real_blobs = real(blobs)?;
        let others = [
            ("the database", self.database.path(), "--database"),
            ("the admin token", self.token.path(), "--admin-token-file"),
            (
                "the data folder",
                Some(self.data_dir.as_path()),
                "--data-dir",
            ),
        ];
        for (what, path, flag) in others {
            let Some(path) = path else {
                continue;
            };
            if real(path)?.starts_with(&real_blobs) {
                return Err(setup(format!(
                    "{what} {} lies inside the folder of the blobs, {}; put it elsewhere by {flag}",
                    path.display(),
                    blobs.display()
                )));
            }
        }
        Ok(())
    }

    /// What is not there yet must have a folder to be made in: the data folder, or one that is
    /// there already.
    fn check_can_be_made(&self, path: Option<&Path>, called: &str) -> Result<()> {
        let Some(path) = path.filter(|path| path.symlink_metadata().is_err()) else {
            return Ok(());
        };
        let parent = files::parent(path);
        let real = |path| files::real_path(path).ok();
        if real(parent) == real(&self.data_dir) {
            return Ok(());
        }
        if !parent.is_dir() {
            return Err(setup(format!(
                "{called} cannot be used: there is no folder {}; make it first",
                parent.display()
            )));
        }
        files::check_writable_ancestor(path).map_err(|error| {
            let parent = parent.display();
            setup_from(
                error,
                format!("{called} cannot be used: nothing can be made in {parent}"),
            )
        })
    }
}

fn limits(loaded: &Loaded) -> Result<ServerConfig> {
    let header_bytes = loaded.count(Key::MaxHeaderBytes)?;
    if !(1024..=1 << 20).contains(&header_bytes) {
        let name = loaded.called(Key::MaxHeaderBytes);
        return Err(setup(format!("{name} must be from 1KiB to 1MiB")));
    }
    Ok(ServerConfig {
        header_timeout: loaded.seconds(Key::HeaderTimeout)?,
        idle_timeout: loaded.seconds(Key::IdleTimeout)?,
        throughput_window: loaded.seconds(Key::ThroughputWindow)?,
        min_throughput: loaded.number(Key::MinThroughput)?.unwrap_or_default(),
        drain_timeout: loaded.seconds(Key::DrainTimeout)?,
        max_connections: loaded.count(Key::MaxConnections)?,
        max_header_bytes: header_bytes,
    })
}

/// Who may connect to a Unix socket.
fn socket_mode(loaded: &Loaded) -> Result<u32> {
    let text = loaded.text(Key::SocketMode);
    let mode = u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o777);
    mode.ok_or_else(|| {
        let (name, text) = (loaded.called(Key::SocketMode), text.escape_debug());
        setup(format!(
            "{name} must be a mode in octal, such as 0660, not '{text}'"
        ))
    })
}

/// Both files, or neither.
fn tls(loaded: &Loaded) -> Result<Option<CertificateFiles>> {
    let path = |key| loaded.value(key).map(|_| loaded.path(key));
    let (certificate, key) = (path(Key::TlsCert), path(Key::TlsPrivate));
    if certificate.is_some() && loaded.text(Key::Listen).starts_with(UNIX) {
        return Err(setup(
            "there is no TLS on a Unix socket; leave --tls-cert and --tls-key out",
        ));
    }
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some(CertificateFiles { certificate, key })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(setup("there is --tls-cert and no --tls-key; give both")),
        (None, Some(_)) => Err(setup("there is --tls-key and no --tls-cert; give both")),
    }
}

fn public_url(loaded: &Loaded) -> Result<Option<String>> {
    let Some(value) = loaded.value(Key::PublicUrl) else {
        return Ok(None);
    };
    let url = &value.texts[0];
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:[]/%".contains(&byte);
    if rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(plain)) {
        return Ok(Some(url.clone()));
    }
    let name = loaded.called(Key::PublicUrl);
    Err(setup(format!(
        "{name} must be a URL such as https://files.example"
    )))
}

/// The data folder is there and ours alone, or can be made.
fn check_data_dir(path: &Path) -> Result<()> {
    let shown = path.display();
    let Ok(found) = path.metadata() else {
        let parent = files::parent(path);
        if !parent.is_dir() {
            let parent = parent.display();
            return Err(setup(format!(
                "the data folder {shown} cannot be made: there is no folder {parent}; make it, or \
                 give another --data-dir"
            )));
        }
        return files::check_writable_ancestor(path).map_err(|error| {
            setup_from(
                error,
                format!("the data folder {shown} cannot be made; give another --data-dir"),
            )
        });
    };
    if !found.is_dir() {
        return Err(setup(format!(
            "{shown} is not a folder; give another --data-dir"
        )));
    }
    let ours = rustix::process::geteuid();
    if found.uid() != ours.as_raw() && !ours.is_root() {
        return Err(setup(format!(
            "the data folder {shown} belongs to another user; give another --data-dir"
        )));
    }
    if found.mode() & 0o022 != 0 {
        return Err(setup(format!(
            "others can write in the data folder {shown}; run: chmod 700 {}",
            shell_word(&path.to_string_lossy())
        )));
    }
    files::check_writable_ancestor(path).map_err(|error| {
        setup_from(
            error,
            format!("the data folder {shown} cannot be written in; give another --data-dir"),
        )
    })
}
