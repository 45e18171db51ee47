//! SeaweedFS with three nodes. Every object is on two of them, and tests can kill and restart each node.
//!
//! All gateways share one PostgreSQL as the record of the objects. By default each gateway has its own
//! record and updates the others later, so that no create could be exclusive.

use std::net::SocketAddr;
use std::path::Path;

use artifact_postgres_test::Database;
use tempfile::TempDir;

use super::seaweed::{ON_LOOPBACK, weed, write_s3_config};
use super::{check_s3, loopback, start};
use crate::endpoint::S3Endpoint;
use crate::error::{Error, Result};
use crate::port;
use crate::process::{Process, folder, write_config};

const NODES: usize = 3;

/// Three nodes of SeaweedFS, each with a master, a volume server, a filer and an S3 gateway. Every object
/// is on two nodes. Dropping it stops all of them.
#[derive(Debug)]
pub struct SeaweedCluster {
    nodes: [Node; NODES],
    // Dropped after the nodes, whose folders are in it.
    folder: TempDir,
}

#[derive(Debug)]
struct Node {
    number: usize,
    ports: Ports,
    // Dropped before the server, which it uses.
    filer: Option<Process>,
    server: Option<Process>,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    master: u16,
    master_grpc: u16,
    volume: u16,
    volume_grpc: u16,
    /// The HTTP port of the filer. Its gRPC port must be this number plus 10,000, because the gateway in
    /// the same process uses that port.
    filer: u16,
    s3: u16,
    s3_grpc: u16,
}

impl SeaweedCluster {
    /// Starts three nodes that share an empty database, and waits until each gateway has stored and
    /// returned an object. This takes half a minute.
    ///
    /// # Errors
    ///
    /// [`Missing`](Error::Missing) if it is not installed;
    /// [`NotReady`](Error::NotReady) if it does not become ready.
    pub async fn start(metadata: &Database<'_>) -> Result<Self> {
        start(|| Self::once(metadata)).await
    }

    async fn once(metadata: &Database<'_>) -> Result<Self> {
        let folder = folder()?;
        let nodes = std::array::from_fn(|number| Node {
            number,
            ports: Ports::pick(),
            filer: None,
            server: None,
        });
        let mut cluster = Self { nodes, folder };
        for number in 0..NODES {
            let path = cluster.node_folder(number);
            std::fs::create_dir(&path).map_err(Error::io("cannot create a node's folder"))?;
            write_s3_config(&path)?;
            write_filer_config(&path, metadata)?;
            cluster.start_server(number)?;
        }
        // Filers that start together sometimes exit, because a peer does not listen yet.
        for number in 0..NODES {
            cluster.start_filer(number)?;
            cluster.wait_for(number).await?;
        }
        Ok(cluster)
    }

    /// The number of nodes.
    pub const NODES: usize = NODES;

    /// Returns the endpoint of each node's gateway.
    pub fn endpoints(&self) -> [S3Endpoint; NODES] {
        std::array::from_fn(|number| self.endpoint(number))
    }

    /// Returns the addresses of the gateways, for a [`Balancer`](crate::Balancer).
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.endpoints().map(|endpoint| endpoint.address()).into()
    }

    /// Kills a node's processes with SIGKILL. Its files stay.
    pub fn kill(&mut self, number: usize) {
        let node = &mut self.nodes[number];
        node.filer = None;
        node.server = None;
    }

    /// Restarts a killed node on its files, and waits until its gateway is ready.
    ///
    /// # Errors
    ///
    /// [`NotReady`](Error::NotReady) if it does not become ready.
    pub async fn revive(&mut self, number: usize) -> Result<()> {
        self.start_server(number)?;
        self.start_filer(number)?;
        self.wait_for(number).await
    }

    fn endpoint(&self, number: usize) -> S3Endpoint {
        S3Endpoint::new(loopback(self.nodes[number].ports.s3))
    }

    fn node_folder(&self, number: usize) -> std::path::PathBuf {
        self.folder.path().join(format!("node-{number}"))
    }

    /// Returns the list of masters for a command line: for each its HTTP port and, after a dot, its gRPC
    /// port, because that is not the HTTP port plus 10,000.
    fn masters(&self) -> String {
        let name =
            |node: &Node| format!("127.0.0.1:{}.{}", node.ports.master, node.ports.master_grpc);
        self.nodes.iter().map(name).collect::<Vec<_>>().join(",")
    }

    fn start_server(&mut self, number: usize) -> Result<()> {
        let folder = self.node_folder(number);
        let masters = self.masters();
        let node = &mut self.nodes[number];
        node.server = Some(node.start_server(&masters, &folder)?);
        Ok(())
    }

    fn start_filer(&mut self, number: usize) -> Result<()> {
        let folder = self.node_folder(number);
        let masters = self.masters();
        let node = &mut self.nodes[number];
        node.filer = Some(node.start_filer(&masters, &folder)?);
        Ok(())
    }

    async fn wait_for(&mut self, number: usize) -> Result<()> {
        let endpoint = self.endpoint(number);
        let Some(filer) = &mut self.nodes[number].filer else {
            return Ok(());
        };
        filer.ready(|| check_s3(endpoint.clone())).await
    }
}

