//! The receipt in the response to a deposit.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::RequestBuilder;
use reqwest::header::{HeaderMap, HeaderName};

use crate::metadata::header_text;

/// In a request, whether the client wants the receipt; in a response, the receipt.
const RECEIPT: HeaderName = HeaderName::from_static("artifact-receipt");

/// Whether a deposit asks for its receipt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WantedReceipt(pub(crate) bool);

/// A receipt in a response, or that the response has a malformed one.
pub(crate) type ReceivedReceipt = Result<String, ()>;

impl WantedReceipt {
    /// Adds the field to a request.
    pub(crate) fn ask(self, request: RequestBuilder) -> RequestBuilder {
        if self.0 {
            request.header(RECEIPT, "?1")
        } else {
            request
        }
    }

    /// Returns the receipt that a response has: a byte sequence of structured fields (RFC 9651) with a text.
    pub(crate) fn find(self, headers: &HeaderMap) -> Option<ReceivedReceipt> {
        if !self.0 || !headers.contains_key(RECEIPT) {
            return None;
        }
        let text = header_text(headers, &RECEIPT)
            .and_then(|value| value.trim().strip_prefix(':')?.strip_suffix(':'))
            .and_then(|encoded| STANDARD.decode(encoded).ok())
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .filter(|text| !text.is_empty());
        Some(text.ok_or(()))
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn receipts_are_byte_sequences_with_a_text() {
        let find = |wanted, value: &'static str| {
            let headers = HeaderMap::from_iter([(RECEIPT, HeaderValue::from_static(value))]);
            WantedReceipt(wanted).find(&headers)
        };
        assert_eq!(find(true, ":YQpiCg==:"), Some(Ok("a\nb\n".to_owned())));
        for bad in ["", ":", "::", "YQpiCg==", ":YQpiCg:", ":/w==:", "?1"] {
            assert_eq!(find(true, bad), Some(Err(())), "{bad}");
        }
        assert_eq!(find(false, ":YQpiCg==:"), None);
        assert_eq!(WantedReceipt(true).find(&HeaderMap::new()), None);
    }
}
