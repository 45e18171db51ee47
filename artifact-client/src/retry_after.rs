//! `Retry-After` (RFC 9110, section 10.2.3): how long the server asks to wait.

use std::time::{Duration, SystemTime};

use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

/// The pause that the header asks for. A date counts from the answer's own `Date`, so that a clock
/// that goes wrong here changes nothing; what cannot be read counts as absent.
pub(crate) fn pause(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than fit are longer than anybody waits.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let at = httpdate::parse_http_date(value).ok()?;
    // In the past: at once.
    Some(at.duration_since(date(headers, DATE)?).unwrap_or_default())
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn of(retry_after: &str, date: Option<&str>) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_str(retry_after).unwrap());
        if let Some(date) = date {
            headers.insert(DATE, HeaderValue::from_str(date).unwrap());
        }
        pause(&headers)
    }

    #[test]
    fn seconds_and_dates_are_read_and_the_rest_is_none() {
        let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(of("0", None), Some(Duration::ZERO));
        assert_eq!(of(" 120 ", None), Some(Duration::from_mins(2)));
        let huge = of("99999999999999999999999", None);
        assert_eq!(huge, Some(Duration::from_secs(u64::MAX)));
        let later = of("Sun, 06 Nov 1994 08:50:07 GMT", date);
        assert_eq!(later, Some(Duration::from_secs(30)));
        let earlier = of("Sun, 06 Nov 1994 08:49:07 GMT", date);
        assert_eq!(earlier, Some(Duration::ZERO));
        for value in ["", "-1", "1.5", "soon", "Sun, 06 Nov 1994"] {
            assert_eq!(of(value, date), None, "{value}");
        }
        assert_eq!(of("Sun, 06 Nov 1994 08:50:07 GMT", None), None);
        assert_eq!(pause(&HeaderMap::new()), None);
    }
}
