//! A server that is stopped at each step of a deposit or a removal, while a collector runs to its end.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use artifact_client::{Client, Credential, DepositOptions, ErrorKind, RetryPolicy};
use artifact_cloud_test::free_ports;
use artifact_crash_test::{RunOutcome, Subject};
use rustix::process::{Pid, Signal, kill_process};

use super::site::Site;
use crate::clients::ledger::Kept;
use crate::clients::{Clients, Work, connect, seed};
use crate::harness::{BINARY, TOKEN};

/// The step of a request at which the server is not stopped.
const NEVER: u64 = u64::MAX;
/// The requests without a stop after which no step is left. Calls of background tasks are steps too, so the number of steps
/// varies.
const WITHOUT_STOP: u64 = 3;

/// The steps of the current request.
#[derive(Debug)]
struct Steps {
    /// The number of steps so far.
    done: AtomicU64,
    /// The step at which the server is stopped.
    stop_at: AtomicU64,
}

impl Steps {
    fn begin(&self, stop_at: u64) {
        self.done.store(0, Ordering::SeqCst);
        self.stop_at.store(stop_at, Ordering::SeqCst);
    }

    /// Returns whether the server was stopped.
    fn end(&self) -> bool {
        let stop_at = self.stop_at.swap(NEVER, Ordering::SeqCst);
        self.done.load(Ordering::SeqCst) > stop_at
    }

    /// Counts a step. Returns whether the server is stopped at it.
    fn count(&self) -> bool {
        self.done.fetch_add(1, Ordering::SeqCst) == self.stop_at.load(Ordering::SeqCst)
    }
}

/// Stops a third server at every step of a deposit, and of a removal.
#[expect(clippy::print_stdout, reason = "shown with --nocapture")]
pub(super) async fn collect_at_every_step(site: &Site) {
    let one = Work {
        principals: 1,
        tasks: 1,
        sizes: &[],
        deletes: 0,
    };
    let clients = Clients::register(site.urls(), &site.admin(), one, seed()).await;
    let [port] = free_ports();
    let steps = Arc::new(Steps {
        done: AtomicU64::new(0),
        stop_at: AtomicU64::new(NEVER),
    });
    let depositor = Arc::new(Depositor {
        url: format!("http://127.0.0.1:{port}"),
        pid_file: site.file("third-server"),
        steps: Arc::clone(&steps),
        clients,
    });
    let subject = third_server(site, port, &depositor.pid_file);
    let runtime = tokio::runtime::Handle::current();
    let working = {
        let depositor = Arc::clone(&depositor);
        tokio::task::spawn_blocking(move || {
            let server = KilledOnPanic(&depositor);
            runtime.block_on(server.0.work())
        })
    };
    let (mut collections, mut locked) = (0, 0);
    let run = tokio::task::block_in_place(|| {
        site.trace(&subject, |call| {
            if site.is_step(call) && steps.count() {
                site.age_new();
                // A collector would wait for the lock of the server, which waits for the collector.
                if !site.is_locked_by_other() && site.gc_unless_locked().is_some() {
                    collections += 1;
                } else {
                    locked += 1;
                }
            }
            None
        })
    });
    let refused = working.await.unwrap();
    let clients = &depositor.clients;
    assert_eq!(run.outcome, RunOutcome::Success);
    let ledger = clients.ledger.lock().unwrap().summary();
    println!(
        "{collections} collections, {locked} steps with a lock, {refused} deposits refused; {ledger}"
    );
    assert!(collections > 30, "too few to say anything");
    assert!(refused > 0, "no deposit lost its race against a collector");
    site.check_whole(clients).await;
}

/// Returns a server that is traced once it gets the signal `SIGURG`.
fn third_server(site: &Site, port: u16, pid_file: &std::path::Path) -> Subject {
    let (pid_file, folder) = (pid_file.display(), site.file("third").display().to_string());
    let halves = site.halves().join("' '");
    let script = format!(
        "echo $$ > '{pid_file}.new'; mv '{pid_file}.new' '{pid_file}'; \
         exec env -i ARTIFACT_ADMIN_TOKEN={TOKEN} '{BINARY}' serve --listen 127.0.0.1:{port} \
         --gc-interval 0 --data-dir '{folder}' '{halves}'"
    );
    Subject::new("/bin/sh")
        .with_arg("-c")
        .with_arg(script)
        .with_begin_signal()
        .with_sockets()
        .with_time_limit(Duration::from_mins(5))
}

/// Sends requests to the third server, one after the other.
struct Depositor {
    url: String,
    pid_file: PathBuf,
    steps: Arc<Steps>,
    clients: Clients,
}

impl Depositor {
    /// Works until no step is left, then stops the server. Returns the number of refused deposits.
    async fn work(&self) -> u64 {
        let credential = Credential::new("admin", TOKEN).unwrap();
        let patient = connect(&self.url, credential.clone());
        while patient.usage().await.is_err() {}
        let pid = self.pid();
        kill_process(pid, Signal::URG).unwrap();
        let client = Client::builder(&self.url, "default", credential)
            .with_retry_policy(RetryPolicy::never())
            .build()
            .unwrap();
        let mut refused = 0;
        self.at_every_step(&client, async |number| {
            refused += u64::from(!self.deposit(&client, number).await);
        })
        .await;
        self.at_every_step(&client, async |_| self.remove(&client).await)
            .await;
        kill_process(pid, Signal::TERM).unwrap();
        refused
    }

    /// Calls `request` for one step after the other, until it has no further steps.
    async fn at_every_step(&self, client: &Client, mut request: impl AsyncFnMut(u64)) {
        let (mut step, mut without_stop) = (0, 0);
        while without_stop < WITHOUT_STOP {
            while self.clients.ledger.lock().unwrap().kept.is_empty() {
                self.deposit(client, 0).await;
            }
            self.steps.begin(step);
            request(step).await;
            without_stop = if self.steps.end() {
                0
            } else {
                without_stop + 1
            };
            step += 1;
        }
    }

    /// Deposits. Returns false if the collector was faster.
    async fn deposit(&self, client: &Client, number: u64) -> bool {
        let bytes = format!("artifact {number}").into_bytes();
        let kept = Kept::new(&bytes, 0);
        let deposited = client.deposit(bytes, DepositOptions::default()).await;
        let mut ledger = self.clients.ledger.lock().unwrap();
        match deposited {
            Ok(deposited) => {
                ledger.kept.insert(deposited.uri, kept);
                true
            }
            Err(error) => {
                assert_eq!(error.status(), Some(503), "{error}");
                ledger.fail(&error);
                false
            }
        }
    }

    /// Removes an artifact of those that were deposited before.
    async fn remove(&self, client: &Client) {
        let first = self.clients.ledger.lock().unwrap().kept.pop_first();
        let (uri, _) = first.expect("one is there before each request");
        match client.remove(&uri).await {
            Ok(()) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "{error}"),
        }
        self.clients.ledger.lock().unwrap().deleted.insert(uri);
    }

    /// Returns the process id of the server.
    #[expect(clippy::disallowed_methods, reason = "a test reads its own file")]
    fn pid(&self) -> Pid {
        let text = std::fs::read_to_string(&self.pid_file).unwrap();
        Pid::from_raw(text.trim().parse().unwrap()).unwrap()
    }
}

/// Kills the server of a test that fails. Otherwise, the tracer would wait for it.
struct KilledOnPanic<'d>(&'d Depositor);

impl Drop for KilledOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = kill_process(self.0.pid(), Signal::KILL);
        }
    }
}
