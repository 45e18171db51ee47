#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod boundary;
mod delimiter;
mod disposition;
mod error;
mod head;
mod parameters;
mod parser;

pub use boundary::Boundary;
pub use disposition::Disposition;
pub use error::Error;
pub use head::PartHead;
pub use parser::{Event, MAX_FIELDS, MAX_OVERHEAD, Parser};
