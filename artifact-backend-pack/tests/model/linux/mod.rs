//! What the index needs, without files.

pub(crate) mod entry_cache;
#[expect(dead_code, reason = "the models use a part of it")]
#[path = "../../../src/linux/index.rs"]
pub(crate) mod index;
pub(crate) mod segment;
