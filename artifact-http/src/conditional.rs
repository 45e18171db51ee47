//! Preconditions (RFC 9110, section 13): `If-Match`, `If-None-Match`, `If-Range`.

use http::header::{IF_MATCH, IF_NONE_MATCH, IF_RANGE};
use http::{HeaderMap, HeaderName};

/// What the preconditions say about a request for what has this entity tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Go on; whether `Range` counts.
    Proceed { range: bool },
    /// 304: the client has it already.
    NotModified,
    /// 412: the client wants something else.
    Failed,
}

/// Evaluates them in the order of section 13.2.2. There are no dates here, so those conditions
/// that need one are passed over, as a server without them must.
pub(crate) fn evaluate(headers: &HeaderMap, etag: &str) -> Verdict {
    if let Some(list) = list(headers, &IF_MATCH)
        && !list.any(etag, false)
    {
        return Verdict::Failed;
    }
    if let Some(list) = list(headers, &IF_NONE_MATCH)
        && list.any(etag, true)
    {
        return Verdict::NotModified;
    }
    let mut conditions = headers.get_all(IF_RANGE).iter();
    let range = match (conditions.next(), conditions.next()) {
        (None, _) => true,
        // Section 13.1.5: by strong comparison; a date never matches what has none.
        (Some(condition), None) => condition.as_bytes() == etag.as_bytes(),
        (Some(_), Some(_)) => false,
    };
    Verdict::Proceed { range }
}

/// The entity tags of one condition, in all its fields.
#[derive(Debug)]
struct Tags(Vec<String>);

fn list(headers: &HeaderMap, name: &HeaderName) -> Option<Tags> {
    let fields: Vec<_> = headers.get_all(name).iter().collect();
    if fields.is_empty() {
        return None;
    }
    let text = fields
        .iter()
        .map(|field| String::from_utf8_lossy(field.as_bytes()).into_owned());
    Some(Tags(text.collect()))
}

impl Tags {
    /// Whether a tag of the list is this one. A tag is in quotes and has none inside (section
    /// 8.8.3), so where `"` stands between two tags a comma may stand in one.
    fn any(&self, etag: &str, weak: bool) -> bool {
        self.0.iter().any(|field| {
            if field.trim() == "*" {
                return true;
            }
            let mut rest = field.as_str();
            loop {
                rest = rest.trim_start_matches([' ', '\t', ',']);
                let is_weak = rest.starts_with("W/");
                let tag = if is_weak { &rest[2..] } else { rest };
                let Some(inside) = tag.strip_prefix('"') else {
                    return false;
                };
                let Some(end) = inside.find('"') else {
                    return false;
                };
                if tag[..end + 2] == *etag && (weak || !is_weak) {
                    return true;
                }
                rest = &inside[end + 1..];
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{Verdict, evaluate};

    const ETAG: &str = "\"abc\"";
    const GO: Verdict = Verdict::Proceed { range: true };

    fn verdict(fields: &[(&'static str, &str)]) -> Verdict {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        evaluate(&headers, ETAG)
    }

    #[test]
    fn if_none_match_is_weak() {
        for value in [
            "\"abc\"",
            "W/\"abc\"",
            "*",
            "\"x\", \"abc\"",
            "\"a,b\",W/\"abc\"",
            ", \"abc\"",
        ] {
            assert_eq!(
                verdict(&[("if-none-match", value)]),
                Verdict::NotModified,
                "{value}"
            );
        }
        for value in [
            "\"x\"",
            "abc",
            "",
            "\"abc",
            "w/\"abc\"",
            "\"ABC\"",
            "\"x\" garbage \"abc\"",
        ] {
            assert_eq!(verdict(&[("if-none-match", value)]), GO, "{value}");
        }
        let two = [("if-none-match", "\"x\""), ("if-none-match", "\"abc\"")];
        assert_eq!(verdict(&two), Verdict::NotModified);
    }

    #[test]
    fn if_match_is_strong_and_comes_first() {
        assert_eq!(verdict(&[("if-match", "\"abc\"")]), GO);
        assert_eq!(verdict(&[("if-match", "*")]), GO);
        assert_eq!(verdict(&[("if-match", "W/\"abc\"")]), Verdict::Failed);
        assert_eq!(
            verdict(&[("if-match", "\"x\""), ("if-none-match", "\"abc\"")]),
            Verdict::Failed
        );
    }

    #[test]
    fn if_range_is_strong() {
        let range = |range| Verdict::Proceed { range };
        assert_eq!(verdict(&[("if-range", "\"abc\"")]), range(true));
        for value in ["W/\"abc\"", "\"x\"", "Tue, 15 Nov 1994 12:45:26 GMT", ""] {
            assert_eq!(verdict(&[("if-range", value)]), range(false), "{value}");
        }
    }
}
