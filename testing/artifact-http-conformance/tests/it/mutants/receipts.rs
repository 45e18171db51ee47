//! Mutations of receipts and of the log.

use artifact_store::artifact_receipt::{
    Checkpoint, ReceiptFile, SignedNote, SigningKey, Statement, TreeHash,
};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderName;
use http::request::Parts;

use super::mutation::{Memory, MutableResponse, Mutation};

const RECEIPT: HeaderName = HeaderName::from_static("artifact-receipt");

/// The key of the server, also of a wrong one.
pub(crate) fn key() -> SigningKey {
    SigningKey::from_seed("example.com/conformance".parse().unwrap(), &[5; 32])
}

/// Changes one character in the middle of the first signature.
fn with_wrong_signature(text: &str) -> String {
    let dash = text.find("\n— ").unwrap();
    let at = dash + text[dash..].find(' ').unwrap() + 60;
    let other = if text.as_bytes()[at] == b'A' {
        "B"
    } else {
        "A"
    };
    format!("{}{other}{}", &text[..at], &text[at + 1..])
}

/// Signs a statement that is not true.
fn with_other_size(text: &str) -> String {
    let (note, proof) = text
        .split_once("\n\nc2sp.org")
        .map_or((text.to_owned(), None), |(note, proof)| {
            (format!("{note}\n"), Some(format!("\nc2sp.org{proof}")))
        });
    let note = SignedNote::parse(&note).unwrap();
    let mut statement = Statement::verify(&note, &[key().verifier()]).unwrap();
    statement.size += 1;
    let signed = ReceiptFile::new(statement.sign(&key()).unwrap()).to_string();
    signed + &proof.unwrap_or_default()
}

fn resigned(text: &str, change: impl FnOnce(&mut Checkpoint)) -> String {
    let note = SignedNote::parse(text).unwrap();
    let mut checkpoint = Checkpoint::verify(&note, &[key().verifier()]).unwrap();
    change(&mut checkpoint);
    checkpoint.sign(&key()).to_string()
}

impl Mutation {
    fn changes_receipt(self, text: &str) -> Option<String> {
        match self {
            Self::ReceiptSignatureWrong => Some(with_wrong_signature(text)),
            Self::ReceiptOfOtherSize => Some(with_other_size(text)),
            Self::ReceiptNotInLog => {
                let at = text.find("\nindex ")? + 7;
                let end = at + text[at..].find('\n')?;
                let index: u64 = text[at..end].parse().unwrap();
                let other = if index == 0 { 1 } else { index - 1 };
                Some(format!("{}{other}{}", &text[..at], &text[end..]))
            }
            Self::ReceiptWithoutProof => {
                let at = text.find("\nc2sp.org")?;
                Some(text[..at].to_owned())
            }
            _ => None,
        }
    }

    pub(super) fn mutate_receipt_response(
        self,
        request: &Parts,
        response: &mut MutableResponse,
        memory: &Memory,
    ) {
        let path = request.uri.path();
        let status = response.status.as_u16();
        if let Some(value) = response.fields.get(RECEIPT) {
            let value = value.to_str().unwrap().trim_matches(':').to_owned();
            let text = String::from_utf8(BASE64_STANDARD.decode(value).unwrap()).unwrap();
            if self == Self::ReceiptFieldIgnored {
                response.fields.remove(RECEIPT);
            } else if let Some(changed) = self.changes_receipt(&text) {
                response.set(&RECEIPT, &format!(":{}:", BASE64_STANDARD.encode(changed)));
            }
        }
        if status == 200 && path.ends_with("/receipt") {
            let text = String::from_utf8_lossy(&response.body).into_owned();
            if let Some(changed) = self.changes_receipt(&text) {
                response.body = changed.into_bytes();
            }
        }
        if status == 403 && path.ends_with("/receipt") && self == Self::ReceiptForEveryone {
            response.status = http::StatusCode::OK;
        }
        if status == 400 && self == Self::ReceiptFieldUnchecked && path.ends_with("/artifacts") {
            response.status = http::StatusCode::CREATED;
        }
        if status == 200 && path == "/log/checkpoint" && response.body.len() > 1 {
            self.mutate_checkpoint(response, memory);
        }
        if status == 404 && self == Self::TileMadeUp && path.starts_with("/log/tile/") {
            response.status = http::StatusCode::OK;
            response.body = vec![0; 32];
        }
        if status == 200 && self == Self::TileChanged && path.starts_with("/log/tile/") {
            response.body[0] ^= 1;
        }
    }

    fn mutate_checkpoint(self, response: &mut MutableResponse, memory: &Memory) {
        let text = String::from_utf8_lossy(&response.body).into_owned();
        let changed = match self {
            // The tree of another log, of the same size.
            Self::CheckpointForks => resigned(&text, |checkpoint| {
                checkpoint.root = TreeHash::of_leaf(checkpoint.root.as_bytes());
            }),
            // The first one that was published, for ever.
            Self::CheckpointShrinks => {
                let mut first = memory.checkpoint.lock().unwrap();
                first.get_or_insert(text).clone()
            }
            Self::CheckpointSignatureWrong => with_wrong_signature(&text),
            _ => return,
        };
        response.body = changed.into_bytes();
    }
}
