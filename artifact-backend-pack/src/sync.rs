//! Synchronisation types. The models in `tests/model` compile the modules that use them with those of loom instead.

pub(crate) use std::sync::{
    Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
};
