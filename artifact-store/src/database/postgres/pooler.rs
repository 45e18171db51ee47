//! The check for a pooler that gives each transaction another session.

use artifact_backend::ArtifactId;
use tokio::time::timeout;
use tokio_postgres::SimpleQueryMessage;

use super::connections::Connection;
use super::error::Failure;
use super::target::CONNECT_TIMEOUT;
use crate::error::ErrorKind;

const TRANSACTION_MODE: &str = "a connection pooler gives each transaction another session, which loses \
     settings and prepared statements; set pool_mode = session in PgBouncer, or connect to the server itself";

/// Fails if two connections share sessions of the server.
///
/// Each connection leaves a mark in its session, and must find it in later transactions. A pooler
/// that gives out the session used last shows the mark of the second connection to the first. One
/// that takes its sessions in turn shows two different sessions to two consecutive transactions.
pub(super) async fn refuse(first: &Connection, second: &Connection) -> Result<(), Failure> {
    // Random, because other processes may leave marks in the same sessions.
    let marks = [ArtifactId::mint(), ArtifactId::mint()].map(|mark| mark.to_string());
    let checking = async {
        for (client, mark) in [first, second].into_iter().zip(&marks) {
            let sql =
                format!("SELECT pg_catalog.set_config('artifact.connection', '{mark}', false)");
            client.batch_execute(&sql).await?;
        }
        for (client, mark) in [(first, 0), (first, 0), (second, 1)] {
            if read(client).await?.as_ref() != Some(&marks[mark]) {
                return Err(Failure::new(ErrorKind::Misconfigured, TRANSACTION_MODE));
            }
        }
        Ok(())
    };
    let checked = timeout(CONNECT_TIMEOUT, checking).await;
    checked.unwrap_or_else(|_| Err(Failure::timed_out()))
}

/// Returns the mark of the session. A simple query prepares no statement.
async fn read(client: &Connection) -> Result<Option<String>, Failure> {
    let sql = "SELECT pg_catalog.current_setting('artifact.connection', true)";
    let messages = client.simple_query(sql).await?;
    let marks = messages.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    Ok(marks.last())
}
