//! Maintenance beside a server whose database is behind PgBouncer.

use artifact_postgres_test::Pooler;
use tempfile::TempDir;

use crate::harness::{Server, artifact, files_below, noise, run};
use crate::maintained::{age, deposit, fetch, file, maintain, totals};

#[test]
fn maintenance_works_through_a_pooler_in_session_mode() {
    let Some(postgres) = artifact_postgres_test::Server::shared() else {
        return;
    };
    let Some(pooler) = Pooler::start(postgres, "session", "") else {
        return;
    };
    let databases = [postgres.database(), postgres.database()];
    let [url, other] = databases.each_ref().map(|database| pooler.url(database));
    let server = Server::start(&["--database", &url, "--gc-interval", "0"]);
    let large = noise(300_000);
    let (kept, removed) = (deposit(&server, &large), deposit(&server, b"removed"));
    let run_with = |arguments: &[&str]| {
        let done = maintain(
            &server,
            &[arguments, &["--database", &url, "--json"]].concat(),
        );
        totals(&done.succeeded())
    };

    let backup = run_with(&["backup", "--to", "backups"]);
    assert_eq!(
        (&backup["copied"], &backup["complete"]),
        (&2.into(), &true.into())
    );
    let uri = format!("eden://artifacts/{removed}");
    run(&mut server.client(&["delete", &uri])).succeeded();
    let exported = run_with(&["export", "default", "--to", "a.tar"]);
    assert_eq!(exported["artifacts"], 1);
    let collected = run_with(&["gc"]);
    assert_eq!(
        (&collected["missing"], &collected["orphans"]),
        (&0.into(), &0.into())
    );
    let scrubbed = run_with(&["scrub"]);
    assert_eq!(
        (&scrubbed["bytes"], &scrubbed["complete"]),
        (&300_000.into(), &true.into())
    );
    let imported = run_with(&["import", "a.tar"]);
    assert_eq!(imported["already_here"], 1);
    // A row without its blob is found through the pooler too.
    age(&server, &kept);
    rustix::fs::unlink(file(&server, &kept)).unwrap();
    let found = maintain(&server, &["gc", "--database", &url]);
    assert!(found.stdout().contains(&kept), "{found:?}");

    let new = TempDir::new().unwrap();
    let place = server.path("backups");
    let place = place.to_str().unwrap();
    let arguments = ["restore", "--from", place, "--database", &other];
    run(artifact(new.path()).args(arguments)).succeeded();
    let restored = Server::start_in(new, &["--database", &other]);
    for (id, bytes) in [(&kept, &*large), (&removed, b"removed")] {
        assert!(fetch(&restored, id).succeeded().stdout == bytes, "{id}");
    }
}

#[test]
fn maintenance_through_a_pooler_in_transaction_mode_is_refused_and_changes_nothing() {
    let Some(postgres) = artifact_postgres_test::Server::shared() else {
        return;
    };
    let Some(pooler) = Pooler::start(postgres, "transaction", "") else {
        return;
    };
    let databases = [postgres.database(), postgres.database()];
    let [direct, empty] = databases
        .each_ref()
        .map(artifact_postgres_test::Database::url);
    let [through, other] = databases.each_ref().map(|database| pooler.url(database));
    let server = Server::start(&["--database", &direct, "--gc-interval", "0"]);
    let kept = deposit(&server, b"kept");
    maintain(
        &server,
        &["backup", "--to", "backups", "--database", &direct],
    )
    .succeeded();
    let rows = databases[0].sql("SELECT count(*) FROM artifact.artifacts");
    let files = files_below(server.folder.path());
    let place = server.path("backups");
    let place = place.to_str().unwrap();
    for (command, url) in [
        (&["gc"][..], &through),
        (&["scrub"], &through),
        (&["verify"], &through),
        (&["backup", "--to", "others"], &through),
        (&["export", "default", "--to", "a.tar"], &through),
        (&["import", "a.tar"], &through),
        (&["migrate", "--to", "moved"], &through),
        (
            &["copy-database", "--to", "copy.sqlite", "--data-dir", "new"],
            &through,
        ),
        (&["restore", "--from", place, "--data-dir", "new"], &other),
    ] {
        let done = maintain(&server, &[command, &["--database", url]].concat());
        assert_eq!(done.code, Some(2), "{command:?}: {done:?}");
        let sentence = "pool_mode = session in PgBouncer";
        assert!(done.stderr.contains(sentence), "{command:?}: {done:?}");
    }
    let other_tables =
        "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'artifact'";
    assert_eq!(databases[1].sql(other_tables), "0");
    assert_eq!(
        databases[0].sql("SELECT count(*) FROM artifact.artifacts"),
        rows
    );
    let mut left = files_below(server.folder.path());
    // A restore makes its empty folder first, and goes on with it below.
    left.retain(|name| name != "new/blobs/artifact-format");
    assert_eq!(left, files);
    assert_eq!(fetch(&server, &kept).succeeded().stdout(), "kept");
    let restore = ["restore", "--from", place, "--data-dir", "new"];
    maintain(&server, &[&restore[..], &["--database", &empty]].concat()).succeeded();
    let restored = "SELECT count(*) FROM artifact.artifacts";
    assert_eq!(databases[1].sql(restored), "1");
}
