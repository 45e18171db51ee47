//! A response, and checks of it.

use bytes::Bytes;
use http::{HeaderMap, Version};
use serde_json::Value;

use crate::scenario::{Outcome, Stop};

/// The exact media types of problems and of JSON.
pub(crate) const PROBLEM: &str = "application/problem+json; charset=utf-8";
pub(crate) const JSON: &str = "application/json; charset=utf-8";

/// A complete response.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    /// The request, for the report.
    pub(crate) asked: String,
    /// Whether the request was a `HEAD`, so that there is no body to check.
    pub(crate) head: bool,
    pub(crate) version: Version,
    pub(crate) status: u16,
    pub(crate) fields: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn fail(&self, expected: impl Into<String>, seen: impl Into<String>) -> Stop {
        Stop::failed(self.asked.clone(), expected, seen)
    }

    /// Fails the scenario unless the condition holds.
    pub(crate) fn check(&self, holds: bool, expected: &str, seen: impl Into<String>) -> Outcome {
        if holds {
            return Ok(());
        }
        Err(self.fail(expected, seen))
    }

    pub(crate) fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let start: String = text.chars().take(300).collect();
        start.escape_debug().to_string()
    }

    /// Checks the status.
    pub(crate) fn status(&self, expected: u16) -> Outcome<&Self> {
        if self.status == expected {
            return Ok(self);
        }
        let seen = format!("{}: {}", self.status, self.text());
        Err(self.fail(expected.to_string(), seen))
    }

    /// Checks that the status is one of these.
    pub(crate) fn one_of(&self, expected: &[u16]) -> Outcome<&Self> {
        if expected.contains(&self.status) {
            return Ok(self);
        }
        let seen = format!("{}: {}", self.status, self.text());
        Err(self.fail(format!("one of {expected:?}"), seen))
    }

    /// Returns the value of a header field that must appear exactly once.
    pub(crate) fn field(&self, name: &str) -> Outcome<&str> {
        let mut values = self.fields.get_all(name).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => value
                .to_str()
                .map_err(|_| self.fail(format!("{name} in ASCII"), format!("{value:?}"))),
            (None, _) => Err(self.fail(format!("a field {name}"), "none")),
            (Some(_), Some(_)) => Err(self.fail(format!("one field {name}"), "more than one")),
        }
    }

    /// Checks that a header field appears once, with exactly this value.
    pub(crate) fn has(&self, name: &str, expected: &str) -> Outcome<&Self> {
        let value = self.field(name)?;
        if value == expected {
            return Ok(self);
        }
        Err(self.fail(format!("{name}: {expected}"), format!("{name}: {value}")))
    }

    /// Checks that a header field is absent.
    pub(crate) fn lacks(&self, name: &str) -> Outcome<&Self> {
        match self.fields.get(name) {
            None => Ok(self),
            Some(value) => Err(self.fail(format!("no field {name}"), format!("{name}: {value:?}"))),
        }
    }

    /// Checks that the response is a problem with this status and this type: a name of the vocabulary,
    /// the URI of another one, or `about:blank`.
    pub(crate) fn problem(&self, status: u16, kind: &str) -> Outcome<&Self> {
        self.status(status)?;
        self.has("content-type", PROBLEM)?;
        if self.head {
            return Ok(self);
        }
        let problem = self.parsed()?;
        let expected = match kind {
            "about:blank" => kind.to_owned(),
            uri if uri.starts_with("https://") => uri.to_owned(),
            name => format!("eden://error/{name}"),
        };
        let found = &problem["type"];
        let seen = format!("{found} in {}", self.text());
        self.check(
            *found == expected.as_str(),
            &format!("type {expected}"),
            seen,
        )?;
        self.envelope(&problem)?;
        Ok(self)
    }

    /// Checks that a problem has exactly the five members, that each has the right JSON type, and that
    /// `status` is the status of the response.
    pub(crate) fn envelope(&self, problem: &Value) -> Outcome {
        let expected =
            "a problem with exactly the members type, title, status, detail and instance";
        let members = problem.as_object();
        let members = members.ok_or_else(|| self.fail(expected, self.text()))?;
        self.check(members.len() == 5, expected, self.text())?;
        for name in ["type", "title", "detail", "instance"] {
            let text = members.get(name).and_then(Value::as_str).unwrap_or("");
            let expected = format!("a problem with a text as {name}");
            self.check(!text.is_empty(), &expected, self.text())?;
        }
        let status = format!("a problem with status {}", self.status);
        self.check(members["status"] == self.status, &status, self.text())
    }

    /// Parses the body as JSON, without a check of the media type.
    pub(crate) fn parsed(&self) -> Outcome<Value> {
        serde_json::from_slice(&self.body)
            .map_err(|error| self.fail("JSON", format!("{error} in {}", self.text())))
    }

    /// Checks the status and the JSON media type, and parses the body.
    pub(crate) fn json(&self, status: u16) -> Outcome<Value> {
        self.status(status)?.has("content-type", JSON)?;
        self.parsed()
    }

    /// Returns a text member of a JSON object.
    pub(crate) fn text_of<'v>(&self, value: &'v Value, name: &str) -> Outcome<&'v str> {
        let text = value.get(name).and_then(Value::as_str);
        text.ok_or_else(|| self.fail(format!("a text as {name}"), self.text()))
    }

    /// Checks that a JSON object has exactly these members.
    pub(crate) fn members(&self, value: &Value, names: &[&str]) -> Outcome {
        let mut expected = names.to_vec();
        expected.sort_unstable();
        let mut found: Vec<&str> = match value.as_object() {
            Some(members) => members.keys().map(String::as_str).collect(),
            None => return Err(self.fail("a JSON object", self.text())),
        };
        found.sort_unstable();
        // Values may be secrets, so the report shows only names.
        self.check(
            found == expected,
            &format!("the members {expected:?}"),
            format!("{found:?}"),
        )
    }

    /// Checks that the body has exactly these bytes.
    pub(crate) fn content(&self, expected: &[u8]) -> Outcome<&Self> {
        if self.body == expected {
            return Ok(self);
        }
        let pairs = self.body.iter().zip(expected);
        let at = pairs
            .take_while(|(seen, expected)| seen == expected)
            .count();
        let seen = format!(
            "{} bytes, with the first difference at byte {at}",
            self.body.len()
        );
        Err(self.fail(format!("{} bytes as deposited", expected.len()), seen))
    }
}
