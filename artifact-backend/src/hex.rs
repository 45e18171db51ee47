//! Lower-case hexadecimal text, as ids and digests use it.

use base16ct::lower;

/// The text is not hexadecimal of the right length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HexError {
    /// The text has another length than `2 * N`.
    Length,
    /// The byte at this index is not a lower-case hexadecimal digit.
    NotHex { index: usize, byte: u8 },
}

/// Writes `bytes` into `buffer`, which must be twice as long.
pub(crate) fn encode<'b>(bytes: &[u8], buffer: &'b mut [u8]) -> &'b str {
    lower::encode_str(bytes, buffer).expect("the buffer holds two digits for each byte")
}

/// Parses exactly `2 * N` digits. Rejects upper case. A wrong length is reported before a wrong
/// digit.
pub(crate) fn decode<const N: usize>(text: &[u8]) -> Result<[u8; N], HexError> {
    if text.len() != 2 * N {
        return Err(HexError::Length);
    }
    let mut bytes = [0; N];
    match lower::decode(text, &mut bytes) {
        Ok(_) => Ok(bytes),
        Err(_) => Err(first_error(text)),
    }
}

fn first_error(text: &[u8]) -> HexError {
    let wrong = |byte: &u8| !matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    match text.iter().position(wrong) {
        Some(index) => HexError::NotHex {
            index,
            byte: text[index],
        },
        None => HexError::Length,
    }
}
