//! Cancel requests over TLS.

use std::path::Path;
use std::time::Duration;

use artifact_postgres_test::Server;
use tokio::time::timeout;

use super::super::connections::Connections;
use super::super::manager::Manager;
use super::super::target::{Password, Target};
use super::{Abandoned, Tls};

const CERTIFICATE: &str = include_str!("../../../../tests/tls/server.pem");
const KEY: &str = include_str!("../../../../tests/tls/server.key");
const ROOTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/server.pem");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_are_cancelled_over_tls() {
    let Some(server) = Server::start_with_tls(CERTIFICATE, KEY) else {
        return;
    };
    let database = server.database();
    let (port, name) = (server.port(), database.name());
    let rest = format!("//postgres@localhost:{port}/{name}?sslmode=verify-full");
    let target = Target::parse(&rest).unwrap();
    let password = Password::new(database.password().to_owned());
    let tls = Tls::verified(Some(Path::new(ROOTS))).await.unwrap();
    let manager = Manager::new(&target, Some(&password), tls.clone());
    let connection = Connections::new(manager, 1).unwrap().get().await.unwrap();
    let sleep = "SET statement_timeout = 0; SELECT pg_sleep(3600)";
    let sleeps = "SELECT count(*) FROM pg_stat_activity \
                  WHERE state = 'active' AND query LIKE '%pg_sleep(3600)' AND query NOT LIKE '%LIKE%'";
    tokio::select! {
        _ = connection.simple_query(sleep) => panic!("the statement has ended"),
        () = async { while database.sql(sleeps) == "0" { tokio::task::yield_now().await } } => {}
    }
    Abandoned::new(tls).cancel(connection);
    let ended = async {
        while database.sql(sleeps) != "0" {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_mins(1), ended).await.unwrap();
}
