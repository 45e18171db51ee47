//! Keeps the content of a block device in memory. Sparse and cheap to clone.

use std::collections::HashMap;
use std::sync::Arc;

const PAGE: usize = 4096;

/// The content of a device. Ranges that were never written read as zeros.
#[derive(Debug, Clone, Default)]
pub struct Pages(HashMap<u64, Arc<[u8; PAGE]>>);

impl Pages {
    /// Fills `buffer` with the bytes from `offset` on.
    pub fn read(&self, offset: u64, buffer: &mut [u8]) {
        for (page, start, part) in parts(offset, buffer.len()) {
            let target = &mut buffer[part.clone()];
            match self.0.get(&page) {
                Some(bytes) => target.copy_from_slice(&bytes[start..start + part.len()]),
                None => target.fill(0),
            }
        }
    }

    /// Writes `data` at `offset`.
    pub fn write(&mut self, offset: u64, data: &[u8]) {
        for (page, start, part) in parts(offset, data.len()) {
            let source = &data[part];
            if source.len() == PAGE && source.iter().all(|byte| *byte == 0) {
                self.0.remove(&page);
                continue;
            }
            let bytes = self.0.entry(page).or_insert_with(|| Arc::new([0; PAGE]));
            Arc::make_mut(bytes)[start..start + source.len()].copy_from_slice(source);
        }
    }

    /// Writes `length` zeros from `offset` on.
    pub fn zero(&mut self, offset: u64, length: u64) {
        let (first, last) = (
            offset.div_ceil(PAGE as u64),
            (offset + length) / PAGE as u64,
        );
        if first < last {
            self.0.retain(|page, _| !(first..last).contains(page));
        }
        // The partial pages at both ends of the range.
        let edges = [
            (offset, (first * PAGE as u64).min(offset + length)),
            ((last * PAGE as u64).max(offset), offset + length),
        ];
        for (from, to) in edges {
            if from < to {
                let length = usize::try_from(to - from).map_or(PAGE, |length| length.min(PAGE));
                self.write(from, &[0; PAGE][..length]);
            }
        }
    }
}

/// Returns the pages that a range touches: the page number, the start within the page, and the part of
/// the range.
fn parts(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == length {
            return None;
        }
        let at = offset + done as u64;
        let start = usize::try_from(at % PAGE as u64).expect("less than a page");
        let end = length.min(done + PAGE - start);
        let part = done..end;
        done = end;
        Some((at / PAGE as u64, start, part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn pages_behave_like_a_plain_buffer() {
        let mut random = Random::new(5);
        let (mut pages, mut plain) = (Pages::default(), vec![0_u8; 40_000]);
        for round in 0..300 {
            let start = random.below(plain.len());
            let length = random.below((plain.len() - start).min(12_000));
            if round % 3 == 0 {
                pages.zero(start as u64, length as u64);
                plain[start..start + length].fill(0);
            } else {
                let data = vec![u8::try_from(round % 251).unwrap(); length];
                pages.write(start as u64, &data);
                plain[start..start + length].copy_from_slice(&data);
            }
            let copy = pages.clone();
            let mut read = vec![9; plain.len()];
            copy.read(0, &mut read);
            assert!(read == plain, "differs after round {round}");
        }
    }
}
