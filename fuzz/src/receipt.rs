//! Target `receipt`: parsers of notes, receipts, proofs, checkpoints, keys and paths of tiles. What they accept prints as it was read. The
//! only receipt that a key verifies is the one that it has signed, whatever was changed in its text.

use artifact_receipt::{
    Checkpoint, Frontier, InclusionProof, LogSecret, ReceiptFile, SignedNote, SigningKey,
    Statement, TileId, TileSet, TreeHash, VerifierKey, sha256,
};

/// Runs the check. Panics if a rule is broken.
pub fn check(data: &[u8]) {
    if let Ok(text) = str::from_utf8(data) {
        check_texts(text);
    }
    check_changed(data);
}

fn check_texts(text: &str) {
    let honest = honest();
    let keys = [key().verifier()];
    if let Ok(note) = SignedNote::parse(text) {
        assert_eq!(note.to_string(), text);
        if let Ok(checkpoint) = Checkpoint::verify(&note, &keys) {
            assert_eq!(checkpoint, honest.checkpoint, "a forged checkpoint");
        }
    }
    if let Ok(file) = ReceiptFile::parse(text) {
        assert_eq!(file.to_string(), text);
        if let Ok(verified) = file.verify(&keys) {
            assert_eq!(verified.statement, honest.statement, "a forged receipt");
        }
    }
    if let Ok(proof) = InclusionProof::parse(text) {
        assert_eq!(proof.to_string(), text);
        let other = TreeHash::of_leaf(b"another leaf");
        assert!(proof.verify(other, &keys).is_err(), "a forged proof");
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
        assert!(tile.width() <= TileId::WIDTH && tile.level() <= TileId::MAX_LEVEL);
    }
}

/// Changes bytes of a good receipt: two bytes say where, one says how.
fn check_changed(changes: &[u8]) {
    let honest = honest();
    let mut bytes = honest.text.clone().into_bytes();
    for change in changes.as_chunks::<3>().0.iter().take(16) {
        let place = usize::from(u16::from_le_bytes([change[0], change[1]])) % bytes.len();
        bytes[place] ^= change[2];
    }
    let is_changed = bytes != honest.text.as_bytes();
    if let Ok(text) = String::from_utf8(bytes) {
        let verified =
            ReceiptFile::parse(&text).is_ok_and(|file| file.verify(&[key().verifier()]).is_ok());
        assert_eq!(verified, !is_changed, "{text}");
    }
}

fn key() -> SigningKey {
    let name = "example.com/fuzz".parse().expect("it is a name");
    SigningKey::from_seed(name, &[1; 32])
}

/// What the key has signed.
struct Honest {
    statement: Statement,
    checkpoint: Checkpoint,
    text: String,
}

fn honest() -> Honest {
    let key = key();
    let id = "4f2a9c0de1b83756a0c4d2f19e7b6385"
        .parse()
        .expect("it is an id");
    let statement = Statement {
        log: key.name().clone(),
        id,
        experiment: "default".to_owned(),
        depositor: "admin".to_owned(),
        size: 3,
        sha256: sha256(b"abc"),
        created_at: "2026-01-02T03:04:05.000006Z".parse().expect("it is a time"),
        salt: LogSecret::from_bytes([2; 32]).salt(id),
    };
    let (mut log, mut tiles) = (Frontier::default(), TileSet::default());
    let leaf = statement.leaf_hash().expect("the values are valid");
    for leaf in [TreeHash::of_leaf(b"0"), leaf, TreeHash::of_leaf(b"2")] {
        tiles.extend(log.push(leaf));
    }
    let checkpoint = Checkpoint::new(key.name().clone(), log.size(), log.root());
    let proof = InclusionProof::of(&tiles, 1, 3).expect("the tiles are there");
    let receipt = statement.sign(&key).expect("the values are valid");
    let file = ReceiptFile::new(receipt).with_proof(proof.with_checkpoint(checkpoint.sign(&key)));
    Honest {
        statement,
        checkpoint,
        text: file.to_string(),
    }
}
