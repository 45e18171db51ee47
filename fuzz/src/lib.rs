//! The checks of the fuzz targets, without libFuzzer, so that ordinary tests can replay a corpus.

pub mod archive;
pub mod artifact_uri;
pub mod backend_ops;
pub mod bearer;
pub mod collection_name;
pub mod content_disposition;
pub mod digest_fields;
pub mod http_range;
pub mod json_bodies;
pub mod link_secret;
pub mod multipart;
pub mod opaque_id;
pub mod pack_recovery;
pub mod receipt;
