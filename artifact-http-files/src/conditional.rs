//! Preconditions (RFC 9110, section 13): `If-Match`, `If-None-Match`, `If-Range`.

use http::header::{GetAll, IF_MATCH, IF_NONE_MATCH, IF_RANGE};
use http::{HeaderMap, HeaderName, HeaderValue};

/// The outcome of a request's preconditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The request is answered as if it had no conditions.
    Proceed {
        /// Whether `Range` applies.
        use_range: bool,
    },
    /// 304: the client already has the artifact.
    NotModified,
    /// 412: the client wants another artifact.
    Failed,
}

/// Evaluates the preconditions in the order of RFC 9110, section 13.2.2, for a `GET` or `HEAD` of a
/// representation with this strong entity tag, quotes included. Artifacts have no modification date,
/// so conditions on dates are ignored, as the RFC demands.
pub fn evaluate(headers: &HeaderMap, etag: &str) -> Verdict {
    if let Some(tags) = Tags::of(headers, &IF_MATCH)
        && !tags.contain(etag, Comparison::Strong)
    {
        return Verdict::Failed;
    }
    if let Some(tags) = Tags::of(headers, &IF_NONE_MATCH)
        && tags.contain(etag, Comparison::Weak)
    {
        return Verdict::NotModified;
    }
    let mut conditions = headers.get_all(IF_RANGE).iter();
    let use_range = match (conditions.next(), conditions.next()) {
        (None, _) => true,
        // Section 13.1.5: strong comparison. A date never matches.
        (Some(condition), None) => condition.as_bytes() == etag.as_bytes(),
        (Some(_), Some(_)) => false,
    };
    Verdict::Proceed { use_range }
}

/// Section 8.8.3.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

/// The values of all fields of one condition.
#[derive(Debug)]
struct Tags<'h>(GetAll<'h, HeaderValue>);

impl<'h> Tags<'h> {
    /// Returns `None` if the request does not have the condition.
    fn of(headers: &'h HeaderMap, name: &HeaderName) -> Option<Self> {
        let fields = headers.get_all(name);
        fields.iter().next().is_some().then_some(Self(fields))
    }

    /// Whether the list contains this tag, or is `*`. A tag is quoted and contains no quotes
    /// (section 8.8.3), but it may contain a comma.
    fn contain(&self, etag: &str, comparison: Comparison) -> bool {
        self.0.iter().any(|field| {
            let field = String::from_utf8_lossy(field.as_bytes());
            if field.trim() == "*" {
                return true;
            }
            let mut rest = &*field;
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
                if tag[..end + 2] == *etag && (comparison == Comparison::Weak || !is_weak) {
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
    const PROCEED: Verdict = Verdict::Proceed { use_range: true };

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
    fn if_none_match_compares_weakly() {
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
            assert_eq!(verdict(&[("if-none-match", value)]), PROCEED, "{value}");
        }
        let two = [("if-none-match", "\"x\""), ("if-none-match", "\"abc\"")];
        assert_eq!(verdict(&two), Verdict::NotModified);
    }

    #[test]
    fn if_match_compares_strongly_and_is_evaluated_first() {
        assert_eq!(verdict(&[("if-match", "\"abc\"")]), PROCEED);
        assert_eq!(verdict(&[("if-match", "*")]), PROCEED);
        assert_eq!(verdict(&[("if-match", "W/\"abc\"")]), Verdict::Failed);
        assert_eq!(
            verdict(&[("if-match", "\"x\""), ("if-none-match", "\"abc\"")]),
            Verdict::Failed
        );
    }

    #[test]
    fn if_range_compares_strongly() {
        let proceed = |use_range| Verdict::Proceed { use_range };
        assert_eq!(verdict(&[("if-range", "\"abc\"")]), proceed(true));
        for value in ["W/\"abc\"", "\"x\"", "Tue, 15 Nov 1994 12:45:26 GMT", ""] {
            assert_eq!(verdict(&[("if-range", value)]), proceed(false), "{value}");
        }
    }
}
