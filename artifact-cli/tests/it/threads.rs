//! Tests a server that cannot start threads, because a limit of its user is reached.

use std::ffi::OsStr;
use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use serde_json::json;
use tempfile::TempDir;

use crate::harness::{Answer, BINARY, Server, artifact, run, run_refused, run_with};
use crate::workers::{ask, credential, json};

/// A folder, and the user who runs its server. Root has no limit of threads, so its tests use a user who
/// has no other process: the limit counts all processes of a user.
struct Place {
    folder: TempDir,
    user: Option<u32>,
}

impl Place {
    #[expect(clippy::disallowed_methods, reason = "a test makes its own files")]
    fn new(number: u32) -> Self {
        let folder = TempDir::new().unwrap();
        let id = run(Command::new("id").arg("-u"));
        let is_root = id.stdout().trim_end() == "0";
        let user = is_root.then(|| 2_000_000_000 + 10 * std::process::id() + number);
        if let Some(user) = user {
            // In a folder that the user can reach.
            let program = folder.path().join("artifact");
            std::fs::copy(BINARY, &program).unwrap();
            std::fs::set_permissions(program, Permissions::from_mode(0o755)).unwrap();
            chown(folder.path(), Some(user), Some(user)).unwrap();
        }
        Self { folder, user }
    }

    /// Returns a command that serves from this folder.
    fn serve(&self) -> Command {
        let path = self.folder.path();
        let mut command = match self.user {
            Some(_) => as_user(self.user, path.join("artifact")),
            None => Command::new(BINARY),
        };
        command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .current_dir(path)
            .stdin(Stdio::null());
        command
    }

    /// Returns the same command with a limit of the processes and threads of its user.
    fn serve_limited(&self, limit: u32) -> Command {
        let serve = self.serve();
        let mut command = Command::new("prlimit");
        command
            .arg(format!("--nproc={limit}:"))
            .arg(serve.get_program())
            .args(serve.get_args())
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }
}

/// Returns a command that runs as this user; `None` is the user who runs the tests.
fn as_user(user: Option<u32>, program: impl AsRef<OsStr>) -> Command {
    let Some(user) = user else {
        return Command::new(program);
    };
    let mut command = Command::new("setpriv");
    command
        .args([format!("--reuid={user}"), format!("--regid={user}")])
        .arg("--clear-groups")
        .arg(program);
    command
}

/// Sets the soft limit of a running server. Root without its capabilities could not.
fn limit_threads(server: &Server, user: Option<u32>, soft: &str) {
    let pid = server.pid().to_string();
    let limit = format!("--nproc={soft}:");
    run(as_user(user, "prlimit").args(["--pid", &pid, &limit])).succeeded();
}

/// Returns a command of the user who runs the tests, who must not use the token file of another user.
fn client(server: &Server, arguments: &[&str]) -> Command {
    let mut command = artifact(server.folder.path());
    command
        .args(arguments)
        .args(["--server", &server.url])
        .env("ARTIFACT_ADMIN_TOKEN", server.token());
    command
}

#[test]
fn a_start_without_enough_threads_ends_with_a_sentence() {
    let place = Place::new(1);
    let mut refused = 0;
    for limit in 1.. {
        assert!(limit < 1000, "the server never starts");
        let done = run_refused(&mut place.serve_limited(limit));
        if !done.stdout.is_empty() {
            break;
        }
        refused += 1;
        assert_eq!(done.code, Some(2), "{limit}: {done:?}");
        assert!(done.stderr.contains("ulimit -u"), "{limit}: {done:?}");
        assert_eq!(done.stderr.lines().count(), 1, "{limit}: {done:?}");
        if place.user.is_none() {
            // The user's other processes count too, so no limit of this loop is high enough.
            break;
        }
    }
    assert!(refused > 0);
}

/// Returns the soft limit of this process, which a server inherits.
fn usual_limit() -> String {
    let usual = getrlimit(Resource::Nproc).current;
    usual.map_or("unlimited".into(), |limit| limit.to_string())
}

