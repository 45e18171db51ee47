//! Receipts: what the store signs about each artifact, and the log of them.

mod copy;
mod log;
mod record;

pub(crate) use self::copy::CopiedLog;
pub use self::log::ReceiptLog;
pub(crate) use self::record::clamped_batch;
pub use self::record::{QueuedReceipt, ReceiptBatch, ReceiptLogState, ReceiptNode, ReceiptRecord};
