//! The checks of the fuzz targets. They do not depend on libFuzzer, so that ordinary tests can replay a corpus.

pub mod artifact_uri;
pub mod backend_ops;
pub mod multipart;
pub mod opaque_id;
