//! Which artifacts a list contains.

use reqwest::Url;

use crate::address::with_parameters;

/// Selects the artifacts of a list. A property that is not set selects all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListFilter {
    parameters: Vec<(&'static str, String)>,
}

impl ListFilter {
    /// Selects what this principal deposited: `admin`, or a worker's id.
    #[must_use = "this returns the changed filter"]
    pub fn with_created_by(self, principal: &str) -> Self {
        self.with("created_by", principal.to_owned())
    }

    /// Selects what was deposited at this time or later. RFC 3339, such as `2026-01-02T03:04:05Z`.
    #[must_use = "this returns the changed filter"]
    pub fn with_created_from(self, time: &str) -> Self {
        self.with("created_from", time.to_owned())
    }

    /// Selects what was deposited before this time. RFC 3339, such as `2026-01-02T03:04:05Z`.
    #[must_use = "this returns the changed filter"]
    pub fn with_created_before(self, time: &str) -> Self {
        self.with("created_before", time.to_owned())
    }

    /// Selects artifacts of at least this number of bytes.
    #[must_use = "this returns the changed filter"]
    pub fn with_min_size(self, bytes: u64) -> Self {
        self.with("min_size", bytes.to_string())
    }

    /// Selects artifacts of at most this number of bytes.
    #[must_use = "this returns the changed filter"]
    pub fn with_max_size(self, bytes: u64) -> Self {
        self.with("max_size", bytes.to_string())
    }

    /// Selects artifacts of this content type, compared without parameters. `image/*` selects all images.
    #[must_use = "this returns the changed filter"]
    pub fn with_content_type(self, content_type: &str) -> Self {
        self.with("content_type", content_type.to_owned())
    }

    /// Selects artifacts whose file name contains this text.
    #[must_use = "this returns the changed filter"]
    pub fn with_name(self, text: &str) -> Self {
        self.with("name", text.to_owned())
    }

    /// Sets the greatest number of artifacts on a page: 1 to 1,000. By default the server decides.
    #[must_use = "this returns the changed filter"]
    pub fn with_limit(self, limit: u32) -> Self {
        self.with("limit", limit.to_string())
    }

    fn with(mut self, name: &'static str, value: String) -> Self {
        self.parameters.retain(|(other, _)| *other != name);
        self.parameters.push((name, value));
        self
    }

    /// Sets the query of a list.
    pub(super) fn write_query(&self, after: Option<&str>, url: &mut Url) {
        let given = self.parameters.iter();
        let given = given.map(|(name, value)| (*name, value.as_str()));
        with_parameters(url, given.chain(after.map(|after| ("after", after))));
    }
}
