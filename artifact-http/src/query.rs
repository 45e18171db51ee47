//! Query parameters.

use percent_encoding::percent_decode_str;

use crate::problem::Problem;

/// Returns the raw value of a parameter, or `None` if it is missing. Duplicates are refused.
pub(crate) fn parameter<'q>(query: &'q str, name: &str) -> Result<Option<&'q str>, Problem> {
    let pairs = query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let mut values = pairs
        .filter(|(found, _)| *found == name)
        .map(|(_, value)| value);
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err(Problem::bad_request(format!(
            "the parameter `{name}` is given more than once"
        ))),
    }
}

/// Decodes a form-encoded value, in which `+` is a space
/// (<https://url.spec.whatwg.org/#application/x-www-form-urlencoded>).
pub(crate) fn decode_form(value: &str) -> Result<String, Problem> {
    let spaced = value.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    decoded
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| Problem::bad_request("query parameters must be percent-encoded UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicate_parameters_are_refused() {
        assert_eq!(parameter("a=1&b=2", "b").unwrap(), Some("2"));
        assert_eq!(parameter("a=1&b", "b").unwrap(), Some(""));
        assert_eq!(parameter("a=1&bb=2", "b").unwrap(), None);
        assert_eq!(parameter("", "b").unwrap(), None);
        assert_eq!(parameter("b=1&b=1", "b").unwrap_err().status(), 400);
    }

    #[test]
    fn form_encoding_is_decoded() {
        assert_eq!(decode_form("a+b%20c%2Bd").unwrap(), "a b c+d");
        assert_eq!(decode_form("K%C3%B6ln").unwrap(), "Köln");
        assert_eq!(decode_form("%FF").unwrap_err().status(), 400);
    }
}
