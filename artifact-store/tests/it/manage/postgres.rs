//! Servers on one PostgreSQL database.

use std::sync::Arc;

use artifact_postgres_test::{Database, Server as Postgres};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{Server, Site, assert_gone_within_a_second, model};
use crate::catalog::postgres::open;

async fn server(site: &Site, database: &Database<'_>) -> Server {
    site.server(Arc::new(open(database).await)).await
}

#[tokio::test]
async fn a_removed_artifact_is_gone_in_every_server_on_the_database_within_a_second() {
    let Some(postgres) = Postgres::shared() else {
        return;
    };
    let database = postgres.database();
    let site = Site::new();
    let one = server(&site, &database).await;
    let other = server(&site, &database).await;
    assert_gone_within_a_second(&one, &other).await;
}

#[test]
fn a_store_on_postgres_does_what_the_model_does() {
    let Some(postgres) = Postgres::shared() else {
        return;
    };
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    let calls = prop::collection::vec(model::call(), 1..40);
    let mut runner = TestRunner::new(Config::with_cases(8));
    let tested = runner.run(&calls, |calls| {
        runtime.block_on(async {
            let (site, database) = (Site::new(), postgres.database());
            let server = server(&site, &database).await;
            model::run(&site, &server, None, &calls).await;
        });
        Ok(())
    });
    tested.unwrap();
}
