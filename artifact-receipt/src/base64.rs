//! Base64 as C2SP has it: the standard alphabet, with padding, and only the canonical text of some bytes.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

pub(crate) fn encode(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

/// Returns `None` if the text is not the one that [`encode`] returns for some bytes.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(text).ok()
}

pub(crate) fn decode_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    decode(text)?.try_into().ok()
}
