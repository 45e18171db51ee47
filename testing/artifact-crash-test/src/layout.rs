//! Maps paths in a root to blobs, so that thousands of states can be checked without starting a program.

use std::path::Path;

use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::finding::Visible;
use crate::tree;

/// The kind of a path in a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathKind {
    /// The blob of this id.
    Blob(String),
    /// A leftover or one of the store's own files.
    Scratch,
    /// Neither of them: no file is allowed here.
    Stray,
}

/// Patterns of the paths, relative to the root, where blobs and leftovers lie.
///
/// A pattern is a list of components separated by `/`:
///
/// - `*` matches any one name; as the last component it matches one or more names.
/// - `{id}` matches any one name.
/// - `{hexN}` matches a name of exactly N lower-case hex digits.
/// - `{mendedN}` matches such a name in which dots replace some digits. e2fsck(8) produces such a name
///   when it repairs a directory entry that was torn on its way to the disk.
///
/// The id of a blob is the name that the last component in braces matched. Every file that no pattern
/// matches is a stray file.
///
/// ```
/// use artifact_crash_test::{Layout, PathKind};
///
/// let layout = Layout::new(["{hex2}/{hex32}"], ["staging/*", "FORMAT"])?;
/// let id = "00112233445566778899aabbccddeeff";
/// assert_eq!(layout.path_kind(format!("00/{id}").as_ref()), PathKind::Blob(id.into()));
/// assert_eq!(layout.path_kind("staging/a/b".as_ref()), PathKind::Scratch);
/// assert_eq!(layout.path_kind(format!("00/{id}.tmp").as_ref()), PathKind::Stray);
/// # Ok::<(), artifact_crash_test::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Layout {
    blobs: Vec<Pattern>,
    scratch: Vec<Pattern>,
}

#[derive(Debug, Clone)]
struct Pattern(Vec<Component>);

#[derive(Debug, Clone)]
enum Component {
    Exactly(String),
    Any,
    Id,
    Hex(usize),
    Mended(usize),
}

impl Layout {
    /// Parses the patterns of blobs, and the patterns of leftovers and the store's own files.
    ///
    /// # Errors
    ///
    /// If a pattern has braces other than `{id}`, `{hexN}` and `{mendedN}`, or a blob pattern has neither
    /// `{id}` nor `{hexN}`.
    pub fn new<'a>(
        blobs: impl IntoIterator<Item = &'a str>,
        scratch: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self> {
        let blobs = blobs
            .into_iter()
            .map(Pattern::parse)
            .collect::<Result<Vec<_>>>()?;
        if blobs.iter().any(|pattern| !pattern.captures_id()) {
            return Err(Error::new(
                ErrorKind::Subject,
                "a blob pattern must contain {id} or {hexN}",
            ));
        }
        let scratch = scratch
            .into_iter()
            .map(Pattern::parse)
            .collect::<Result<_>>()?;
        Ok(Self { blobs, scratch })
    }

    /// Returns the kind of `path`, which is relative to the root.
    pub fn path_kind(&self, path: &Path) -> PathKind {
        let Some(names) = path
            .iter()
            .map(|name| name.to_str())
            .collect::<Option<Vec<_>>>()
        else {
            return PathKind::Stray;
        };
        if let Some(id) = self
            .blobs
            .iter()
            .find_map(|pattern| pattern.matches(&names))
        {
            PathKind::Blob(id)
        } else if self
            .scratch
            .iter()
            .any(|pattern| pattern.matches(&names).is_some())
        {
            PathKind::Scratch
        } else {
            PathKind::Stray
        }
    }

    /// Reads what is visible below a mounted root. Does not follow links.
    ///
    /// # Errors
    ///
    /// If a folder cannot be read. A file that cannot be read is [`Visible::Unreadable`].
    pub fn inspect(&self, root: &Path) -> std::io::Result<Vec<Visible>> {
        Ok(self.classify(tree::read(root)?))
    }