impl Node {
    fn start_server(&self, masters: &str, folder: &Path) -> Result<Process> {
        let ports = self.ports;
        let mut command = weed("server")?;
        command
            .arg(format!("-dir={}", folder.display()))
            .args(ON_LOOPBACK)
            .arg(format!("-rack=rack{}", self.number))
            .args(["-master.telemetry=false", "-master.volumeSizeLimitMB=128"])
            .arg("-master.defaultReplication=010")
            .arg(format!("-master.peers={masters}"))
            .arg(format!("-master.port={}", ports.master))
            .arg(format!("-master.port.grpc={}", ports.master_grpc))
            .args(["-volume.max=50", "-volume.preStopSeconds=1"])
            .arg(format!("-volume.port={}", ports.volume))
            .arg(format!("-volume.port.grpc={}", ports.volume_grpc));
        Process::start(format!("seaweedfs-{}", self.number), command, folder)
    }

    fn start_filer(&self, masters: &str, folder: &Path) -> Result<Process> {
        let ports = self.ports;
        let mut command = weed("filer")?;
        command
            .args(ON_LOOPBACK)
            .arg(format!("-master={masters}"))
            .arg(format!("-rack=rack{}", self.number))
            .arg(format!("-port={}", ports.filer))
            .args(["-s3", "-s3.port.iceberg=0", "-s3.port.lance=0"])
            .arg("-s3.autoCreateBucket=false")
            .arg(format!("-s3.port={}", ports.s3))
            .arg(format!("-s3.port.grpc={}", ports.s3_grpc))
            .arg(format!("-s3.config={}", folder.join("s3.json").display()));
        Process::start(format!("seaweedfs-filer-{}", self.number), command, folder)
    }
}

/// Writes the filer's configuration into the folder that the filer is started in, where it looks for it.
fn write_filer_config(folder: &Path, metadata: &Database<'_>) -> Result<()> {
    let (port, password) = (metadata.port(), metadata.password());
    let text = format!(
        r#"
        [postgres2]
        enabled = true
        createTable = """CREATE TABLE IF NOT EXISTS "%s" (dirhash BIGINT, name VARCHAR(65535),
            directory VARCHAR(65535), meta bytea, PRIMARY KEY (dirhash, name))"""
        hostname = "127.0.0.1"
        port = {port}
        username = "postgres"
        password = "{password}"
        database = "{}"
        sslmode = "disable"
        connection_max_open = 30
        enableUpsert = true
        upsertQuery = """INSERT INTO "%[1]s" (dirhash, name, directory, meta) VALUES ($1, $2, $3, $4)
            ON CONFLICT (dirhash, name) DO UPDATE SET directory = EXCLUDED.directory,
            meta = EXCLUDED.meta"""
        "#,
        metadata.name()
    );
    write_config(&folder.join("filer.toml"), &text)
}

impl Ports {
    fn pick() -> Self {
        let [master, master_grpc, volume, volume_grpc] = port::free();
        let filer = port::free_with_grpc();
        let [s3, s3_grpc] = port::free();
        Self {
            master,
            master_grpc,
            volume,
            volume_grpc,
            filer,
            s3,
            s3_grpc,
        }
    }
}
