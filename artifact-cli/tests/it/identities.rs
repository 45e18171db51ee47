//! Tests `artifact worker`, `group` and `whoami` against a real server.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::Value;

use crate::harness::{Done, Server, artifact, files_below, run, run_with};

/// Returns a client command with these arguments, with the admin token.
fn admin(server: &Server, words: &[&str]) -> Command {
    let mut command = artifact(server.folder.path());
    command.args(words).args(["--server", &server.url]);
    command.args(["--admin-token-file", "artifact-data/admin-token"]);
    command
}

/// Returns a client command with these arguments that reads the credential from a file.
fn worker(server: &Server, words: &[&str], credential: &str) -> Command {
    let mut command = artifact(server.folder.path());
    command.args(words).args(["--server", &server.url]);
    command.args(["--credential-file", credential]);
    command
}

fn json(done: &Done) -> Value {
    assert_eq!(done.stdout().lines().count(), 1, "{done:?}");
    serde_json::from_str(done.stdout()).unwrap()
}

/// Registers a worker and stores its credential in `file`. Returns the worker's id.
fn registered(server: &Server, file: &str) -> String {
    let words = ["worker", "create", "--name", file, "--token-file", file];
    let done = run(&mut admin(server, &words)).succeeded();
    done.stdout().trim_end().to_owned()
}

#[test]
fn a_new_credential_is_shown_once_and_works() {
    let mut server = Server::start(&[]);
    let words = [
        "worker",
        "create",
        "--name",
        "it's \u{ef}",
        "--label",
        "os=linux=6",
    ];
    let added = run(&mut admin(&server, &words)).succeeded();
    let credential = added.stdout().strip_suffix('\n').unwrap();
    let (id, secret) = credential.split_once(':').unwrap();
    assert!(id.starts_with("wkr_") && id.len() == 30, "{id}");
    assert!(!added.stderr.contains(secret), "{}", added.stderr);
    assert!(added.stderr.contains(id), "{}", added.stderr);

    // As it was printed, through the environment.
    let with = |words: &[&str], credential: &str| {
        let mut command = artifact(server.folder.path());
        command.args(words).args(["--server", &server.url]);
        command.env("ARTIFACT_CREDENTIAL", credential);
        command
    };
    let whoami = run(&mut with(&["whoami"], credential)).succeeded();
    assert_eq!(whoami.stdout(), format!("{id}\n"));
    let whoami = run(&mut with(&["whoami", "--json"], credential)).succeeded();
    assert_eq!(json(&whoami)["name"], "it's \u{ef}");
    let put = run_with(&mut with(&["put", "-", "--json"], credential), b"mine").succeeded();
    let put = json(&put);
    assert_eq!(put["size_bytes"], 4);
    let uri = put["artifacts_uri"].as_str().unwrap();
    let get = run(&mut with(&["get", uri], credential)).succeeded();
    assert_eq!(get.stdout(), "mine");

    // A new credential is the end of the old one.
    let reissued = run(&mut admin(&server, &["worker", "reissue", id])).succeeded();
    let new = reissued.stdout().strip_suffix('\n').unwrap();
    assert!(new.starts_with(&format!("{id}:")) && new != credential);
    let old = run(&mut with(&["whoami"], credential));
    assert_eq!(old.code, Some(1));
    assert!(old.stderr.contains("(status 401)"), "{}", old.stderr);
    assert!(!old.stderr.contains(secret), "{}", old.stderr);
    let get = run(&mut with(&["get", uri], new)).succeeded();
    assert_eq!(get.stdout(), "mine");

    let shown = run(&mut admin(&server, &["worker", "show", id])).succeeded();
    let lines: Vec<_> = shown.stdout().lines().collect();
    let beginning = [
        format!("worker {id}"),
        "name it's \u{ef}".to_owned(),
        "label os=linux=6".to_owned(),
    ];
    assert_eq!(lines[..3], beginning);
    assert!(
        lines[3].starts_with("registered 2") && lines[3].ends_with(" by admin"),
        "{lines:?}"
    );
    server.signal("TERM");
    server.wait();
    for secret in [secret, new.split_once(':').unwrap().1] {
        assert!(!server.stderr().contains(secret));
        assert!(!shown.stdout().contains(secret));
    }
}

#[test]
fn token_file_is_created_with_mode_0600() {
    let server = Server::start(&[]);
    let id = registered(&server, "one");
    let file = String::from_utf8(server.read("one")).unwrap();
    assert!(file.starts_with(&format!("{id}:")) && file.ends_with('\n'));
    let mode = server.path("one").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let whoami = run(&mut worker(&server, &["whoami"], "one")).succeeded();
    assert_eq!(whoami.stdout(), format!("{id}\n"));

    // Without a usable file no request is sent: the secret would be lost.
    let before = files_below(server.folder.path());
    for (file, said) in [
        (
            "one",
            "error: one already exists; give the name of a new file\n",
        ),
        ("gone/x", "error: cannot create gone/x: "),
    ] {
        for words in [
            &["worker", "create", "--token-file", file][..],
            &["worker", "reissue", &id, "--token-file", file],
        ] {
            let done = run(&mut admin(&server, words));
            assert_eq!(done.code, Some(2), "{done:?}");
            assert!(done.stderr.starts_with(said), "{}", done.stderr);
            assert_eq!(done.stdout(), "");
        }
    }
    assert_eq!(files_below(server.folder.path()), before);
    let list = run(&mut admin(&server, &["worker", "list"])).succeeded();
    assert_eq!(list.stdout(), format!("{id}\tone\n"));
    run(&mut worker(&server, &["whoami"], "one")).succeeded();

    // Reissued into a file, it is in the file only, and the list never has any.
    let words = ["worker", "reissue", &id, "--json", "--token-file", "two"];
    let reissued = run(&mut admin(&server, &words)).succeeded();
    assert_eq!(json(&reissued)["worker_id"], id);
    assert_eq!(json(&reissued)["registration_token"], Value::Null);
    run(&mut worker(&server, &["whoami"], "two")).succeeded();
    assert_eq!(run(&mut worker(&server, &["whoami"], "one")).code, Some(1));
}

