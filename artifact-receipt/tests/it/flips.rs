//! Every changed bit of a receipt, a proof or a checkpoint is noticed.

use artifact_receipt::{Checkpoint, KeyName, ReceiptFile, SignedNote, TreeHash};

use crate::receipts::{LOG, key, logged};

/// Calls `accepts` with every text that differs from `text` in one bit, and returns the changes that it accepts.
fn accepted(text: &str, accepts: impl Fn(&str) -> bool) -> Vec<(usize, u8)> {
    let mut found = Vec::new();
    for place in 0..text.len() {
        for bit in 0..8 {
            let mut bytes = text.as_bytes().to_vec();
            bytes[place] ^= 1 << bit;
            if String::from_utf8(bytes).is_ok_and(|changed| accepts(&changed)) {
                found.push((place, bit));
            }
        }
    }
    found
}

#[test]
fn no_bit_of_a_receipt_with_its_proof_can_be_changed() {
    let key = key();
    let keys = [key.verifier()];
    let text = logged(&key, 3, 11).to_string();
    let accepts =
        |text: &str| ReceiptFile::parse(text).is_ok_and(|file| file.verify(&keys).is_ok());
    assert!(accepts(&text));
    assert_eq!(accepted(&text, accepts), []);
}

#[test]
fn no_cut_receipt_passes_for_one_with_a_proof() {
    let key = key();
    let keys = [key.verifier()];
    let text = logged(&key, 3, 11).to_string();
    let without = text.find("\nc2sp.org").unwrap();
    for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
        let verified = ReceiptFile::parse(&text[..end]).and_then(|file| file.verify(&keys));
        assert_eq!(verified.is_ok(), end == without, "{end}");
    }
}

#[test]
fn no_bit_of_a_checkpoint_can_be_changed() {
    let key = key();
    let keys = [key.verifier()];
    let origin: KeyName = LOG.parse().unwrap();
    let text = Checkpoint::new(origin, 12, TreeHash::of_leaf(b"x"))
        .sign(&key)
        .to_string();
    let accepts = |text: &str| {
        let note = SignedNote::parse(text);
        note.is_ok_and(|note| Checkpoint::verify(&note, &keys).is_ok())
    };
    assert!(accepts(&text));
    assert_eq!(accepted(&text, accepts), []);
}

#[test]
fn no_bit_of_a_public_key_can_be_changed() {
    let key = key();
    let file = logged(&key, 3, 11);
    let text = key.verifier().to_string();
    let accepts = |text: &str| text.parse().is_ok_and(|key| file.verify(&[key]).is_ok());
    assert!(accepts(&text));
    assert_eq!(accepted(&text, accepts), []);
}
