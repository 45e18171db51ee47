//! Artifacts of more than 8 GiB, whose size does not fit into a tar header.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::process::Command;

use artifact_backend::{ArtifactId, Sha256Digest};
use jiff::Timestamp;

use super::reader::ArchiveReader;
use super::records::{ArchivedRow, Head};
use super::writer::ArchiveWriter;
use crate::error::ErrorKind;
use crate::row::Row;

const SIZE: u64 = (9 << 30) + 1;

fn large() -> Row {
    Row::new(
        ArtifactId::from_bytes([7; 16]),
        "exp-1".parse().unwrap(),
        crate::PrincipalId::Admin,
        SIZE,
        Sha256Digest::from_bytes([1; 32]),
        Timestamp::from_second(1_700_000_000).unwrap(),
    )
}

/// Writes an archive of one large artifact without its bytes. Returns it, and where they belong.
async fn archive() -> (Vec<u8>, usize) {
    let row = large();
    let head = Head::new(row.experiment.clone(), row.created_at, None);
    let part = [ArchivedRow {
        row: row.clone(),
        hold: None,
    }];
    let mut lengths = [0; 2];
    let mut bytes = Vec::new();
    for (whole, length) in lengths.iter_mut().enumerate() {
        bytes.clear();
        let mut writer = ArchiveWriter::begin(&mut bytes, &head).await.unwrap();
        writer.begin_part(&part).await.unwrap();
        writer.begin_blob(&row).await.unwrap();
        if whole == 1 {
            writer.end_blob(&row).await.unwrap();
            writer.end_part().await.unwrap();
            writer.finish().await.unwrap();
        }
        *length = bytes.len();
    }
    (bytes, lengths[0])
}

#[tokio::test]
async fn the_reader_knows_the_size_of_a_large_artifact() {
    let (bytes, at) = archive().await;
    let mut reader = ArchiveReader::open(&bytes[..at + 5]).await.unwrap();
    let part = reader.next_part().await.unwrap().unwrap();
    assert_eq!((part.len(), &part[0].row), (1, &large()));
    assert_eq!(reader.next_blob().await.unwrap(), Some(0));
    let error = reader.chunk().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.detail().contains("cut off"), "{error}");
}

#[tokio::test]
async fn tar_knows_the_size_of_a_large_artifact() {
    let (bytes, at) = archive().await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    // A hole stands for the bytes.
    file.write_all(&bytes[..at]).unwrap();
    file.seek(SeekFrom::Start(at as u64 + SIZE)).unwrap();
    file.write_all(&bytes[at..]).unwrap();
    let listed = Command::new("tar")
        .args(["--list", "--verbose", "--file"])
        .arg(file.path())
        .output()
        .unwrap();
    let text = String::from_utf8(listed.stdout).unwrap();
    assert!(
        listed.status.success() && listed.stderr.is_empty(),
        "{text}"
    );
    let sizes: Vec<_> = text
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2))
        .collect();
    assert_eq!(sizes[2], SIZE.to_string(), "{text}");
    assert_eq!(sizes.len(), 5, "{text}");
}
