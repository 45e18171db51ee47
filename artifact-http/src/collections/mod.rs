//! The endpoints under `/v1/experiments/{E}/collections`.

mod bodies;
mod collection;
mod create;
mod file;
mod list;
mod manifest;
mod name;
mod put;
mod seal;

use artifact_store::CollectionStore;

pub(crate) use self::collection::{DeleteCollection, ReadCollection};
pub(crate) use self::create::{CreateCollection, ListCollections};
pub(crate) use self::file::{DeleteFile, FetchFile};
pub(crate) use self::list::ListFiles;
pub(crate) use self::manifest::ReadManifest;
pub(crate) use self::name::NameInPath;
pub(crate) use self::put::PutFile;
pub(crate) use self::seal::SealCollection;
use crate::problem::Problem;
use crate::router::Service;

/// Returns the store of collections of a router that has these endpoints.
fn collections(service: &Service) -> Result<&CollectionStore, Problem> {
    let collections = service.config.collections();
    collections.ok_or_else(|| Problem::internal("this router has no collections"))
}
