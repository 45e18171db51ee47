//! Deposits that can be repeated: their keys, and the artifact that an earlier deposit with the same key has made.

mod earlier;
mod key;
mod turns;

pub(crate) use self::earlier::{Repeated, check_repeat, expiry, find_earlier};
pub use self::key::{IdempotencyKey, InvalidIdempotencyKey};
pub(crate) use self::turns::KeyTurns;
