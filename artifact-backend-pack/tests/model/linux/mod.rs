//! What the index needs, without files.

pub(crate) mod entry_cache;
#[expect(dead_code, reason = "the models use a part of it")]
#[path = "../../../src/linux/index.rs"]
pub(crate) mod index;
#[path = "../../../src/linux/patience.rs"]
pub(crate) mod patience;
pub(crate) mod segment;
