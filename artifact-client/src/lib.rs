//! An async HTTP client of an artifact server: streaming, with verified digests.
