//! The text of a dump: read back as it was written, and refused if anything in it changed.

use artifact_store::{
    DumpDecoder, DumpEncoder, DumpHeader, DumpRecord, ErrorKind, Result, StoreId,
};

use super::{for_contents, records};
use crate::support::time;

fn header() -> DumpHeader {
    DumpHeader::new(Some(StoreId::from_bytes([4; 16])), time(9))
}

fn encode(records: &[DumpRecord]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut encoder = DumpEncoder::begin(&header(), &mut text);
    for record in records {
        encoder.push(record, &mut text);
    }
    encoder.finish(0, &mut text);
    text
}

fn decode(text: &[u8], piece: usize) -> Result<(DumpHeader, Vec<DumpRecord>)> {
    let (mut decoder, mut records) = (DumpDecoder::default(), Vec::new());
    for piece in text.chunks(piece) {
        decoder.push(piece, &mut records)?;
    }
    let found = decoder.header().cloned();
    decoder.finish()?;
    Ok((found.unwrap(), records))
}

#[test]
fn any_contents_are_read_back_in_pieces_of_any_length() {
    for_contents(64, |records| {
        let text = encode(&records);
        for piece in [1, 7, 4096, usize::MAX] {
            let (found, read) = decode(&text, piece).unwrap();
            assert_eq!(found, header());
            assert_eq!(read, records);
        }
    });
}

#[test]
fn a_dump_that_was_cut_off_is_refused_wherever_it_ends() {
    let text = encode(&records::small());
    for length in 0..text.len() {
        let refused = decode(&text[..length], 64).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Corrupt, "{length}");
    }
}

#[test]
fn a_dump_in_which_any_bit_flipped_is_refused() {
    let text = encode(&records::small());
    for at in 0..text.len() {
        for bit in [0, 4] {
            let mut flipped = text.clone();
            flipped[at] ^= 1 << bit;
            let refused = decode(&flipped, usize::MAX).unwrap_err();
            let kinds = [ErrorKind::Corrupt, ErrorKind::Unsupported];
            assert!(kinds.contains(&refused.kind()), "byte {at}: {refused:?}");
        }
    }
}

#[test]
fn a_line_that_is_missing_or_moved_is_noticed() {
    let text = encode(&records::small());
    let lines: Vec<_> = text.split_inclusive(|byte| *byte == b'\n').collect();
    for at in 0..lines.len() {
        let mut without = lines.clone();
        without.remove(at);
        assert!(decode(&without.concat(), 99).is_err(), "without line {at}");
        let mut twice = lines.clone();
        twice.insert(at, lines[at]);
        assert!(decode(&twice.concat(), 99).is_err(), "line {at} twice");
        if at + 1 < lines.len() {
            let mut swapped = lines.clone();
            swapped.swap(at, at + 1);
            assert!(decode(&swapped.concat(), 99).is_err(), "line {at} swapped");
        }
    }
}

#[test]
fn a_newer_version_is_refused_with_advice() {
    let text = String::from_utf8(encode(&[])).unwrap();
    let newer = text.replacen("\"version\":1", "\"version\":2,\"unknown\":true", 1);
    let refused = decode(newer.as_bytes(), 99).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    assert!(
        refused.to_string().contains("use a newer program"),
        "{refused}"
    );
}

#[test]
fn the_format_is_the_documented_one() {
    let text = String::from_utf8(encode(&records::small())).unwrap();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let names: Vec<_> = lines
        .iter()
        .map(|line| line.as_object().unwrap().keys().next().unwrap().as_str())
        .collect();
    let expected = [
        "dump",
        "experiment",
        "worker",
        "group",
        "group",
        "member",
        "artifact",
        "artifact",
        "artifact",
        "artifact",
        "chunk_digests",
        "chunk_digests",
        "hold",
        "removed",
        "removed",
        "administrator",
        "collection",
        "collection",
        "collection_file",
        "collection_file",
        "collection_file",
        "collection_file",
        "grant",
        "grant",
        "grant",
        "link",
        "quota",
        "receipt_log",
        "receipt",
        "receipt",
        "queued_receipt",
        "counts",
        "end",
    ];
    assert_eq!(names, expected);
    assert_eq!(
        lines[0]["dump"],
        serde_json::json!({"version": 1, "store_id": format!("store-{}", "04".repeat(16)), "taken_at": "1970-01-01T00:00:09Z"})
    );
    assert_eq!(lines[1]["experiment"]["keep_micros"], 86_400_000_000_u64);
    assert_eq!(lines[6]["artifact"]["position"], 10);
    assert_eq!(lines[6]["artifact"]["row"]["id"], "01".repeat(16));
    let digests = &lines[10]["chunk_digests"];
    assert_eq!(digests["id"], "01".repeat(16));
    assert_eq!(digests["chunk_bytes"], 65_536);
    let hash = blake3::hash(&vec![1; 3 * 65_536]);
    assert_eq!(digests["blake3"], hash.to_hex().as_str());
    assert_eq!(digests["digests"].as_str().unwrap().len(), 3 * 64);
    assert_eq!(lines[14]["removed"], "08".repeat(16));
    assert_shares_and_collections(&lines[15..26]);
    let quota = serde_json::json!({
        "experiment": "exp-1", "principal": crate::support::WORKER, "max_bytes": 100, "max_in_flight": 7,
    });
    assert_eq!(lines[26]["quota"], quota);
    let log = serde_json::json!({ "origin": "example.com/store", "secret": "03".repeat(32) });
    assert_eq!(lines[27]["receipt_log"], log);
    assert_eq!(lines[29]["receipt"]["index"], 1);
    assert_eq!(lines[29]["receipt"]["artifact"], "c8".repeat(16));
    assert_eq!(lines[30]["queued_receipt"]["size"], 4);
    let counts = &lines[31]["counts"];
    for (kind, number) in [
        ("artifacts", 4),
        ("chunk_digests", 2),
        ("grants", 3),
        ("links", 1),
        ("administrators", 1),
        ("collections", 2),
        ("collection_files", 4),
        ("quotas", 1),
        ("receipts", 2),
        ("queued_receipts", 1),
    ] {
        assert_eq!(counts[kind], number, "{kind}");
    }
}

