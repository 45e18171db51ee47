//! Clients that deposit and fetch without a pause, and remember what they were told.

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

/// What all clients saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) kept: Vec<Kept>,
    /// When each deposit was acknowledged, from the beginning, and how long it took.
    pub(crate) deposits: Vec<(Duration, Duration)>,
    pub(crate) fetched: usize,
    pub(crate) failures: Vec<(Duration, Error)>,
    /// Fetches that gave other bytes than were deposited.
    pub(crate) wrong: usize,
}

/// Clients under way.
#[derive(Debug)]
pub(crate) struct Load {
    client: Client,
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

const BLOB: usize = 4 << 10;

/// The number of rounds after which a client reconnects. A connection stays with its server, so after a kill
/// all clients would otherwise stay with the other server.
const ROUNDS: u64 = 64;

/// The number of kept artifacts that are checked together.
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

    /// Lets them come to the end of what they do, and says what they saw.
    pub(crate) async fn stop(mut self) -> (Client, Seen) {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        let seen = std::mem::take(&mut *self.seen.lock().unwrap());
        (self.client, seen)
    }
}

/// Deposits one, then fetches one that was acknowledged earlier, its own or another client's.
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

/// Whether what comes is what was deposited.
async fn fetch(client: &Client, kept: &Kept) -> Result<bool, Error> {
    let fetched = client.fetch(&kept.uri).await?;
    let bytes = fetched.into_bytes(BLOB as u64).await?;
    let sha256 = Sha256Digest::from_bytes(Sha256::digest(&bytes).into());
    Ok(sha256 == kept.sha256)
}

/// How many of the acknowledged are not there as they were deposited, and why.
pub(crate) async fn lost(client: &Client, kept: &[Kept]) -> Vec<String> {
    let looked_at = stream::iter(kept).map(async |kept| match fetch(client, kept).await {
        Ok(true) => None,
        Ok(false) => Some(format!("{}: other bytes", kept.uri)),
        Err(error) => Some(format!("{}: {error}", kept.uri)),
    });
    let lost = looked_at.buffer_unordered(AT_ONCE);
    lost.filter_map(async |lost| lost).collect().await
}

impl Seen {
    /// How often each kind of error came.
    pub(crate) fn kinds(&self) -> BTreeMap<String, usize> {
        let mut kinds = BTreeMap::new();
        for (_, error) in &self.failures {
            let status = error.status().map_or("no answer".into(), |s| s.to_string());
            let name = format!("{} {:?} ({status})", error.operation(), error.kind());
            *kinds.entry(name).or_default() += 1;
        }
        kinds
    }

    /// Acknowledged deposits and failures a second, and the slowest deposit, in a span of time.
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

/// No two alike.
fn blob(number: u64) -> Bytes {
    let mut bytes = number.to_le_bytes().repeat(BLOB / 8);
    bytes.truncate(BLOB);
    bytes.into()
}
