//! The names of the wire binding, which a server may have changed.

use std::sync::atomic::AtomicBool;

use artifact_backend::UriPrefix;
use reqwest::header::{AUTHORIZATION, HeaderName};

use crate::address::is_path_segment;
use crate::error::{Error, Result};

/// The names as they were set, unchecked.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    pub(crate) base_path: String,
    pub(crate) management_path: String,
    pub(crate) experiment_header: String,
    pub(crate) error_prefix: String,
    pub(crate) uri_prefix: String,
    pub(crate) form_deposits: bool,
}

/// The names of a server.
#[derive(Debug)]
pub(crate) struct Binding {
    /// Empty, or `/` and segments without a slash at the end.
    pub(crate) base_path: String,
    /// As `base_path`.
    pub(crate) management_path: String,
    pub(crate) experiment_header: HeaderName,
    pub(crate) error_prefix: String,
    pub(crate) uri_prefix: UriPrefix,
    /// Whether deposits are forms. Set when the server turns out to have no endpoints of management.
    pub(crate) form_deposits: AtomicBool,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            base_path: "/v0".to_owned(),
            management_path: "/v1".to_owned(),
            experiment_header: "X-Eden-Experiment-Id".to_owned(),
            error_prefix: "eden://error/".to_owned(),
            uri_prefix: UriPrefix::DEFAULT.to_owned(),
            form_deposits: false,
        }
    }
}

impl Names {
    pub(crate) fn check(self) -> Result<Binding> {
        for path in [&self.base_path, &self.management_path] {
            let mut segments = path.split('/');
            if segments.next() != Some("") || !segments.all(is_path_segment) {
                return Err(Error::invalid_input(
                    "a base path is empty or like /files/v1, without a slash at its end",
                ));
            }
        }
        let uri_prefix = UriPrefix::new(&self.uri_prefix).map_err(|error| {
            Error::invalid_input("a URI prefix is like eden://artifacts/").with_source(error)
        })?;
        let experiment_header = self.experiment_header.parse().ok();
        let experiment_header = experiment_header.filter(|name| *name != AUTHORIZATION);
        Ok(Binding {
            experiment_header: experiment_header.ok_or_else(|| {
                Error::invalid_input("an experiment header is the name of a field, like X-Tenant")
            })?,
            base_path: self.base_path,
            management_path: self.management_path,
            error_prefix: self.error_prefix,
            uri_prefix,
            form_deposits: self.form_deposits.into(),
        })
    }
}
