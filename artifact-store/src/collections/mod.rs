//! Collections: sets of files with names that are given once.

mod catalog;
mod collection;
mod file;
mod id;
mod listing;
mod manifest;
mod path;
mod place;
mod position;
mod store;

pub use catalog::{CollectionCatalog, NameBound};
pub use collection::Collection;
pub use file::{CollectionFile, FileLocation, FileState};
pub use id::{CollectionId, InvalidCollectionId};
pub use listing::{FilePage, FileQuery};
pub use manifest::{ManifestDigest, ManifestReader};
pub use path::{CollectionPath, InvalidCollectionPath};
pub(crate) use place::FilePlace;
pub use position::CollectionPosition;
pub use store::CollectionStore;
