//! A file name that is safe to offer for a download.

use std::fmt;
use std::sync::Arc;

/// The last component of the file name that a depositor declared, made safe for a download.
///
/// 1 to 255 bytes of UTF-8 with no `/`, `\`, control character, line or paragraph separator, or
/// mark that changes the direction of text (with those, `gpj.exe` can be made to look like
/// `exe.jpg`); never `.` or `..`; no white space at either end. It is not a name in the storage.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct FileName(Arc<str>);

impl FileName {
    /// The maximum length in bytes, which is the limit of file systems for one name.
    pub const MAX_LEN: usize = 255;

    /// Takes the part after the last `/` or `\`, removes forbidden characters, trims it and truncates
    /// it to [`MAX_LEN`](Self::MAX_LEN). Returns `None` if nothing usable is left.
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
        let kept: String = last.chars().filter(|c| !disturbs_line(*c)).collect();
        let trimmed = kept.trim();
        let truncated = trimmed[..trimmed.floor_char_boundary(Self::MAX_LEN)].trim_end();
        match truncated {
            "" | "." | ".." => None,
            name => Some(Self(name.into())),
        }
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns whether a character ends or reorders the line in which a text is shown.
pub(crate) fn disturbs_line(c: char) -> bool {
    // Unicode Standard Annex 9, section 2: the explicit directional formatting characters and the
    // implicit directional marks. U+2028 and U+2029 break the line when the name is displayed.
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