    /// Classifies each file by its path. Skips leftovers and the store's own files.
    pub(crate) fn classify<P: AsRef<Path>>(
        &self,
        files: impl IntoIterator<Item = (P, Result<Digest, String>)>,
    ) -> Vec<Visible> {
        let mut visible = Vec::new();
        for (path, digest) in files {
            let path = path.as_ref();
            match (self.path_kind(path), digest) {
                (PathKind::Scratch, _) => {}
                (PathKind::Stray, _) => visible.push(Visible::Stray(path.display().to_string())),
                (PathKind::Blob(id), Ok(digest)) => visible.push(Visible::Blob(id, digest)),
                (PathKind::Blob(id), Err(why)) => visible.push(Visible::Unreadable(id, why)),
            }
        }
        visible
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self> {
        let component = |name: &str| match name {
            "*" => Ok(Component::Any),
            "{id}" => Ok(Component::Id),
            _ if !name.contains(['{', '}']) => Ok(Component::Exactly(name.to_owned())),
            _ => digit_count("{hex", name)
                .map(Component::Hex)
                .or_else(|| digit_count("{mended", name).map(Component::Mended))
                .ok_or_else(|| {
                    let message = format!(
                        "unknown braces in the pattern {text}: use {{id}}, {{hexN}} or {{mendedN}}"
                    );
                    Error::new(ErrorKind::Subject, message)
                }),
        };
        text.split('/')
            .map(component)
            .collect::<Result<_>>()
            .map(Self)
    }

    fn captures_id(&self) -> bool {
        self.0
            .iter()
            .any(|component| matches!(component, Component::Id | Component::Hex(_)))
    }

    /// Returns the captured id, which is empty if the pattern captures none, or `None` if the path does
    /// not match.
    fn matches(&self, names: &[&str]) -> Option<String> {
        let open_ended = matches!(self.0.last(), Some(Component::Any));
        if names.len() != self.0.len() && !(open_ended && names.len() > self.0.len()) {
            return None;
        }
        let mut id = "";
        for (component, name) in self.0.iter().zip(names) {
            let matches = match component {
                Component::Exactly(text) => text == name,
                Component::Any => true,
                Component::Id => {
                    id = name;
                    true
                }
                Component::Hex(digits) => {
                    id = name;
                    name.len() == *digits && name.bytes().all(is_hex)
                }
                Component::Mended(digits) => {
                    let mended = |byte| byte == b'.' || is_hex(byte);
                    name.len() == *digits && name.contains('.') && name.bytes().all(mended)
                }
            };
            if !matches {
                return None;
            }
        }
        Some(id.to_owned())
    }
}

/// Returns the number N of a component such as `{hexN}`.
fn digit_count(open: &str, component: &str) -> Option<usize> {
    component
        .strip_prefix(open)?
        .strip_suffix('}')?
        .parse()
        .ok()
}

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_pattern_without_an_id_is_rejected() {
        assert!(Layout::new(["blobs/*"], []).is_err());
        assert!(Layout::new(["{hexx}"], []).is_err());
        assert!(Layout::new(["a{id}"], []).is_err());
    }

    #[test]
    fn a_pattern_matches_the_whole_path() {
        let layout = Layout::new(["blobs/{id}"], ["FORMAT"]).unwrap();
        assert_eq!(
            layout.path_kind("blobs/a".as_ref()),
            PathKind::Blob("a".into())
        );
        assert_eq!(layout.path_kind("a".as_ref()), PathKind::Stray);
        assert_eq!(layout.path_kind("blobs/a/b".as_ref()), PathKind::Stray);
        assert_eq!(layout.path_kind("FORMAT/x".as_ref()), PathKind::Stray);
    }

    #[test]
    fn a_name_repaired_by_e2fsck_is_not_a_blob() {
        let layout = Layout::new(["blobs/{hex4}"], ["blobs/{mended4}"]).unwrap();
        assert_eq!(
            layout.path_kind("blobs/00ff".as_ref()),
            PathKind::Blob("00ff".into())
        );
        assert_eq!(layout.path_kind("blobs/00..".as_ref()), PathKind::Scratch);
        assert_eq!(layout.path_kind("blobs/...".as_ref()), PathKind::Stray);
        assert_eq!(layout.path_kind("blobs/x...".as_ref()), PathKind::Stray);
        assert!(Layout::new(["blobs/{mended4}"], []).is_err());
    }
}
