//! Which path in a root is which blob: for checking thousands of states without starting a program.

use std::path::Path;

use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::finding::Visible;
use crate::tree;

/// What a path in the root is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The blob of this id.
    Blob(String),
    /// Where leftovers and the store's own files may lie.
    Scratch,
    /// Neither: nothing may lie here.
    Stray,
}

/// Where blobs and leftovers lie, as patterns of paths relative to the root.
///
/// A pattern is components apart by `/`. `*` is any one name, and at the end any names; `{id}` is any
/// one name; `{hexN}` is a name of exactly N hex digits in lower case; `{mendedN}` is such a name with
/// dots in place of some digits, which is what e2fsck(8) makes of a name that was torn on its way to the
/// disk. A blob's id is what its last component in braces matched. Every file that no pattern matches is
/// a stray.
///
/// ```
/// use artifact_crash_test::{Layout, Place};
///
/// let layout = Layout::new(["{hex2}/{hex32}"], ["staging/*", "FORMAT"])?;
/// let id = "00112233445566778899aabbccddeeff";
/// assert_eq!(layout.place(format!("00/{id}").as_ref()), Place::Blob(id.into()));
/// assert_eq!(layout.place("staging/a/b".as_ref()), Place::Scratch);
/// assert_eq!(layout.place(format!("00/{id}.tmp").as_ref()), Place::Stray);
/// # Ok::<(), artifact_crash_test::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Layout {
    blobs: Vec<Pattern>,
    scratch: Vec<Pattern>,
}

#[derive(Debug, Clone)]
struct Pattern(Vec<Part>);

#[derive(Debug, Clone)]
enum Part {
    Exactly(String),
    Any,
    Id,
    Hex(usize),
    Mended(usize),
}

impl Layout {
    /// A layout out of the patterns of blobs and those of leftovers and the store's own files.
    ///
    /// # Errors
    ///
    /// Braces other than `{id}`, `{hexN}` and `{mendedN}`, or a blob's pattern without any.
    pub fn new<'a>(
        blobs: impl IntoIterator<Item = &'a str>,
        scratch: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self> {
        let blobs = blobs
            .into_iter()
            .map(Pattern::parse)
            .collect::<Result<Vec<_>>>()?;
        if blobs.iter().any(|pattern| !pattern.names_an_id()) {
            return Err(Error::new(
                ErrorKind::Subject,
                "a blob's pattern needs {id} or {hexN}",
            ));
        }
        let scratch = scratch
            .into_iter()
            .map(Pattern::parse)
            .collect::<Result<_>>()?;
        Ok(Self { blobs, scratch })
    }

    /// What `path`, relative to the root, is.
    pub fn place(&self, path: &Path) -> Place {
        let Some(names) = path
            .iter()
            .map(|name| name.to_str())
            .collect::<Option<Vec<_>>>()
        else {
            return Place::Stray;
        };
        if let Some(id) = self
            .blobs
            .iter()
            .find_map(|pattern| pattern.matches(&names))
        {
            Place::Blob(id)
        } else if self
            .scratch
            .iter()
            .any(|pattern| pattern.matches(&names).is_some())
        {
            Place::Scratch
        } else {
            Place::Stray
        }
    }
    /// What is visible below a root that is mounted, read now. Links are not followed.
    ///
    /// # Errors
    ///
    /// When a folder cannot be read. A file that cannot be is [`Visible::Unreadable`].
    pub fn look(&self, root: &Path) -> std::io::Result<Vec<Visible>> {
        Ok(self.judge(tree::read(root)?))
    }

    /// Each file in its place; what lies where leftovers may lie is nobody's business.
    pub(crate) fn judge<P: AsRef<Path>>(
        &self,
        files: impl IntoIterator<Item = (P, Result<Digest, String>)>,
    ) -> Vec<Visible> {
        let mut visible = Vec::new();
        for (path, digest) in files {
            let path = path.as_ref();
            match (self.place(path), digest) {
                (Place::Scratch, _) => {}
                (Place::Stray, _) => visible.push(Visible::Stray(path.display().to_string())),
                (Place::Blob(id), Ok(digest)) => visible.push(Visible::Blob(id, digest)),
                (Place::Blob(id), Err(why)) => visible.push(Visible::Unreadable(id, why)),
            }
        }
        visible
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self> {
        let part = |part: &str| match part {
            "*" => Ok(Part::Any),
            "{id}" => Ok(Part::Id),
            _ if !part.contains(['{', '}']) => Ok(Part::Exactly(part.to_owned())),
            _ => counted("{hex", part)
                .map(Part::Hex)
                .or_else(|| counted("{mended", part).map(Part::Mended))
                .ok_or_else(|| {
                    Error::new(ErrorKind::Subject, format!("cannot read pattern {text}"))
                }),
        };
        text.split('/').map(part).collect::<Result<_>>().map(Self)
    }

    fn names_an_id(&self) -> bool {
        self.0
            .iter()
            .any(|part| matches!(part, Part::Id | Part::Hex(_)))
    }

    /// The id, empty if the pattern names none; `None` if the path is another.
    fn matches(&self, names: &[&str]) -> Option<String> {
        let open = matches!(self.0.last(), Some(Part::Any));
        if names.len() != self.0.len() && !(open && names.len() > self.0.len()) {
            return None;
        }
        let mut id = "";
        for (part, name) in self.0.iter().zip(names) {
            let fits = match part {
                Part::Exactly(text) => text == name,
                Part::Any => true,
                Part::Id => {
                    id = name;
                    true
                }
                Part::Hex(digits) => {
                    id = name;
                    name.len() == *digits && name.bytes().all(is_hex)
                }
                Part::Mended(digits) => {
                    let mended = |byte| byte == b'.' || is_hex(byte);
                    name.len() == *digits && name.contains('.') && name.bytes().all(mended)
                }
            };
            if !fits {
                return None;
            }
        }
        Some(id.to_owned())
    }
}

/// The number of `{nameN}`.
fn counted(open: &str, part: &str) -> Option<usize> {
    part.strip_prefix(open)?.strip_suffix('}')?.parse().ok()
}

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_that_names_no_id_is_refused() {
        assert!(Layout::new(["blobs/*"], []).is_err());
        assert!(Layout::new(["{hexx}"], []).is_err());
        assert!(Layout::new(["a{id}"], []).is_err());
    }

    #[test]
    fn a_path_is_matched_as_a_whole() {
        let layout = Layout::new(["blobs/{id}"], ["FORMAT"]).unwrap();
        assert_eq!(layout.place("blobs/a".as_ref()), Place::Blob("a".into()));
        assert_eq!(layout.place("a".as_ref()), Place::Stray);
        assert_eq!(layout.place("blobs/a/b".as_ref()), Place::Stray);
        assert_eq!(layout.place("FORMAT/x".as_ref()), Place::Stray);
    }

    #[test]
    fn a_mended_name_has_a_dot_and_is_no_blob() {
        let layout = Layout::new(["blobs/{hex4}"], ["blobs/{mended4}"]).unwrap();
        assert_eq!(
            layout.place("blobs/00ff".as_ref()),
            Place::Blob("00ff".into())
        );
        assert_eq!(layout.place("blobs/00..".as_ref()), Place::Scratch);
        assert_eq!(layout.place("blobs/...".as_ref()), Place::Stray);
        assert_eq!(layout.place("blobs/x...".as_ref()), Place::Stray);
        assert!(Layout::new(["blobs/{mended4}"], []).is_err());
    }
}
