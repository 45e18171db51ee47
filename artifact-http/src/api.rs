//! The two parts of the protocol, each under a base path of its own.

use crate::binding::BasePath;

/// A part of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api {
    /// Deposit, fetch and identities, under `/v0`.
    Artifacts,
    /// Deposit and fetch plain bodies, list, remove, hold and expire artifacts, and experiments, under `/v1`.
    Management,
}

impl Api {
    /// Returns the base path that the templates of the endpoints have.
    pub(crate) const fn default_base(self) -> &'static str {
        match self {
            Self::Artifacts => BasePath::DEFAULT,
            Self::Management => BasePath::MANAGEMENT,
        }
    }

    /// Returns what follows the default base path in a template, from its slash on.
    pub(crate) fn rest(self, template: &str) -> Option<&str> {
        let rest = template.strip_prefix(self.default_base())?;
        rest.starts_with('/').then_some(rest)
    }
}
