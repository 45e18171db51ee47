//! Parsers of foreign text: no text makes them panic, and what they accept they print as it was.

use artifact_receipt::{
    InclusionProof, ReceiptFile, SignedNote, SigningKey, Statement, TileId, VerifierKey,
};
use proptest::prelude::*;

use crate::receipts::{key, logged, statement};

fn check(text: &str) {
    if let Ok(note) = SignedNote::parse(text) {
        assert_eq!(note.to_string(), text);
    }
    if let Ok(file) = ReceiptFile::parse(text) {
        assert_eq!(file.to_string(), text);
        let _ = file.verify(&[key().verifier()]);
    }
    if let Ok(proof) = InclusionProof::parse(text) {
        assert_eq!(proof.to_string(), text);
    }
    if let Ok(statement) = Statement::parse(text) {
        assert_eq!(statement.to_text().as_deref(), Ok(text));
    }
    if let Ok(key) = text.parse::<VerifierKey>() {
        assert_eq!(key.to_string(), text);
    }
    if let Ok(key) = text.parse::<SigningKey>() {
        assert_eq!(*key.to_text(), text);
    }
    if let Some(tile) = TileId::parse(text) {
        assert_eq!(tile.to_string(), text);
    }
}

#[test]
fn proofs_by_others_may_have_extra_data() {
    let text = logged(&key(), 3, 11).to_string();
    let proof = &text[text.find("c2sp.org").unwrap()..];
    let extra = proof.replace("index 3", "extra aGVsbG8=\nindex 3");
    assert!(InclusionProof::parse(&extra).is_ok());
    check(&extra);
    let file = text.replace("index 3", "extra aGVsbG8=\nindex 3");
    assert!(
        ReceiptFile::parse(&file)
            .unwrap()
            .verify(&[key().verifier()])
            .is_ok()
    );
    for bad in [
        proof.replace("index 3", "index 03"),
        proof.replace("index 3", "index +3"),
        proof.replace("index 3", "index"),
        proof.replace("index 3", "index 3\nextra aGVsbG8="),
        proof.replace("index 3", "extra aGVsbG8\nindex 3"),
        proof.replace("@v1", "@v2"),
        proof.replace(
            "index 3\n",
            &format!("index 3\n{}", format!("{}=\n", "A".repeat(43)).repeat(65)),
        ),
    ] {
        assert!(InclusionProof::parse(&bad).is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn arbitrary_texts_are_harmless(text in "\\PC*") {
        check(&text);
    }

    #[test]
    fn spliced_receipts_are_harmless(
        cuts in proptest::collection::vec((0_usize..1_200, 0_usize..60, "[ -~\n—+=]{0,12}"), 1..5)
    ) {
        let mut text: Vec<char> = logged(&key(), 3, 11).to_string().chars().collect();
        for (place, length, by) in cuts {
            let place = place.min(text.len());
            let end = (place + length).min(text.len());
            text.splice(place..end, by.chars());
        }
        check(&text.into_iter().collect::<String>());
    }

    #[test]
    fn statements_are_read_as_they_were_written(experiment in "[^\\pC]{1,20}", depositor in "[^\\pC]{1,20}", size: u64, seconds in 0_i64..4_000_000_000) {
        let statement = Statement {
            experiment,
            depositor,
            size,
            created_at: jiff::Timestamp::from_second(seconds).unwrap(),
            ..statement()
        };
        let text = statement.to_text().unwrap();
        prop_assert_eq!(Statement::parse(&text), Ok(statement));
    }
}
