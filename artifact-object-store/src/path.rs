//! Paths: the text of an id.

use artifact_backend::ArtifactId;
use object_store::path::Path;

/// Returns the path of a new random id, for the next store.
///
/// # Panics
///
/// If the operating system has no random source.
#[must_use = "a path is useful only if a blob is stored under it"]
pub fn new_path() -> Path {
    path_of(ArtifactId::mint())
}

/// Returns the path of a blob: its id, as 32 lower-case hexadecimal digits.
pub fn path_of(id: ArtifactId) -> Path {
    Path::from(id.to_string())
}

/// Returns the id of a path, or `None` if the path is anything but 32 lower-case hexadecimal digits.
///
/// ```
/// use artifact_object_store::{id_of, path_of};
///
/// let path = "00112233445566778899aabbccddeeff".into();
/// assert_eq!(path_of(id_of(&path).unwrap()), path);
/// assert!(id_of(&"reports/00112233445566778899aabbccddeeff".into()).is_none());
/// ```
pub fn id_of(path: &Path) -> Option<ArtifactId> {
    ArtifactId::from_ascii(path.as_ref().as_bytes()).ok()
}
