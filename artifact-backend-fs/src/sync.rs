//! Synchronisation types: from `std`, or from loom in the models.

#[cfg(not(all(test, artifact_model)))]
pub(crate) use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

#[cfg(all(test, artifact_model))]
pub(crate) use std::sync::PoisonError;

#[cfg(all(test, artifact_model))]
pub(crate) use loom::{
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};
