//! `Retry-After` (RFC 9110, section 10.2.3).

use std::time::{Duration, SystemTime};

use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

/// Returns how long the server asks to wait. A date is compared with the response's own `Date`, so a
/// wrong local clock has no effect. An unreadable value counts as absent.
pub(crate) fn parse(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        // A number that does not fit is longer than any client waits.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let at = httpdate::parse_http_date(value).ok()?;
    // A date in the past means no wait.
    Some(at.duration_since(date(headers, DATE)?).unwrap_or_default())
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn parsed(retry_after: &str, date: Option<&str>) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_str(retry_after).unwrap());
        if let Some(date) = date {
            headers.insert(DATE, HeaderValue::from_str(date).unwrap());
        }
        parse(&headers)
    }

    #[test]
    fn seconds_and_dates_are_read_and_other_values_are_ignored() {
        let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(parsed("0", None), Some(Duration::ZERO));
        assert_eq!(parsed(" 120 ", None), Some(Duration::from_mins(2)));
        let huge = parsed("99999999999999999999999", None);
        assert_eq!(huge, Some(Duration::from_secs(u64::MAX)));
        let later = parsed("Sun, 06 Nov 1994 08:50:07 GMT", date);
        assert_eq!(later, Some(Duration::from_secs(30)));
        let earlier = parsed("Sun, 06 Nov 1994 08:49:07 GMT", date);
        assert_eq!(earlier, Some(Duration::ZERO));
        for value in ["", "-1", "1.5", "soon", "Sun, 06 Nov 1994"] {
            assert_eq!(parsed(value, date), None, "{value}");
        }
        assert_eq!(parsed("Sun, 06 Nov 1994 08:50:07 GMT", None), None);
        assert_eq!(parse(&HeaderMap::new()), None);
    }
}
