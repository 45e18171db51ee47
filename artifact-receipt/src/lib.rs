#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]

mod base64;
mod error;

mod key;
mod key_name;
mod note;

mod frontier;
mod hash;
mod proofs;
mod subtree;
mod tile;
mod tile_set;

mod checkpoint;
mod inclusion;
mod receipt;
mod secret;
mod statement;

pub use checkpoint::Checkpoint;
pub use error::{ReceiptError, ReceiptErrorKind};
pub use frontier::Frontier;
pub use hash::{TreeHash, sha256};
pub use inclusion::{InclusionProof, UnsignedProof};
pub use key::{SigningKey, VerifierKey};
pub use key_name::KeyName;
pub use note::SignedNote;
pub use proofs::{consistency_proof, inclusion_proof, verify_consistency, verify_inclusion};
pub use receipt::{ReceiptFile, VerifiedReceipt};
pub use secret::{LogSecret, Salt};
pub use statement::Statement;
pub use tile::{HashNode, TileId};
pub use tile_set::TileSet;
