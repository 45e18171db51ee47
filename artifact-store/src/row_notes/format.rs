//! The row in a note, byte by byte. `docs/formats.md` describes it.

use artifact_backend::{ArtifactId, Sha256Digest};
use bytes::Bytes;
use jiff::Timestamp;

use crate::content_type::ContentType;
use crate::file_name::FileName;
use crate::idempotency::IdempotencyKey;
use crate::row::Row;

const MAGIC: [u8; 4] = *b"ROW1";

/// Returns the note of a row and the key of its deposit. It has less than 1.5 KiB. The id is not in it: it is that of the blob.
pub(crate) fn encode(row: &Row, key: Option<&IdempotencyKey>) -> Bytes {
    let Row {
        id: _,
        experiment,
        created_by,
        size,
        content_type,
        file_name,
        sha256,
        created_at,
        expires_at,
    } = row;
    let mut note = Vec::with_capacity(256);
    note.extend_from_slice(&MAGIC);
    note.extend_from_slice(&size.to_le_bytes());
    note.extend_from_slice(&created_at.as_microsecond().to_le_bytes());
    let expires_at = expires_at.map_or(i64::MAX, Timestamp::as_microsecond);
    note.extend_from_slice(&expires_at.to_le_bytes());
    note.extend_from_slice(sha256.as_bytes());
    let file_name = file_name.as_ref().map_or("", FileName::as_str);
    for text in [
        experiment.as_str(),
        created_by.as_str(),
        content_type.as_str(),
        file_name,
        key.map_or("", IdempotencyKey::as_str),
    ] {
        let length = u8::try_from(text.len()).expect("each text of a row has at most 255 bytes");
        note.push(length);
        note.extend_from_slice(text.as_bytes());
    }
    note.into()
}

/// Returns the row and the key of a note, or `None` if [`encode`] never returns these bytes.
pub(crate) fn decode(id: ArtifactId, note: &[u8]) -> Option<(Row, Option<IdempotencyKey>)> {
    let mut fields = Fields(note);
    if *fields.take::<4>()? != MAGIC {
        return None;
    }
    let size = u64::from_le_bytes(*fields.take()?);
    let created_at = i64::from_le_bytes(*fields.take()?);
    let expires_at = i64::from_le_bytes(*fields.take()?);
    let sha256 = Sha256Digest::from_bytes(*fields.take()?);
    let experiment = fields.text()?.parse().ok()?;
    let created_by = fields.text()?.parse().ok()?;
    let declared = fields.text()?;
    let content_type = ContentType::clean(declared);
    let file_name = match fields.text()? {
        "" => None,
        name => Some(FileName::clean(name).filter(|clean| clean.as_str() == name)?),
    };
    let key = match fields.text()? {
        "" => None,
        text => Some(IdempotencyKey::of_note(text)?),
    };
    if content_type.as_str() != declared || !fields.0.is_empty() {
        return None;
    }
    let created_at = Timestamp::from_microsecond(created_at).ok()?;
    let expires_at = match expires_at {
        i64::MAX => None,
        micros => Some(Timestamp::from_microsecond(micros).ok()?),
    };
    let row = Row::new(id, experiment, created_by, size, sha256, created_at);
    let row = row.with_content_type(content_type);
    let row = row.with_file_name(file_name).with_expires_at(expires_at);
    Some((row, key))
}

/// The fields of a note, one after the other.
struct Fields<'n>(&'n [u8]);

impl<'n> Fields<'n> {
    fn take<const N: usize>(&mut self) -> Option<&'n [u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(taken)
    }

    fn text(&mut self) -> Option<&'n str> {
        let [length] = *self.take()?;
        let (text, rest) = self.0.split_at_checked(length.into())?;
        self.0 = rest;
        str::from_utf8(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::principal::PrincipalId;

    fn row() -> Row {
        let sha256 = Sha256Digest::from_bytes([7; 32]);
        let created_at = Timestamp::from_microsecond(1_700_000_000_123_456).unwrap();
        Row::new(
            ArtifactId::from_bytes([3; 16]),
            "trial-7".parse().unwrap(),
            PrincipalId::Admin,
            4_096,
            sha256,
            created_at,
        )
    }

    #[test]
    fn rows_are_read_back_as_they_were_written() {
        let plain = row();
        let full = row()
            .with_content_type(ContentType::clean("text/plain; charset=utf-8"))
            .with_file_name(FileName::clean(&"ä".repeat(120)))
            .with_expires_at(Timestamp::from_microsecond(1_800_000_000_000_001).unwrap());
        let keys = [
            None,
            Some("k".repeat(255).parse().unwrap()),
            Some(IdempotencyKey::of_upload(
                "0123456789abcdef0123456789abcdef".parse().unwrap(),
            )),
        ];
        for row in [plain, full] {
            for key in &keys {
                let note = encode(&row, key.as_ref());
                assert!(note.len() < 1_536, "{} bytes", note.len());
                assert_eq!(decode(row.id, &note), Some((row.clone(), key.clone())));
            }
        }
    }

    #[test]
    fn other_bytes_are_no_row() {
        let note = encode(&row(), None);
        for length in 0..note.len() {
            assert_eq!(decode(row().id, &note[..length]), None, "{length} bytes");
        }
        let longer = [&note[..], b"x"].concat();
        assert_eq!(decode(row().id, &longer), None);
        let mut other = note.to_vec();
        other[3] = b'2';
        assert_eq!(decode(row().id, &other), None);
    }
}
