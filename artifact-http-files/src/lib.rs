#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod conditional;
mod content_coding;
mod declared_name;
mod digest_fields;
mod disposition;
mod fetch;
mod file_body;
mod file_fields;
mod idempotency_key;
mod range;
mod receive_error;
mod receive_rules;
mod received_file;
mod selection;
mod source;
mod want_digest;

pub use conditional::{Verdict, evaluate};
pub use content_coding::keep_unencoded;
pub use digest_fields::{CONTENT_DIGEST, DigestCheck, MalformedDigest, REPR_DIGEST, digest_value};
pub use disposition::attachment;
pub use fetch::respond;
pub use file_body::FileBody;
pub use file_fields::{FileFields, unsatisfied_range};
pub use idempotency_key::{IDEMPOTENCY_KEY, idempotency_key};
pub use range::parse_range;
pub use receive_error::{ReceiveError, ReceiveErrorKind};
pub use receive_rules::{check_content_head, check_head, least_size_in_form};
pub use received_file::ReceivedFile;
pub use selection::Selection;
pub use want_digest::{DigestAlgorithm, WANT_CONTENT_DIGEST, WANT_REPR_DIGEST, wanted_digest};