/// Checks the lines from the first administrator to the last link.
fn assert_shares_and_collections(lines: &[serde_json::Value]) {
    let administrator = &lines[0]["administrator"];
    assert_eq!(administrator["name"], "Alice");
    assert_eq!(
        administrator["credential_expires_at"],
        "1970-01-01T00:00:05Z"
    );
    let open = format!("col_{}", "01".repeat(16));
    assert_eq!(
        lines[1]["collection"],
        serde_json::json!({
            "id": open, "experiment": "exp-1", "owner": crate::support::WORKER, "created_at": "1970-01-01T00:00:04Z",
        })
    );
    assert_eq!(lines[2]["collection"]["sealed_at"], "1970-01-01T00:00:05Z");
    let file = &lines[3]["collection_file"];
    assert_eq!(file["collection"], open);
    assert_eq!(file["name"], "a/\u{e9} b");
    assert_eq!(file["id"], "03".repeat(16));
    assert_eq!(file["state"], "present");
    assert_eq!(lines[4]["collection_file"]["state"], "removed");
    assert_eq!(lines[6]["collection_file"]["state"], "expired");
    let grant = &lines[7]["grant"];
    assert_eq!(grant["subject"]["artifact"], "03".repeat(16));
    assert!(grant["grantee"].as_str().unwrap().starts_with("wkr_"));
    assert_eq!(grant.get("expires_at"), None);
    assert_eq!(lines[8]["grant"]["expires_at"], "1970-01-01T00:00:05Z");
    assert_eq!(lines[9]["grant"]["subject"]["collection"], open);
    let link = &lines[10]["link"];
    assert_eq!(link["artifact"], "04".repeat(16));
    assert_eq!(
        (&link["max_downloads"], &link["downloads"]),
        (&3.into(), &2.into())
    );
    assert_ne!(link["digest"], "5e".repeat(32), "the secret is nowhere");
}

#[test]
fn programs_that_do_not_know_administrators_can_read_a_dump_without_them() {
    let mut records = records::small();
    records.retain(|record| !matches!(record, DumpRecord::Administrator(_)));
    let text = encode(&records);
    assert!(!String::from_utf8_lossy(&text).contains("administrator"));
    let (_, read) = decode(&text, 99).unwrap();
    assert_eq!(read, records);
}

#[test]
fn a_dump_of_the_time_before_chunk_digests_and_collections_is_read() {
    let mut records = records::small();
    records.retain(|record| {
        !matches!(
            record,
            DumpRecord::ChunkDigests { .. }
                | DumpRecord::Collection(_)
                | DumpRecord::CollectionFile { .. }
        ) && !records::is_of_collection(record)
    });
    let text = String::from_utf8(encode(&records)).unwrap();
    let (body, _) = text.split_once("{\"end\"").unwrap();
    let body = body.replacen("\"chunk_digests\":0,", "", 1);
    let body = body.replacen("\"collections\":0,\"collection_files\":0,", "", 1);
    assert!(
        !body.contains("chunk_digests") && !body.contains("collection"),
        "{body}"
    );
    let sha256 = crate::support::digest(body.as_bytes());
    let old = format!("{body}{{\"end\":{{\"sha256\":\"{sha256}\"}}}}\n");
    let (_, read) = decode(old.as_bytes(), 99).unwrap();
    assert_eq!(read, records);
}
