//! Lower-case hexadecimal text, as ids and digests use it.

use faster_hex::{CheckCase, Error, hex_decode_array_with_case, hex_encode};

/// Writes `bytes` into `buffer`, which must be twice as long.
pub(crate) fn encode<'b>(bytes: &[u8], buffer: &'b mut [u8]) -> &'b str {
    hex_encode(bytes, buffer).expect("the buffer holds two digits for each byte")
}

/// Parses exactly `2 * N` digits. Rejects upper case. A wrong length is reported before a wrong
/// digit.
pub(crate) fn decode<const N: usize>(text: &[u8]) -> Result<[u8; N], Error> {
    hex_decode_array_with_case(text, CheckCase::Lower)
}
