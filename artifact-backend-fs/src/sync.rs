//! Synchronisation types: from `std`, or from loom in the models.

#[cfg(not(all(test, artifact_model)))]
pub(crate) use std::sync::{
    Mutex, PoisonError, RwLock, RwLockReadGuard,
    atomic::{AtomicBool, Ordering},
};

#[cfg(all(test, artifact_model))]
pub(crate) use std::sync::PoisonError;

#[cfg(all(test, artifact_model))]
pub(crate) use loom::sync::{
    Mutex, RwLock, RwLockReadGuard,
    atomic::{AtomicBool, Ordering},
};
