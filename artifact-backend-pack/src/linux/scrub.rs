//! Reads all segments and compares every blob with its checksum.

use std::sync::Arc;

use artifact_backend::{ArtifactId, Operation, Result};

use crate::format::BLOCK;
use crate::format::entry::{Content, Entry, blob_checksum, checked_note};
use crate::format::frame::{self, Position};
use crate::format::segment::Header;
use crate::linux::error::{failed, raise};
use crate::linux::index::Index;
use crate::linux::open_segment::first_frame;
use crate::linux::segment::{self, NotCached, Sealed, Wait};
use crate::linux::shared::Shared;
use crate::linux::sys;

/// The result of one [`PackBackend::scrub`](crate::PackBackend::scrub).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PackScrubReport {
    /// The number of sealed segments that were read.
    pub segments: u64,
    /// The number of packed blobs whose bytes match their checksum.
    pub blobs: u64,
    /// The bytes of these blobs.
    pub blob_bytes: u64,
    /// The packed blobs whose bytes do not match, and blobs whose note does not match.
    pub damaged: Vec<ArtifactId>,
    /// The names of the segments with a damaged header or frame. Their index is intact, so their blobs can be loaded, unless they
    /// are in `damaged`.
    pub damaged_segments: Vec<String>,
}

/// Reads the sealed segments one after the other. The newest segment is verified whenever the root is opened.
pub(crate) async fn scrub(shared: &Arc<Shared>) -> Result<PackScrubReport> {
    let operation = Operation::Load;
    shared.root.check_alive(operation)?;
    let mut report = PackScrubReport::default();
    for sealed in shared.index.sealed() {
        let reading = Arc::clone(shared);
        let work = move || {
            let before = report.clone();
            let mut pass = Pass {
                index: &reading.index,
                sealed: &sealed,
                report,
            };
            pass.index_blocks()?;
            if !pass.frames()? {
                let damaged_segments = pass.report.damaged_segments;
                pass.report = PackScrubReport {
                    damaged_segments,
                    ..before
                };
                pass.blobs_by_index()?;
            }
            Ok(pass.report)
        };
        report = shared.reads.run(operation, work).await?;
        report.segments += 1;
    }
    Ok(report)
}

/// The scrub of one segment.
struct Pass<'s> {
    index: &'s Index,
    sealed: &'s Sealed,
    report: PackScrubReport,
}

impl Pass<'_> {
    /// Verifies the checksums of the index.
    fn index_blocks(&self) -> Result<()> {
        for number in 0..self.sealed.blocks() {
            let _ = self.sealed.block(Operation::Load, number, Wait::Disk)?;
        }
        Ok(())
    }

    /// Reads the frames from the first to the last. Returns false if one of them is damaged, so that it is not known where the next
    /// one begins.
    fn frames(&mut self) -> Result<bool> {
        let file = &self.sealed.file;
        let fail = |errno| failed(Operation::Load, None, "read a segment", errno);
        let header = Header {
            segment: file.number,
            epoch: file.epoch,
        };
        let mut block = [0; BLOCK];
        sys::read_exact(&file.file, &mut block, 0).map_err(fail)?;
        if Header::decode(&block, file.number) != Some(header) {
            return Ok(self.damaged_segment());
        }
        let mut at = first_frame(header);
        let mut buffer = Vec::new();
        while u64::from(at.offset) < self.sealed.footer.frames_end {
            sys::read_exact(&file.file, &mut block, at.offset.into()).map_err(fail)?;
            let Some(length) = frame::length(&block, at) else {
                return Ok(self.damaged_segment());
            };
            buffer.resize(length, 0);
            sys::read_exact(&file.file, &mut buffer, at.offset.into()).map_err(fail)?;
            let Some(checked) = frame::check_entries(&buffer, at) else {
                return Ok(self.damaged_segment());
            };
            for entry in &checked.entries {
                self.blob(entry, |offset, length| {
                    let begin = (offset - at.offset) as usize;
                    Ok(buffer[begin..begin + length as usize].to_vec())
                })?;
            }
            let length = u32::try_from(checked.length).expect("a frame is shorter than 4 GiB");
            at = Position {
                offset: at.offset + length,
                previous: checked.checksum,
                ..at
            };
        }
        Ok(true)
    }

    fn damaged_segment(&mut self) -> bool {
        let name = segment::name(self.sealed.number());
        tracing::error!(
            alarm = "corrupt-segment",
            segment = name,
            "a frame is damaged; restore the segment from a backup"
        );
        self.report.damaged_segments.push(name);
        false
    }

    /// Reads each blob on its own, because the frames do not say where they are.
    fn blobs_by_index(&mut self) -> Result<()> {
        for number in 0..self.sealed.blocks() {
            let Ok(entries) = self.sealed.block(Operation::Load, number, Wait::Disk)? else {
                continue;
            };
            for entry in &entries {
                let file = &self.sealed.file.file;
                self.blob(entry, |offset, length| {
                    let mut bytes = vec![0; length as usize];
                    let fail = |errno| failed(Operation::Load, None, "read a segment", errno);
                    sys::read_exact(file, &mut bytes, offset.into()).map_err(fail)?;
                    Ok(bytes)
                })?;
            }
        }
        Ok(())
    }

    /// Compares a blob and its note with their checksums. One that was deleted or moved may have lost its bytes.
    fn blob(&mut self, entry: &Entry, read: impl Fn(u32, u32) -> Result<Vec<u8>>) -> Result<()> {
        if let Some(place) = entry.note {
            let length = u32::try_from(place.total()).expect("a note is short");
            let stored = read(place.offset, length)?;
            if checked_note(entry.id, &stored).is_none() && self.is_live(entry)? {
                raise(segment::damaged_note(Operation::Load, entry.id));
                self.report.damaged.push(entry.id);
                return Ok(());
            }
        }
        let Content::Blob {
            offset,
            length,
            crc,
        } = entry.content
        else {
            return Ok(());
        };
        let bytes = read(offset, length)?;
        if blob_checksum(entry.id, &bytes) == crc {
            self.report.blobs += 1;
            self.report.blob_bytes += u64::from(length);
            return Ok(());
        }
        if self.is_live(entry)? {
            raise(segment::damaged(Operation::Load, entry.id));
            self.report.damaged.push(entry.id);
        }
        Ok(())
    }

    /// Returns whether an entry of this segment is the newest one of its id.
    fn is_live(&self, entry: &Entry) -> Result<bool> {
        let found = self.index.find(Operation::Load, entry.id, Wait::Disk)?;
        Ok(match found {
            Ok(Some(found)) => {
                found.entry.content == entry.content
                    && found.holder.file().number == self.sealed.number()
            }
            Ok(None) | Err(NotCached) => false,
        })
    }
}
