//! The hash of a line.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// The SHA-256 of a line, without the line feed that ends it. Prints as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineHash([u8; 32]);

impl LineHash {
    /// What the first line of a chain has instead of the hash of a line before.
    pub(crate) const ZERO: Self = Self([0; 32]);

    /// Hashes a line, without its line feed.
    pub(crate) fn of(line: &[u8]) -> Self {
        Self(Sha256::digest(line).into())
    }
}

impl fmt::Display for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 64];
        let text = base16ct::lower::encode_str(&self.0, &mut text);
        f.write_str(text.expect("64 digits have room"))
    }
}

impl fmt::Debug for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LineHash({self})")
    }
}

/// A text is not 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 64 lower-case hexadecimal digits")]
pub struct InvalidLineHash;

impl FromStr for LineHash {
    type Err = InvalidLineHash;

    fn from_str(text: &str) -> Result<Self, InvalidLineHash> {
        let mut bytes = [0; 32];
        match base16ct::lower::decode(text, &mut bytes) {
            Ok(decoded) if decoded.len() == 32 => Ok(Self(bytes)),
            _ => Err(InvalidLineHash),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_sha_256_in_hexadecimal() {
        // FIPS 180-2, appendix B.1.
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(LineHash::of(b"abc").to_string(), text);
        assert_eq!(text.parse(), Ok(LineHash::of(b"abc")));
        for bad in [
            "",
            &text[1..],
            &format!("{text}0"),
            &text.to_uppercase(),
            &format!("{text}00"),
        ] {
            assert_eq!(bad.parse::<LineHash>(), Err(InvalidLineHash), "{bad}");
        }
    }
}
