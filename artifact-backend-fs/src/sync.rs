//! Synchronisation types. The models in `tests/model` compile the modules that use them with those of loom instead.

pub(crate) use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};
