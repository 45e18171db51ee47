//! A file name that is safe to offer to whoever fetches.

use std::fmt;
use std::sync::Arc;

/// The last component of the name that a depositor gave its file, made safe to offer again.
///
/// 1 to 255 bytes of UTF-8 with no `/`, `\`, control character, line or paragraph separator, or
/// mark that changes the direction of text (with those, `gpj.exe` can be made to look like
/// `exe.jpg`); never `.` or `..`; no white space at either end. It names nothing in our storage.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct FileName(Arc<str>);

impl FileName {
    /// The greatest length, in bytes: what file systems allow for one name.
    pub const MAX_LEN: usize = 255;

    /// Cleans a given name: what follows the last `/` or `\`, less the characters that are not
    /// allowed, trimmed and cut to [`MAX_LEN`](Self::MAX_LEN). `None` when nothing usable is left.
    ///
    /// ```
    /// use artifact_store::FileName;
    ///
    /// let name = FileName::clean("..\\..\\C:/tmp/report.pdf").expect("a name is left");
    /// assert_eq!(name.as_str(), "report.pdf");
    /// assert_eq!(FileName::clean("folder/.."), None);
    /// ```
    pub fn clean(given: &str) -> Option<Self> {
        let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
        let kept: String = last.chars().filter(|c| !is_forbidden(*c)).collect();
        let trimmed = kept.trim();
        let cut = trimmed[..trimmed.floor_char_boundary(Self::MAX_LEN)].trim_end();
        match cut {
            "" | "." | ".." => None,
            name => Some(Self(name.into())),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_forbidden(c: char) -> bool {
    // Unicode Standard Annex 9, section 2: the explicit directional formatting characters and the
    // implicit directional marks. U+2028 and U+2029 end a line where it is shown.
    c.is_control()
        || matches!(
            c,
            '\u{061C}'
                | '\u{200E}'
                | '\u{200F}'
                | '\u{2028}'
                | '\u{2029}'
                | '\u{202A}'..='\u{202E}'
                | '\u{2066}'..='\u{2069}'
        )
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileName({:?})", &*self.0)
    }
}
