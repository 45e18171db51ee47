//! RFC 9457 problems: the server's explanation of an error.

use serde::Deserialize;

use crate::text::printable;

/// An RFC 9457 problem. Control characters are replaced and each text is cut at 500 characters,
/// because the text comes from another party and may end on a terminal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Problem {
    /// The type, such as `eden://error/not-found`; `about:blank` if the server gave none.
    pub kind: String,
    /// A short text for this type.
    pub title: String,
    /// The explanation for this request; may be empty.
    pub detail: String,
}

impl Problem {
    /// Returns the detail, or the title if there is no detail.
    pub(crate) fn text(&self) -> &str {
        if self.detail.is_empty() {
            &self.title
        } else {
            &self.detail
        }
    }

    pub(crate) fn parse(json: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Wire {
            #[serde(rename = "type")]
            kind: Option<String>,
            title: Option<String>,
            detail: Option<String>,
        }
        let wire: Wire = serde_json::from_slice(json).ok()?;
        Some(Self {
            kind: printable(wire.kind.as_deref().unwrap_or("about:blank")),
            title: printable(wire.title.as_deref().unwrap_or_default()),
            detail: printable(wire.detail.as_deref().unwrap_or_default()),
        })
    }
}
