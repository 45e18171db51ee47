//! Workers that deposit, fetch and delete while a test does something to their servers, and what they know afterwards.

mod check;
pub(crate) mod ledger;
pub(crate) mod random;
mod worker;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use artifact_client::{Client, Credential, NewWorker, RetryPolicy};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

pub(crate) use check::check_whole;
use ledger::{Kept, Ledger};
use random::Random;
pub(crate) use random::seed;
use worker::Worker;

/// The longest wait for the clients.
const PATIENCE: Duration = Duration::from_mins(3);

/// What the clients do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work {
    /// The number of registered workers.
    pub(crate) principals: usize,
    /// The number of tasks that work at the same time, a multiple of the number of workers.
    pub(crate) tasks: usize,
    /// The sizes of the artifacts in bytes, from which each deposit takes one at random. The real size is up to twice that.
    pub(crate) sizes: &'static [u64],
    /// How many of 100 requests delete an artifact.
    pub(crate) deletes: u64,
}

/// The clients of one test.
#[derive(Debug)]
pub(crate) struct Clients {
    /// The servers. Task `n` uses the one at `n`, modulo their number.
    pub(crate) urls: Vec<String>,
    work: Work,
    credentials: Vec<Credential>,
    pub(crate) ledger: Arc<Mutex<Ledger>>,
    /// The number of acknowledged deposits.
    pub(crate) acknowledged: watch::Sender<u64>,
    stop: Arc<AtomicBool>,
    running: JoinSet<()>,
    random: Random,
}

impl Clients {
    /// Registers the workers at the first server.
    pub(crate) async fn register(urls: Vec<String>, admin: &Client, work: Work, seed: u64) -> Self {
        let mut credentials = Vec::new();
        for _ in 0..work.principals {
            let registered = admin.register_worker(&NewWorker::default()).await;
            credentials.push(registered.unwrap().credential());
        }
        Self {
            urls,
            work,
            credentials,
            ledger: Arc::default(),
            acknowledged: watch::Sender::new(0),
            stop: Arc::default(),
            running: JoinSet::new(),
            random: Random(seed),
        }
    }

    /// Lets all tasks work until [`stop`](Self::stop).
    pub(crate) fn start(&mut self) {
        self.start_some(self.work.tasks);
    }

    /// Lets some of the tasks work until [`stop`](Self::stop).
    pub(crate) fn start_some(&mut self, tasks: usize) {
        self.stop.store(false, Ordering::Relaxed);
        for number in 0..tasks {
            let credential = &self.credentials[number % self.work.principals];
            let url = &self.urls[number % self.urls.len()];
            let worker = Worker {
                number,
                client: connect(url, credential.clone()),
                work: self.work,
                ledger: Arc::clone(&self.ledger),
                acknowledged: self.acknowledged.clone(),
                random: Random(self.random.next()),
            };
            self.running.spawn(worker.work(Arc::clone(&self.stop)));
        }
    }

    /// Waits until this number of deposits was acknowledged since the beginning.
    pub(crate) async fn reach(&mut self, deposits: u64) {
        let mut acknowledged = self.acknowledged.subscribe();
        let reached = acknowledged.wait_for(|now| *now >= deposits);
        tokio::select! {
            reached = timeout(PATIENCE, reached) => drop(reached.unwrap().unwrap()),
            ended = self.running.join_next() => panic!("a worker ended: {ended:?}"),
        }
    }

    /// Waits until this number of further deposits was acknowledged.
    pub(crate) async fn go_on(&mut self, deposits: u64) {
        let now = *self.acknowledged.borrow();
        self.reach(now + deposits).await;
    }

    /// Waits until each task has the response to its last request.
    pub(crate) async fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = async {
            while let Some(ended) = self.running.join_next().await {
                ended.unwrap();
            }
        };
        timeout(PATIENCE, ended).await.unwrap();
    }
}

/// Creates a client that retries soon: the servers of a test are back soon.
pub(crate) fn connect(url: &str, credential: Credential) -> Client {
    let retries = RetryPolicy::default()
        .with_max_retries(8)
        .with_delays(Duration::from_millis(20), Duration::from_secs(1));
    Client::builder(url, "default", credential)
        .with_retry_policy(retries)
        .build()
        .unwrap()
}
