//! What a log may say of a request: no secret, and nothing that the client chose.

use std::borrow::Cow;

use artifact_store::PrincipalId;

/// An extension of every answer of the [`router`](crate::router()): which endpoint answered, and
/// whom. For the log of whoever serves the router; it holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    pub(crate) route: Cow<'static, str>,
    pub(crate) principal: Option<PrincipalId>,
}

impl Served {
    pub(crate) fn nothing() -> Self {
        Self {
            route: Cow::Borrowed("-"),
            principal: None,
        }
    }

    /// The template of the path, such as `/v0/experiments/{E}/artifacts`; `-` where no path of ours
    /// was asked for, or not by somebody who may know which there are.
    pub fn route(&self) -> &str {
        &self.route
    }

    /// Whose credential was verified; `None` where none was.
    pub fn principal(&self) -> Option<&PrincipalId> {
        self.principal.as_ref()
    }
}
