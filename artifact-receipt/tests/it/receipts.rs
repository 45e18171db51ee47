//! Receipts and their proofs.

use artifact_receipt::{
    Checkpoint, Frontier, InclusionProof, LogSecret, ReceiptErrorKind, ReceiptFile, SigningKey,
    Statement, TileSet, TreeHash, VerifierKey, sha256,
};

pub(crate) const LOG: &str = "example.com/store";

pub(crate) fn key() -> SigningKey {
    SigningKey::from_seed(LOG.parse().unwrap(), &[7; 32])
}

pub(crate) fn statement() -> Statement {
    let id = "4f2a9c0de1b83756a0c4d2f19e7b6385".parse().unwrap();
    Statement {
        log: LOG.parse().unwrap(),
        id,
        experiment: "default".to_owned(),
        depositor: "wkr_0123456789abcdefghjkmnpqrs".to_owned(),
        size: 3,
        sha256: sha256(b"abc"),
        created_at: "2026-01-02T03:04:05.000006Z".parse().unwrap(),
        salt: LogSecret::from_bytes([9; 32]).salt(id),
    }
}

/// A receipt whose entry is the leaf `index` of `size`, with its proof.
pub(crate) fn logged(key: &SigningKey, index: u64, size: u64) -> ReceiptFile {
    let statement = statement();
    let (mut log, mut tiles) = (Frontier::default(), TileSet::default());
    for each in 0..size {
        let other = TreeHash::of_leaf(&each.to_be_bytes());
        let leaf = if each == index {
            statement.leaf_hash().unwrap()
        } else {
            other
        };
        tiles.extend(log.push(leaf));
    }
    let checkpoint = Checkpoint::new(key.name().clone(), size, log.root()).sign(key);
    let proof = InclusionProof::of(&tiles, index, size)
        .unwrap()
        .with_checkpoint(checkpoint);
    ReceiptFile::new(statement.sign(key).unwrap()).with_proof(proof)
}

#[test]
fn the_text_of_a_receipt_is_the_documented_one() {
    let text = "artifact receipt v1\n\
        log example.com/store\n\
        uri eden://artifacts/4f2a9c0de1b83756a0c4d2f19e7b6385\n\
        experiment default\n\
        depositor wkr_0123456789abcdefghjkmnpqrs\n\
        size 3\n\
        sha256 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n\
        created 2026-01-02T03:04:05.000006Z\n";
    let statement = statement();
    let written = statement.to_text().unwrap();
    let salt = written.strip_prefix(text).unwrap();
    assert_eq!(salt, format!("salt {}\n", statement.salt));
    assert_eq!(Statement::parse(&written).as_ref(), Ok(&statement));
    assert_eq!(
        statement.leaf_hash(),
        Ok(TreeHash::of_leaf(written.as_bytes()))
    );
}

#[test]
fn salts_differ_by_artifact_and_by_log() {
    let ids = [
        "4f2a9c0de1b83756a0c4d2f19e7b6385",
        "4f2a9c0de1b83756a0c4d2f19e7b6386",
    ]
    .map(|id| id.parse().unwrap());
    let salts = [[1; 32], [2; 32]]
        .map(|secret| ids.map(|id| LogSecret::from_bytes(secret).salt(id).to_string()));
    assert_eq!(salts[0][0].len(), 32);
    assert_ne!(salts[0][0], salts[0][1]);
    assert_ne!(salts[0][0], salts[1][0]);
    assert_eq!(
        salts[0][0],
        LogSecret::from_bytes([1; 32]).salt(ids[0]).to_string()
    );
}

#[test]
fn receipts_with_and_without_proof_are_verified() {
    let key = key();
    let alone = ReceiptFile::new(statement().sign(&key).unwrap());
    let parsed = ReceiptFile::parse(&alone.to_string()).unwrap();
    assert_eq!(parsed, alone);
    let verified = parsed.verify(&[key.verifier()]).unwrap();
    assert_eq!((verified.statement, verified.index), (statement(), None));
    for (index, size) in [(0, 1), (0, 2), (1, 2), (5, 300), (299, 300), (256, 257)] {
        let file = logged(&key, index, size);
        let text = file.to_string();
        let parsed = ReceiptFile::parse(&text).unwrap();
        assert_eq!(parsed.to_string(), text);
        assert!(parsed.has_proof());
        let verified = parsed.verify(&[key.verifier()]).unwrap();
        assert_eq!(verified.statement, statement());
        assert_eq!(verified.index, Some(index));
        assert_eq!(verified.checkpoint.unwrap().size, size);
    }
}

