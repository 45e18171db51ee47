//! Strict query parameters: each is known and occurs once.

use artifact_store::Timestamp;

use crate::problem::Problem;
use crate::query;

/// The greatest length of a name in a message, in bytes.
const MAX_SHOWN: usize = 100;

/// The decoded parameters of a query.
#[derive(Debug)]
pub(crate) struct Parameters(Vec<(&'static str, String)>);

impl Parameters {
    /// Parses a query. Refuses unknown and repeated parameters.
    pub(crate) fn parse(query: Option<&str>, known: &[&'static str]) -> Result<Self, Problem> {
        let mut parameters = Self(Vec::new());
        let query = query.filter(|query| !query.is_empty());
        for pair in query.iter().flat_map(|query| query.split('&')) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(name) = known.iter().find(|known| **known == name) else {
                let shown = &name[..name.floor_char_boundary(MAX_SHOWN)];
                let detail = format!("the parameter `{shown}` is not known here");
                return Err(Problem::bad_request(detail));
            };
            if parameters.text(name).is_some() {
                let detail = format!("the parameter `{name}` is given more than once");
                return Err(Problem::bad_request(detail));
            }
            let value =
                query::decode_form(value).map_err(|_| invalid(name, "be percent-encoded UTF-8"))?;
            parameters.0.push((name, value));
        }
        Ok(parameters)
    }

    /// Returns the decoded value of a parameter.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let mut all = self.0.iter();
        all.find(|(found, _)| *found == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns a parsed parameter. `rule` continues the sentence "the parameter `x` must".
    pub(crate) fn parsed<T>(
        &self,
        name: &str,
        rule: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let value = self.text(name);
        value
            .map(|value| parse(value).ok_or_else(|| invalid(name, rule)))
            .transpose()
    }

    /// Returns a number.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Problem> {
        self.parsed(
            name,
            "be a whole number of at most 9223372036854775807",
            number,
        )
    }

    /// Returns a time.
    pub(super) fn time(&self, name: &str) -> Result<Option<Timestamp>, Problem> {
        let rule = "be a time such as 2026-01-02T03:04:05Z";
        self.parsed(name, rule, |text| text.parse().ok())
    }
}

/// Parses digits, up to the greatest number that databases hold.
pub(super) fn number(text: &str) -> Option<u64> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse::<i64>().ok().filter(|_| is_number);
    number.and_then(|number| number.try_into().ok())
}

fn invalid(name: &str, rule: &str) -> Problem {
    Problem::bad_request(format!("the parameter `{name}` must {rule}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_parameters_are_decoded() {
        let known = &["a", "b", "c"];
        let parameters = Parameters::parse(Some("b=x+%26y&a"), known).unwrap();
        assert_eq!(parameters.text("b"), Some("x &y"));
        assert_eq!(parameters.text("a"), Some(""));
        assert_eq!(parameters.text("c"), None);
        for query in [None, Some("")] {
            Parameters::parse(query, &[]).unwrap();
        }
        for query in ["d=1", "a=1&a=1", "a=1&&b=2", "=", "A=1", "%61=1", "a=%FF"] {
            let problem = Parameters::parse(Some(query), known).unwrap_err();
            assert_eq!(problem.status(), 400, "{query}");
        }
    }

    #[test]
    fn numbers_are_digits_that_a_database_can_hold() {
        assert_eq!(number("0"), Some(0));
        assert_eq!(number("9223372036854775807"), Some(i64::MAX.unsigned_abs()));
        for text in ["", "+1", "-1", "1.0", " 1", "9223372036854775808", "1k"] {
            assert_eq!(number(text), None, "{text}");
        }
    }
}
