//! What a case is, and what it is given.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::check::chain;
use crate::storage::Storage;
use crate::suite::Fresh;

/// Why a case ended before its end.
#[derive(Debug)]
pub(crate) enum Stop {
    Failed(String),
    Skipped(String),
}

pub(crate) type Outcome<T = ()> = Result<T, Stop>;

/// One case: a name and a function.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) run: fn(Context) -> BoxFuture<'static, Outcome>,
}

/// What every case is given.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) fresh: Arc<Fresh>,
    pub(crate) volatile: Option<Arc<str>>,
    pub(crate) time_limit: Duration,
    pub(crate) large_blob: u64,
    pub(crate) seed: u64,
}

impl Context {
    /// A fresh and empty storage.
    pub(crate) async fn fresh(&self) -> Outcome<Storage> {
        (self.fresh)().await.map_err(|error| {
            Stop::Failed(format!(
                "the subject made no fresh storage: {}",
                chain(&*error)
            ))
        })
    }

    /// A fresh storage that can be reopened; else the case is skipped.
    pub(crate) async fn fresh_to_reopen(&self) -> Outcome<Storage> {
        let storage = self.fresh().await?;
        if storage.can_reopen() {
            return Ok(storage);
        }
        Err(Stop::Skipped(match &self.volatile {
            Some(why) => format!("the subject is volatile: {why}"),
            None => "the storage has no `with_reopen`".into(),
        }))
    }

    /// Ends the case where blobs are kept in memory anyway.
    pub(crate) fn skip_if_volatile(&self) -> Outcome {
        match &self.volatile {
            Some(why) => Err(Stop::Skipped(format!("the subject is volatile: {why}"))),
            None => Ok(()),
        }
    }
}

/// The table of a clause's cases: each is an `async fn(Context) -> Outcome` of the same name.
macro_rules! cases {
    ($clause:literal: $($name:ident),+ $(,)?) => {
        pub(crate) const CASES: &[$crate::case::Case] = &[$($crate::case::Case {
            name: concat!($clause, "::", stringify!($name)),
            run: |context| Box::pin($name(context)),
        }),+];
    };
}

/// Ends the case as failed unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err($crate::case::Stop::Failed(format!($($text)+)));
        }
    };
}

pub(crate) use {cases, ensure};