#[test]
fn a_new_key_of_the_log_proves_receipts_of_the_old_one() {
    let (old, new) = (key(), SigningKey::from_seed(LOG.parse().unwrap(), &[8; 32]));
    let receipt = ReceiptFile::new(statement().sign(&old).unwrap()).to_string();
    let proof = logged(&new, 3, 9).to_string();
    let proof = InclusionProof::parse(&proof[proof.find("c2sp.org").unwrap()..]).unwrap();
    let file = ReceiptFile::parse(&receipt).unwrap().with_proof(proof);
    assert!(file.verify(&[old.verifier(), new.verifier()]).is_ok());
    let error = file.verify(&[new.verifier()]).unwrap_err();
    assert_eq!(error.kind(), ReceiptErrorKind::UnknownKey);
}

#[test]
fn a_proof_of_another_entry_or_log_is_refused() {
    let key = key();
    let file = logged(&key, 2, 5);
    let other = Statement {
        size: 4,
        ..statement()
    };
    let text = file.to_string();
    let proof = InclusionProof::parse(&text[text.find("c2sp.org").unwrap()..]).unwrap();
    let moved = ReceiptFile::new(other.sign(&key).unwrap()).with_proof(proof);
    let error = moved.verify(&[key.verifier()]).unwrap_err();
    assert_eq!(error.kind(), ReceiptErrorKind::WrongProof);

    let foreign = SigningKey::from_seed("example.com/other".parse().unwrap(), &[3; 32]);
    let error = statement().sign(&foreign).unwrap_err();
    assert_eq!(error.kind(), ReceiptErrorKind::OtherLog);
}

#[test]
fn a_receipt_is_never_a_checkpoint_nor_the_other_way_round() {
    let key = key();
    let keys: [VerifierKey; 1] = [key.verifier()];
    let receipt = statement().sign(&key).unwrap();
    assert_eq!(
        Checkpoint::verify(&receipt, &keys).unwrap_err().kind(),
        ReceiptErrorKind::Malformed
    );
    let checkpoint = Checkpoint::new(LOG.parse().unwrap(), 0, TreeHash::of_nothing()).sign(&key);
    assert_eq!(
        Statement::verify(&checkpoint, &keys).unwrap_err().kind(),
        ReceiptErrorKind::Malformed
    );
}

#[test]
fn values_that_would_break_the_lines_are_refused() {
    for bad in ["", "a\nb", "a\0", "a\u{7f}", "a\u{85}b"] {
        for field in 0..2 {
            let mut statement = statement();
            let value = if field == 0 {
                &mut statement.experiment
            } else {
                &mut statement.depositor
            };
            *value = bad.to_owned();
            assert_eq!(
                statement.to_text().unwrap_err().kind(),
                ReceiptErrorKind::InvalidValue
            );
        }
    }
    let odd = Statement {
        depositor: "auth0|Zoë — size 9".to_owned(),
        ..statement()
    };
    assert_eq!(Statement::parse(&odd.to_text().unwrap()), Ok(odd));
}

#[test]
fn a_receipt_that_another_implementation_made_is_verified() {
    // Made in Python, with the package `cryptography`.
    let text = include_str!("../../../fuzz/corpus/receipt/good");
    let key = SigningKey::from_seed("example.com/fuzz".parse().unwrap(), &[1; 32]);
    let file = ReceiptFile::parse(text).unwrap();
    let verified = file.verify(&[key.verifier()]).unwrap();
    assert_eq!((verified.statement.size, verified.index), (3, Some(1)));
    assert_eq!(verified.checkpoint.unwrap().size, 3);
}