#[test]
fn json_output_matches_the_response() {
    let server = Server::start(&[]);
    let words = ["worker", "create", "--json", "--label", "a=b"];
    let added = json(&run(&mut admin(&server, &words)).succeeded());
    assert_eq!(added["labels"]["a"], "b");
    assert_eq!(added["registered_by"], "admin");
    assert!(added["registration_token"].as_str().unwrap().len() >= 43);
    let list = json(&run(&mut admin(&server, &["worker", "list", "--json"])).succeeded());
    let workers = list["workers"].as_array().unwrap();
    assert_eq!(workers.len(), 1);
    assert_eq!(workers[0]["worker_id"], added["worker_id"]);
    assert_eq!(workers[0]["registration_token"], Value::Null);
    let none = ["worker", "list", "--json", "--name", "none"];
    let none = json(&run(&mut admin(&server, &none)).succeeded());
    assert_eq!(none["workers"], Value::Array(vec![]));

    let words = ["group", "create", "--json", "--name", "g", "--member"];
    let member = added["worker_id"].as_str().unwrap();
    let group = run(admin(&server, &words[..5]).args([words[5], member])).succeeded();
    assert_eq!(json(&group)["members"][0], *member);
    let groups = json(&run(&mut admin(&server, &["group", "list", "--json"])).succeeded());
    assert_eq!(groups["groups"].as_array().unwrap().len(), 3);
}

#[test]
fn members_of_admins_read_all_artifacts() {
    let server = Server::start(&[]);
    let (one, two) = (registered(&server, "one"), registered(&server, "two"));
    let put = run_with(&mut worker(&server, &["put", "-"], "one"), b"secret").succeeded();
    let uri = put.stdout().trim_end();
    let get = || run(&mut worker(&server, &["get", uri], "two"));
    let refused = get();
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.stderr.contains("(status 403)"),
        "{}",
        refused.stderr
    );

    let list = run(&mut admin(&server, &["group", "list", "--name", "admins"])).succeeded();
    let (admins, name) = list.stdout().trim_end().split_once('\t').unwrap();
    assert_eq!(name, "admins");
    // Through a group in it.
    let added = run(&mut admin(&server, &["group", "create", "--name", "ops"])).succeeded();
    let ops = added.stdout().trim_end();
    let into = ["group", "add-member", admins, ops];
    run(&mut admin(&server, &into)).succeeded();
    let into = ["group", "add-member", ops, &two];
    let shown = run(&mut admin(&server, &into)).succeeded();
    assert!(
        shown
            .stdout()
            .starts_with(&format!("group {ops}\nname ops\nmember {two}\ncreated "))
    );
    assert_eq!(get().succeeded().stdout(), "secret");

    let cycle = run(&mut admin(&server, &["group", "add-member", ops, admins]));
    assert_eq!(cycle.code, Some(1));
    let said = "error: add member: the group would become a member of itself (status 409)";
    assert!(cycle.stderr.starts_with(said), "{}", cycle.stderr);

    let out = run(&mut admin(&server, &["group", "remove-member", ops, &two])).succeeded();
    assert!(!out.stdout().contains(&two), "{}", out.stdout());
    assert_eq!(get().code, Some(1));
    let deleted = run(&mut admin(&server, &["group", "delete", ops])).succeeded();
    assert_eq!(
        (deleted.stdout(), &*deleted.stderr),
        ("", &*format!("deleted {ops}\n"))
    );
    let gone = run(&mut admin(&server, &["group", "show", ops]));
    assert_eq!(gone.code, Some(1));
    let said = "error: read group: there is no such group (status 404)";
    assert!(gone.stderr.starts_with(said), "{}", gone.stderr);
    assert_ne!(one, two);
}

#[test]
fn server_errors_are_one_sentence() {
    let server = Server::start(&[]);
    let id = registered(&server, "one");
    for (words, said) in [
        (
            &["worker", "create", "--name", "admin"][..],
            "register worker: the server reserves this name (status 409)",
        ),
        (
            &["group", "create", "--name", "admins"],
            "register group: the server reserves this name (status 409)",
        ),
        (
            &["worker", "create", "--name", " x"],
            "register worker: the name is not valid (status 422)",
        ),
        (
            &["worker", "show", "wkr_00000000000000000000000000"],
            "read worker: there is no such worker (status 404)",
        ),
        (
            &["whoami"],
            "whoami: this credential does not allow the operation (status 403)",
        ),
        (
            &["worker", "list", "--experiment", "another"],
            "list workers: the server does not host this experiment (status 400)",
        ),
    ] {
        let done = run(&mut admin(&server, words));
        assert_eq!(done.code, Some(1), "{done:?}");
        assert!(
            done.stderr.starts_with(&format!("error: {said}")),
            "{}",
            done.stderr
        );
        assert_eq!((done.stderr.lines().count(), done.stdout()), (1, ""));
    }
    let done = run(&mut worker(&server, &["worker", "reissue", &id], "one"));
    assert_eq!(done.code, Some(1));
    assert!(done.stderr.contains("(status 403)"), "{}", done.stderr);
    // Before anything is sent.
    for words in [
        &["worker", "show", "../x"][..],
        &["group", "delete", "a/b"],
        &["worker", "create", "--label", "x"],
    ] {
        let done = run(&mut admin(&server, words));
        assert_eq!(done.code, Some(2), "{done:?}");
    }
}
