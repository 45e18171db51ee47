//! Clients that deposit and fetch without a pause, and record every acknowledged deposit.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use artifact_backend::Sha256Digest;
use artifact_client::{Client, Credential, DepositOptions, Error};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use sha2::{Digest as _, Sha256};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// A deposit that was acknowledged.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    uri: String,
    sha256: Sha256Digest,
}

/// The results of all clients.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) kept: Vec<Kept>,
    /// For each acknowledged deposit: the time since the start, and the duration.
    pub(crate) deposits: Vec<(Duration, Duration)>,
    pub(crate) fetched: usize,
    pub(crate) failures: Vec<(Duration, Error)>,
    /// The number of fetches that returned wrong bytes.
    pub(crate) wrong: usize,
}

/// The running clients.
#[derive(Debug)]
pub(crate) struct Load {
    client: Client,
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

const BLOB: usize = 4 << 10;

/// The number of rounds after which a client reconnects. Otherwise, after a server was killed, all clients
/// would keep their connections to the other one.
const ROUNDS: u64 = 64;

/// The number of artifacts that are verified concurrently.
const AT_ONCE: usize = 16;

impl Load {
    /// Starts `clients` clients of a server, all as `admin`.
    pub(crate) fn start(url: &str, token: &str, clients: u64) -> Self {
        let (url, token) = (url.to_owned(), token.to_owned());
        let connect = move || {
            let credential = Credential::new("admin", &token).unwrap();
            Client::builder(&url, "default", credential)
                .with_stall_timeout(Duration::from_mins(2))
                .build()
                .unwrap()
        };
        let mut load = Self {
            client: connect(),
            seen: Arc::default(),
            stop: Arc::default(),
            tasks: JoinSet::new(),
        };
        let began = Instant::now();
        for number in 0..clients {
            let (connect, seen) = (connect.clone(), Arc::clone(&load.seen));
            let stop = Arc::clone(&load.stop);
            load.tasks.spawn(async move {
                let (mut client, mut round) = (connect(), 1);
                while !stop.load(Ordering::Relaxed) {
                    if round % ROUNDS == 0 {
                        client = connect();
                    }
                    deposit_and_fetch(&client, &seen, began, (number << 32) | round).await;
                    round += 1;
                }
            });
        }
        load
    }

    /// Waits until the clients have finished their current round, and returns their results.
    pub(crate) async fn stop(mut self) -> (Client, Seen) {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        let seen = std::mem::take(&mut *self.seen.lock().unwrap());
        (self.client, seen)
    }
}

/// Deposits an artifact, then fetches one that this or another client deposited earlier.
async fn deposit_and_fetch(client: &Client, seen: &Mutex<Seen>, began: Instant, number: u64) {
    let bytes = blob(number);
    let sha256 = Sha256Digest::from_bytes(Sha256::digest(&bytes).into());
    let asked = Instant::now();
    let told = client.deposit(bytes, DepositOptions::default()).await;
    let chosen = {
        let mut seen = seen.lock().unwrap();
        match told {
            Ok(deposited) => {
                seen.deposits.push((began.elapsed(), asked.elapsed()));
                let uri = deposited.uri;
                seen.kept.push(Kept { uri, sha256 });
            }
            Err(error) => seen.failures.push((began.elapsed(), error)),
        }
        if seen.kept.is_empty() {
            return;
        }
        // Spread over all of them, without a random source.
        let at = usize::try_from(number.wrapping_mul(2_654_435_761) >> 7).unwrap_or(0);
        seen.kept[at % seen.kept.len()].clone()
    };
    let fetched = fetch(client, &chosen).await;
    let mut seen = seen.lock().unwrap();
    match fetched {
        Ok(true) => seen.fetched += 1,
        Ok(false) => seen.wrong += 1,
        Err(error) => seen.failures.push((began.elapsed(), error)),
    }
}

/// Fetches an artifact. Returns whether its bytes are those of the deposit.
async fn fetch(client: &Client, kept: &Kept) -> Result<bool, Error> {
    let fetched = client.fetch(&kept.uri).await?;
    let bytes = fetched.into_bytes(BLOB as u64).await?;
    let sha256 = Sha256Digest::from_bytes(Sha256::digest(&bytes).into());
    Ok(sha256 == kept.sha256)
}

/// Returns one line for each acknowledged artifact that is missing or has wrong bytes.
pub(crate) async fn lost(client: &Client, kept: &[Kept]) -> Vec<String> {
    let looked_at = stream::iter(kept).map(async |kept| match fetch(client, kept).await {
        Ok(true) => None,
        Ok(false) => Some(format!("{}: wrong bytes", kept.uri)),
        Err(error) => Some(format!("{}: {error}", kept.uri)),
    });
    let lost = looked_at.buffer_unordered(AT_ONCE);
    lost.filter_map(async |lost| lost).collect().await
}

impl Seen {
    /// Returns the number of errors of each kind.
    pub(crate) fn kinds(&self) -> BTreeMap<String, usize> {
        let mut kinds = BTreeMap::new();
        for (_, error) in &self.failures {
            let status = error.status().map_or("no answer".into(), |s| s.to_string());
            let name = format!("{} {:?} ({status})", error.operation(), error.kind());
            *kinds.entry(name).or_default() += 1;
        }
        kinds
    }

    /// Formats the rates of acknowledged deposits and failures, and the slowest deposit, in a time span.
    pub(crate) fn phase(&self, name: &str, from: Duration, to: Duration) -> String {
        let within = |at: &Duration| from <= *at && *at < to;
        let deposits = self.deposits.iter().filter(|(at, _)| within(at));
        let seconds = to.saturating_sub(from).as_secs_f64();
        let worst = deposits.clone().map(|(_, took)| *took).max();
        let failures = self.failures.iter().filter(|(at, _)| within(at)).count();
        #[expect(clippy::cast_precision_loss, reason = "a figure to be read")]
        let rate = deposits.count() as f64 / seconds;
        format!(
            "| {name} | {seconds:.0} s | {rate:.0} | {:.1} s | {failures} |",
            worst.unwrap_or_default().as_secs_f64()
        )
    }
}

/// Returns the bytes of blob `number`; each blob is different.
fn blob(number: u64) -> Bytes {
    let mut bytes = number.to_le_bytes().repeat(BLOB / 8);
    bytes.truncate(BLOB);
    bytes.into()
}
