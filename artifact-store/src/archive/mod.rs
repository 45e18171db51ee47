//! Export and import: one experiment as one portable archive.

mod export;
mod header;
mod import;
mod meter;
mod options;
mod place;
mod reader;
mod records;
mod report;
#[cfg(test)]
mod tests;
mod writer;

pub use export::Exporter;
pub use import::Importer;
pub use options::{ExportOptions, ImportOptions};
pub use report::{ExportEvent, ExportReport, ImportEvent, ImportReport};
