//! One task that deposits, fetches and deletes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use artifact_backend::ByteRange;
use artifact_client::{Client, DepositOptions, ErrorKind, FetchOptions};
use bytes::Bytes;
use tokio::sync::watch;

use super::ledger::sha256;
use super::{Kept, Ledger, Random, Work};

/// How many of 100 requests are fetches.
const FETCHES: u64 = 15;

/// A task. Only it deletes what it has deposited.
pub(super) struct Worker {
    pub(super) number: usize,
    pub(super) client: Client,
    pub(super) work: Work,
    pub(super) ledger: Arc<Mutex<Ledger>>,
    pub(super) acknowledged: watch::Sender<u64>,
    pub(super) random: Random,
}

impl Worker {
    pub(super) async fn work(mut self, stop: Arc<AtomicBool>) {
        while !stop.load(Ordering::Relaxed) {
            match self.random.next() % 100 {
                choice if choice < self.work.deletes => self.delete().await,
                choice if choice < self.work.deletes + FETCHES => self.fetch().await,
                _ => self.deposit().await,
            }
        }
    }

    async fn deposit(&mut self) {
        let bytes = self.bytes();
        let kept = Kept::new(&bytes, self.number);
        let deposited = self.client.deposit(bytes, DepositOptions::default()).await;
        let mut ledger = self.ledger.lock().unwrap();
        match deposited {
            Ok(deposited) => {
                let earlier = ledger.kept.insert(deposited.uri, kept);
                assert!(earlier.is_none(), "two artifacts have one URI");
                self.acknowledged.send_modify(|number| *number += 1);
            }
            Err(error) => ledger.fail_deposit(&error),
        }
    }

    /// Fetches an artifact of this worker, whole or in part.
    async fn fetch(&mut self) {
        let number = self.random.next();
        let found = {
            let ledger = self.ledger.lock().unwrap();
            let uri = ledger.one_of(self.number, number);
            uri.map(|uri| (ledger.kept[&uri], uri))
        };
        let Some((kept, uri)) = found else {
            return;
        };
        let part = self.random.next() % (kept.size + 1);
        for from in [0, part] {
            match fetch(&self.client, &uri, &kept, from).await {
                Ok(()) => {}
                Err(error) => self.ledger.lock().unwrap().fail(&error),
            }
        }
    }

    /// Deletes an artifact of this worker. If a response is lost, the request is repeated.
    async fn delete(&mut self) {
        let number = self.random.next();
        let taken = {
            let mut ledger = self.ledger.lock().unwrap();
            let uri = ledger.one_of(self.number, number);
            uri.and_then(|uri| ledger.kept.remove_entry(&uri))
        };
        let Some((uri, kept)) = taken else {
            return;
        };
        let mut may_be_gone = false;
        let is_held = loop {
            match self.client.remove(&uri).await {
                Ok(()) => break false,
                Err(error) if error.kind() == ErrorKind::Held => break true,
                Err(error) if error.kind() == ErrorKind::NotFound && may_be_gone => break false,
                Err(error) => {
                    self.ledger.lock().unwrap().fail(&error);
                    may_be_gone = true;
                }
            }
        };
        let mut ledger = self.ledger.lock().unwrap();
        if is_held {
            ledger.kept.insert(uri, kept);
        } else {
            ledger.deleted.insert(uri);
        }
    }

    /// Returns random bytes of a random size.
    fn bytes(&mut self) -> Bytes {
        let choice = usize::try_from(self.random.next() % self.work.sizes.len() as u64).unwrap();
        let size = self.work.sizes[choice] + self.random.next() % (self.work.sizes[choice] + 1);
        let words = (0..size.div_ceil(8)).flat_map(|_| self.random.next().to_le_bytes());
        words.take(usize::try_from(size).unwrap()).collect()
    }
}

/// Fetches an artifact from an offset on, and checks the bytes. A fetch from 0 is one of the whole artifact.
pub(super) async fn fetch(
    client: &Client,
    uri: &str,
    kept: &Kept,
    from: u64,
) -> artifact_client::Result<()> {
    let whole = async |options| {
        let fetched = client.fetch_with(uri, options).await?;
        fetched.into_bytes(kept.size).await
    };
    if from == 0 || from == kept.size {
        let bytes = whole(FetchOptions::default()).await?;
        assert_eq!(sha256(&bytes), kept.sha256, "{uri} has other bytes");
        return Ok(());
    }
    let options = |range| FetchOptions::default().with_range(range);
    let tail = whole(options(ByteRange::from(from..))).await?;
    let mut bytes = whole(options(ByteRange::from(..from))).await?.to_vec();
    bytes.extend_from_slice(&tail);
    assert_eq!(
        sha256(&bytes),
        kept.sha256,
        "the two parts of {uri} around {from} have other bytes"
    );
    Ok(())
}
