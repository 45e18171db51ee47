//! Cases and their context.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::check::chain;
use crate::storage::Storage;
use crate::suite::Fresh;

/// Why a case stopped early.
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

/// The context of every case.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) fresh: Arc<Fresh>,
    pub(crate) volatile: Option<Arc<str>>,
    pub(crate) time_limit: Duration,
    pub(crate) large_blob: u64,
    pub(crate) seed: u64,
}

impl Context {
    /// Makes a new, empty storage.
    pub(crate) async fn fresh(&self) -> Outcome<Storage> {
        (self.fresh)().await.map_err(|error| {
            Stop::Failed(format!("cannot create a new storage: {}", chain(&*error)))
        })
    }

    /// Makes a new storage that can be reopened, or skips the case.
    pub(crate) async fn fresh_reopenable(&self) -> Outcome<Storage> {
        let storage = self.fresh().await?;
        if storage.can_reopen() {
            return Ok(storage);
        }
        Err(Stop::Skipped(match &self.volatile {
            Some(reason) => format!("the backend is volatile: {reason}"),
            None => "the storage has no `with_reopen`".into(),
        }))
    }

    /// Skips the case if the backend keeps blobs in memory.
    pub(crate) fn skip_if_volatile(&self) -> Outcome {
        match &self.volatile {
            Some(reason) => Err(Stop::Skipped(format!("the backend is volatile: {reason}"))),
            None => Ok(()),
        }
    }
}

/// Defines the table of a clause's cases. Each is an `async fn(Context) -> Outcome` of that name.
macro_rules! cases {
    ($clause:literal: $($name:ident),+ $(,)?) => {
        pub(crate) const CASES: &[$crate::case::Case] = &[$($crate::case::Case {
            name: concat!($clause, "::", stringify!($name)),
            run: |context| Box::pin($name(context)),
        }),+];
    };
}

/// Fails the case unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err($crate::case::Stop::Failed(format!($($text)+)));
        }
    };
}

pub(crate) use {cases, ensure};
