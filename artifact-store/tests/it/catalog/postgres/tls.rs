//! TLS to the server.

use std::sync::Arc;

use artifact_postgres_test::{Database, Server};
use artifact_store::rustls::crypto::ring;
use artifact_store::rustls::pki_types::CertificateDer;
use artifact_store::rustls::pki_types::pem::PemObject as _;
use artifact_store::rustls::{ClientConfig, RootCertStore};
use artifact_store::{
    Catalog, DatabaseUrl, Error, ErrorKind, IdentityStore, PostgresDatabase, PostgresOptions,
    WorkerId,
};
use futures_util::future::join_all;

use super::host;
use crate::support::row;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls");
const CERTIFICATE: &str = include_str!("../../../tls/server.pem");
const KEY: &str = include_str!("../../../tls/server.key");

fn start() -> Option<Server> {
    Server::start_with_tls(CERTIFICATE, KEY)
}

fn url(database: &Database<'_>, host: &str, query: &str) -> DatabaseUrl {
    let tcp = database.tcp_url().replace("127.0.0.1", host);
    let text = format!("{tcp}?{query}");
    let url = DatabaseUrl::parse(&text).unwrap();
    url.with_password(database.password())
}

/// Returns the numbers of sessions with and without TLS.
fn sessions(database: &Database<'_>) -> String {
    database.sql(
        "SELECT count(*) FILTER (WHERE ssl), count(*) FILTER (WHERE NOT ssl) \
         FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
         WHERE datname = current_database() AND application_name = 'artifact'",
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_sessions_use_tls_with_a_trusted_certificate_of_the_host() {
    let Some(server) = start() else {
        return;
    };
    for mode in ["verify-full", "require", "prefer"] {
        let database = server.database();
        let query = format!("sslmode={mode}&sslrootcert={FOLDER}/server.pem");
        let url = url(&database, "localhost", &query);
        let rows = PostgresDatabase::open(&url).await.unwrap();
        host(&rows).await;
        rows.insert(&row(1)).await.unwrap();
        let all = [row(1).id; 4].map(|id| rows.get(id));
        for found in join_all(all).await {
            assert_eq!(found.unwrap(), Some(row(1)), "{mode}");
        }
        let credential = rows.credential(WorkerId::mint()).await.unwrap();
        assert!(credential.is_none(), "{mode}");
        let sessions = sessions(&database);
        let (with, without) = sessions.split_once('|').unwrap();
        // The writer, the look-ups of credentials, and at least two others.
        assert!(with.parse::<u32>().unwrap() >= 4, "{mode}: {sessions}");
        assert_eq!(without, "0", "{mode}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_that_are_not_trusted_or_of_another_host_are_refused() {
    let Some(server) = start() else {
        return;
    };
    let database = server.database();
    let empty = tempfile::NamedTempFile::new().unwrap();
    let empty = empty.path().display();
    for (host, query, advice) in [
        (
            "localhost",
            format!("sslmode=verify-full&sslrootcert={FOLDER}/other.pem"),
            "is not trusted; set sslrootcert",
        ),
        (
            "localhost",
            format!("sslmode=require&sslrootcert={FOLDER}/other.pem"),
            "is not trusted; set sslrootcert",
        ),
        (
            "localhost",
            format!("sslmode=prefer&sslrootcert={FOLDER}/other.pem"),
            "is not trusted; set sslrootcert",
        ),
        (
            "localhost",
            "sslmode=verify-full".to_owned(),
            "is not trusted; set sslrootcert",
        ),
        (
            "127.0.0.1",
            format!("sslmode=verify-full&sslrootcert={FOLDER}/server.pem"),
            "is for another host name; write a name of the certificate",
        ),
        (
            "127.0.0.1",
            format!("sslmode=require&sslrootcert={FOLDER}/server.pem"),
            "is for another host name; write a name of the certificate",
        ),
        (
            "localhost",
            format!("sslmode=verify-full&sslrootcert={FOLDER}/absent.pem"),
            "cannot be read",
        ),
        (
            "localhost",
            format!("sslmode=verify-full&sslrootcert={empty}"),
            "has no certificate",
        ),
    ] {
        let url = url(&database, host, &query);
        let error = PostgresDatabase::open(&url).await.unwrap_err();
        assert_refused(&error, advice, &query);
    }
    assert_eq!(sessions(&database), "0|0");
    assert_eq!(database.sql("SELECT to_regnamespace('artifact')"), "");
}

#[track_caller]
fn assert_refused(error: &Error, advice: &str, case: &str) {
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{case}: {error:?}");
    let mut chain = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        chain = format!("{chain}: {error}");
        source = error.source();
    }
    assert!(chain.contains(advice), "{case}: {chain}");
    assert!(!format!("{error:?} {chain}").contains("canary"), "{case}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_without_tls_are_used_only_if_tls_is_not_required() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    for mode in ["require", "verify-full"] {
        let url = url(&database, "localhost", &format!("sslmode={mode}"));
        let error = PostgresDatabase::open(&url).await.unwrap_err();
        assert_refused(&error, "has no TLS: set ssl = on", mode);
    }
    for query in ["", "sslmode=disable", "sslmode=prefer"] {
        let url = url(&database, "localhost", query);
        let rows = PostgresDatabase::open(&url).await.unwrap();
        rows.experiments().await.unwrap();
        assert!(sessions(&database).ends_with("|2"), "{query}");
        rows.close().await;
        super::wait_until("the end of its sessions", || sessions(&database) == "0|0");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unix_socket_is_used_without_tls_if_tls_is_preferred() {
    let Some(server) = start() else {
        return;
    };
    let database = server.database();
    let url = DatabaseUrl::parse(&format!("{}?sslmode=prefer", database.url())).unwrap();
    let rows = PostgresDatabase::open(&url).await.unwrap();
    host(&rows).await;
    assert!(sessions(&database).starts_with("0|"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_programs_own_configuration_decides_what_is_trusted() {
    let Some(server) = start() else {
        return;
    };
    let database = server.database();
    let url = url(&database, "localhost", "sslmode=verify-full");
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap();
    roots.add(certificate).unwrap();
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let options = PostgresOptions::default().with_tls_config(config);
    let rows = PostgresDatabase::open_with(&url, &options).await.unwrap();
    host(&rows).await;
    assert!(sessions(&database).ends_with("|0"));
}
