//! Paths: the text of an id.

use artifact_backend::ArtifactId;

/// Returns the path of a new random id, for the next write. An id prints as its path.
///
/// # Panics
///
/// If the operating system has no random source.
#[must_use = "a path is useful only if a blob is stored under it"]
pub fn new_path() -> String {
    ArtifactId::mint().to_string()
}

/// Returns the id of a path, or `None` if the path is anything but 32 lower-case hexadecimal digits.
pub(crate) fn id_of(path: &str) -> Option<ArtifactId> {
    ArtifactId::from_ascii(path.as_bytes()).ok()
}
