//! Synchronisation types: from `std`, or from loom in the models.

#[cfg(not(all(test, artifact_model)))]
pub(crate) use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

#[cfg(all(test, artifact_model))]
pub(crate) use std::sync::PoisonError;

#[cfg(all(test, artifact_model))]
pub(crate) use loom::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};
