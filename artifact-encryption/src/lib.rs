#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod backend;
mod cipher;
mod download;
mod error;
mod key;
mod message;
mod open;
mod seal;
mod upload;

pub use backend::EncryptedBackend;
pub use key::{EncryptionKey, EncryptionKeys, InvalidKeyLength};
