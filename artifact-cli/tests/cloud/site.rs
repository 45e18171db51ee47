//! Two servers behind a load balancer, which share a database and a store.

use artifact_cloud_test::{Balancer, S3Endpoint, SeaweedCluster, free_ports, or_skip};
use artifact_postgres_test::Server as Postgres;
use tempfile::TempDir;

use crate::harness::{Server, TOKEN};

/// The whole deployment. Fields are dropped in order, so each process stands before those that it uses.
pub(crate) struct Site {
    /// The load balancer that clients connect to.
    pub(crate) front: Balancer,
    pub(crate) servers: [Server; 2],
    /// The load balancer in front of the storage nodes. A client of an object store has one endpoint, so the
    /// balancer must skip a dead node.
    store: Balancer,
    pub(crate) cluster: SeaweedCluster,
    database: String,
    _postgres: Postgres,
}

impl Site {
    /// Starts the deployment. Returns `None` if PostgreSQL or SeaweedFS is not installed.
    pub(crate) async fn start() -> Option<Self> {
        let postgres = Postgres::start()?;
        let database = postgres.database().url();
        let cluster = SeaweedCluster::start(&postgres.database()).await;
        let cluster = or_skip("a node killed under load", cluster)?;
        let bucket = cluster.endpoints()[0].create_bucket("artifacts").await;
        bucket.unwrap();
        let store = Balancer::start(cluster.addresses()).await.unwrap();
        let listen = free_ports::<2>().map(|port| format!("127.0.0.1:{port}"));
        let serve = |listen| serve(TempDir::new().unwrap(), listen, &store, &database);
        let servers = listen.each_ref().map(|listen| serve(listen));
        let targets = listen.iter().map(|listen| listen.parse().unwrap());
        Some(Self {
            front: Balancer::start(targets.collect()).await.unwrap(),
            servers,
            store,
            cluster,
            database,
            _postgres: postgres,
        })
    }

    /// Kills a server with SIGKILL.
    pub(crate) fn kill_server(&mut self, number: usize) {
        let server = &mut self.servers[number];
        server.signal("KILL");
        assert_eq!(server.wait().0, None, "a signal ended it");
    }

    /// Restarts a killed server at the same address.
    pub(crate) fn revive_server(&mut self, number: usize) {
        let server = &mut self.servers[number];
        let listen = server.url.trim_start_matches("http://").to_owned();
        let folder = server.take_folder();
        *server = serve(folder, &listen, &self.store, &self.database);
    }

    /// Returns the number of deposits that each server has acknowledged, according to its log.
    pub(crate) fn deposits(&self) -> [usize; 2] {
        self.servers.each_ref().map(|server| {
            let log = server.stderr();
            let lines = log.lines().map(serde_json::from_str::<serde_json::Value>);
            let lines = lines.filter_map(Result::ok);
            lines
                .filter(|line| line["method"] == "POST" && line["status"] == 201)
                .count()
        })
    }
}

fn serve(folder: TempDir, listen: &str, store: &Balancer, database: &str) -> Server {
    let endpoint = format!("http://{}", store.address());
    let arguments = [
        "--listen",
        listen,
        "--database",
        database,
        "--backend",
        "s3://artifacts/cluster",
        "--bucket-endpoint",
        &endpoint,
        "--bucket-region",
        S3Endpoint::REGION,
        // It loses the race of two completions of one id, which no two servers ever mint.
        "--bucket-probe",
        "warn",
        "--log-format",
        "json",
    ];
    let secrets = [
        ("AWS_ACCESS_KEY_ID", S3Endpoint::ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", S3Endpoint::SECRET_KEY),
        // Both must know the same clients.
        ("ARTIFACT_ADMIN_TOKEN", TOKEN),
    ];
    Server::start_with(folder, &arguments, &secrets)
}
