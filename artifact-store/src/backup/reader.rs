//! The records of a snapshot, read from its place.

use artifact_backend::{ByteRange, Download};

use super::place::{BackupPlace, Control, failed};
use crate::dump::{DumpCounts, DumpDecoder, DumpRecord};
use crate::error::Result;

/// Reads the dump of a snapshot.
pub(super) struct DumpReader {
    download: Download,
    decoder: DumpDecoder,
}

impl DumpReader {
    pub(super) async fn open(place: &BackupPlace, number: u64) -> Result<Self> {
        let id = place.control_id(Control::Dump, number);
        let download = place.inventory.download(id, ByteRange::Full).await;
        Ok(Self {
            download: download.map_err(failed)?,
            decoder: DumpDecoder::default(),
        })
    }

    /// Returns the next records; `None` at the end. What was returned before an error must not be used.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<DumpRecord>>> {
        let mut records = Vec::new();
        while records.is_empty() {
            let Some(chunk) = self.download.next().await else {
                return Ok(None);
            };
            self.decoder.push(&chunk.map_err(failed)?, &mut records)?;
        }
        Ok(Some(records))
    }

    /// Checks that the dump is whole. Call it after the last record.
    pub(super) fn finish(self) -> Result<DumpCounts> {
        self.decoder.finish()
    }
}
