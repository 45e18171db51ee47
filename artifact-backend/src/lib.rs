#![doc = include_str!("../README.md")]

mod backend;
#[cfg(feature = "blocking")]
pub mod blocking;
mod chunk_size;
mod clock;
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
mod layer;
mod ownership;
pub mod random;
mod range;
mod stamp;
mod store_id;
mod upload;
mod uri;

#[doc(no_inline)]
pub use ::async_trait::{self, async_trait};
#[doc(no_inline)]
pub use ::bytes;
pub use backend::ArtifactBackend;
pub use chunk_size::ChunkSize;
pub use clock::{Clock, ManualClock, SystemClock};
pub use digest::{ParseDigestError, Sha256Digest};
pub use download::Download;
pub use error::{BoxError, Error, ErrorKind, Operation, Result};
pub use ext::{ArtifactBackendExt, StreamUploadError};
pub use id::{ArtifactId, ParseIdError};
pub use inventory::{ArtifactInventory, BlobList, BlobStat, SweepReport};
pub use layer::Layer;
pub use ownership::{Ownership, OwnershipError};
pub use range::{ByteRange, RangeNotSatisfiable};
pub use stamp::Stamp;
pub use store_id::{ParseStoreIdError, StoreId};
pub use upload::Upload;
pub use uri::{ArtifactUri, InvalidUriPrefix, ParseUriError, UriPrefix};
