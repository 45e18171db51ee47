//! The contents of a database in a portable form: records, their text, and the copy from one database to another.

#[cfg(feature = "backup")]
mod collection_line;
mod copy;
#[cfg(feature = "backup")]
mod decoder;
#[cfg(feature = "backup")]
mod encoder;
#[cfg(feature = "backup")]
mod line;
#[cfg(feature = "backup")]
mod receipt_line;
mod record;
#[cfg(feature = "backup")]
mod shares;

pub use copy::{CopyReport, copy_database};
#[cfg(feature = "backup")]
pub use decoder::DumpDecoder;
#[cfg(feature = "backup")]
pub use encoder::DumpEncoder;
#[cfg(feature = "backup")]
pub use line::{DumpCounts, DumpHeader};
pub use record::DumpRecord;