/// Waits until the pool has ended its idle threads, which would do the work. `others` threads stay
/// besides those of the runtime.
fn wait_for_idle_threads(server: &Server, others: usize) {
    let tasks = format!("/proc/{}/task", server.pid());
    let workers = thread::available_parallelism().unwrap().get();
    server.wait_until("the end of idle threads", || {
        thread::sleep(Duration::from_millis(100));
        std::fs::read_dir(&tasks).unwrap().count() <= workers + others
    });
}

#[test]
fn requests_are_503_while_no_thread_can_be_had_and_served_afterwards() {
    let place = Place::new(2);
    let user = place.user;
    let mut serve = place.serve();
    let server = Server::spawn(place.folder, &mut serve);
    let put = |server: &Server, text: &str| {
        let put = run_with(&mut client(server, &["put", "-"]), text.as_bytes()).succeeded();
        put.stdout().trim_end().to_owned()
    };
    let stored = put(&server, "stored");
    let admin = format!("admin:{}", server.token());
    let body = json!({ "name": "w" }).to_string();
    let worker = json(&ask(&server, &admin, "default", "POST /workers", &body));
    let worker = credential(&worker);
    // The next process has neither rows nor verified credentials in memory.
    let mut server = Server::spawn(server.stop("TERM"), &mut serve);

    // The main thread, and those that write to SQLite and to the log.
    wait_for_idle_threads(&server, 3);
    limit_threads(&server, user, "1");
    let get = format!("GET /artifacts?uri={stored}");
    let (_, headers) = server.connect();
    let deposit = |server: &Server| {
        let body = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n\
                    text\r\n--b--\r\n";
        Answer::of(&server.say(format!(
            "POST /v0/experiments/default/artifacts HTTP/1.1\r\n{headers}Connection: close\r\n\
             Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )))
    };
    // More often than there are permits of any kind.
    for _ in 0..100 {
        for answer in [
            ask(&server, &admin, "default", &get, ""),
            ask(&server, &worker, "default", "GET /whoami", ""),
            deposit(&server),
        ] {
            answer.assert_problem(503, "about:blank");
            assert!(answer.field("retry-after").is_some(), "{}", answer.head);
        }
    }
    limit_threads(&server, user, &usual_limit());
    for _ in 0..3 {
        let answer = ask(&server, &admin, "default", &get, "");
        assert_eq!((answer.status, &*answer.body), (200, &b"stored"[..]));
        let answer = ask(&server, &worker, "default", "GET /whoami", "");
        assert_eq!(answer.status, 200, "{}", answer.head);
        let answer = deposit(&server);
        assert_eq!(answer.status, 201, "{}", answer.head);
    }
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
}

/// The look-up of a host name needs a thread.
#[cfg(feature = "postgres")]
#[test]
fn a_database_whose_host_name_cannot_be_looked_up_is_503() {
    let Some(postgres) = artifact_postgres_test::Server::shared() else {
        return;
    };
    let database = postgres.database();
    let url = database.tcp_url().replace("127.0.0.1", "localhost");
    let place = Place::new(3);
    let user = place.user;
    let mut serve = place.serve();
    serve
        .args(["--database", &url])
        .env("PGPASSWORD", postgres.password());
    let server = Server::spawn(place.folder, &mut serve);
    let put = run_with(&mut client(&server, &["put", "-"]), b"stored").succeeded();
    let get = format!("GET /artifacts?uri={}", put.stdout().trim_end());
    // The next process has no row in memory.
    let server = Server::spawn(server.stop("TERM"), &mut serve);
    let admin = format!("admin:{}", server.token());

    // The main thread, and the one that writes to the log.
    wait_for_idle_threads(&server, 2);
    limit_threads(&server, user, "1");
    database.terminate_sessions();
    let answer = ask(&server, &admin, "default", &get, "");
    answer.assert_problem(503, "about:blank");
    assert!(answer.field("retry-after").is_some(), "{}", answer.head);
    limit_threads(&server, user, &usual_limit());
    let answer = ask(&server, &admin, "default", &get, "");
    assert_eq!((answer.status, &*answer.body), (200, &b"stored"[..]));
    server.wait_until("the reason in the log", || {
        server.stderr().contains("no thread can be started")
    });
}
