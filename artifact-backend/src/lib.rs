#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod backend;
mod background;
#[cfg(feature = "blocking")]
pub mod blocking;
#[cfg(feature = "blocking-api")]
mod blocking_backend;
#[cfg(feature = "blocking-api")]
mod blocking_io;
#[cfg(feature = "http-body")]
mod body;
mod chunk_size;
mod clock;
mod conversions;
mod digest;
mod download;
mod error;
#[doc(hidden)]
pub mod error_repr;
mod ext;
#[doc(hidden)]
pub mod forwarding;
mod hex;
#[doc(hidden)]
pub mod host;
mod id;
mod inventory;
mod io_error;
mod layer;
#[cfg(feature = "metrics")]
pub mod metrics;
mod noted;
mod ownership;
pub mod random;
mod range;
#[cfg(feature = "tokio-io")]
mod reader;
#[cfg(feature = "schemars")]
mod schema;
#[cfg(feature = "serde")]
mod serde_impl;
mod shard;
#[doc(hidden)]
pub mod smallest;
mod stamp;
mod store_id;
mod upload;
mod uri;
#[cfg(feature = "tokio-io")]
mod writer;

#[doc(no_inline)]
pub use ::async_trait::{self, async_trait};
#[doc(no_inline)]
pub use ::bytes;
pub use backend::ArtifactBackend;
pub use background::{background, is_background};
#[cfg(feature = "blocking-api")]
pub use blocking_backend::BlockingBackend;
#[cfg(feature = "blocking-api")]
pub use blocking_io::{BlockingDownload, BlockingList, BlockingUpload};
pub use chunk_size::ChunkSize;
pub use clock::{Clock, ManualClock, SystemClock};
pub use digest::{ParseDigestError, Sha256Digest};
pub use download::Download;
pub use error::{BoxError, Error, ErrorKind, Operation, Result};
pub use ext::{ArtifactBackendExt, StreamUploadError};
pub use id::{ArtifactId, ParseIdError};
pub use inventory::{ArtifactInventory, BlobList, BlobStat, SweepReport};
pub use layer::Layer;
pub use noted::{
    MAX_NOTE_BYTES, NoteEvent, NoteEvents, NoteLog, NotePosition, NoteReplay, NotedBackend,
    NotedUpload,
};
pub use ownership::{Ownership, OwnershipError};
pub use range::{ByteRange, RangeNotSatisfiable};
#[cfg(feature = "tokio-io")]
pub use reader::DownloadReader;
pub use shard::Shard;
pub use stamp::Stamp;
pub use store_id::{ParseStoreIdError, StoreId};
pub use upload::Upload;
pub use uri::{ArtifactUri, InvalidUriPrefix, ParseUriError, UriPrefix};
#[cfg(feature = "tokio-io")]
pub use writer::UploadWriter;
