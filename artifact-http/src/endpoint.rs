//! An endpoint: its name, method, path, access rule and description.

use artifact_store::PrincipalClass;
use http::Method;

use crate::api::Api;
use crate::openapi::Docs;
use crate::{receipts, sharing};

/// The class of principals that may use an endpoint. Rules on single artifacts come after it.
///
/// The class is that of the credential: a worker in the group `admins` may read what administrators
/// read, but its class is still worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Access {
    /// Every valid credential.
    Any,
    /// Workers, external principals and administrators.
    WorkerOrAdmin,
    /// Only `admin` and named administrators.
    Admin,
    /// Only workers, not administrators.
    Worker,
    /// Everyone, without a credential.
    Anyone,
}

impl Access {
    pub(crate) fn allows(self, class: PrincipalClass) -> bool {
        match self {
            Self::Any | Self::WorkerOrAdmin | Self::Anyone => true,
            Self::Admin => class == PrincipalClass::Admin,
            Self::Worker => class == PrincipalClass::Worker,
        }
    }

    /// The rule as a sentence of the OpenAPI document.
    pub(crate) fn description(self) -> &'static str {
        match self {
            Self::Any => "For every valid credential of the experiment.",
            Self::WorkerOrAdmin => "For workers and the administrator.",
            Self::Admin => "Only for the administrator.",
            Self::Worker => "Only for workers, not for the administrator.",
            Self::Anyone => "Needs no credential.",
        }
    }
}

/// One operation of the protocol: a method on a path.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Endpoint {
    /// The name in documents and generated clients: letters only, unique, never changed.
    pub id: &'static str,
    /// The method. An endpoint with `GET` answers `HEAD` too.
    pub method: Method,
    /// The template of the path under the default base path, such as `/v0/experiments/{E}/workers/{W}`. `{E}`
    /// stands for an
    /// experiment, `{W}` for a worker's id, `{G}` for a group's id, `{M}` for either, `{A}` for an artifact's id, `{N}` for
    /// a grant's id, `{K}` for a link's id, `{L}` for the secret of a link, `{U}` for an
    /// upload's id, `{O}` for a named administrator's id, `{C}` for a collection's id, `{F}` at the end for the name of a
    /// file in it, which may have slashes.
    pub path: &'static str,
    /// Who may use it.
    pub access: Access,
    pub(crate) needs_identities: bool,
    pub(crate) docs: Docs,
}

impl Endpoint {
    /// Returns whether only a router
    /// [with identities](crate::router_with_identities) has this endpoint.
    pub fn needs_identities(&self) -> bool {
        self.needs_identities
    }

    /// Returns whether only a router [with management](crate::HttpConfig::with_management) has this endpoint.
    pub fn needs_management(&self) -> bool {
        self.api() == Api::Management
    }

    /// Returns whether only a router [with sharing](crate::HttpConfig::with_sharing) has this endpoint.
    pub fn needs_sharing(&self) -> bool {
        self.docs.tag == sharing::TAG
    }

    /// Returns whether a router [without links](crate::HttpConfig::without_links) lacks this endpoint.
    pub fn needs_links(&self) -> bool {
        self.needs_sharing() && self.path.contains("/links")
    }

    /// Returns whether only a router [with receipts](crate::HttpConfig::with_receipts) has this endpoint.
    pub fn needs_receipts(&self) -> bool {
        self.docs.tag == receipts::TAG
    }

    /// Returns whether only a router [with collections](crate::HttpConfig::with_collections) has this endpoint.
    pub fn needs_collections(&self) -> bool {
        self.path.contains("/collections")
    }

    /// Returns the part of the protocol that the path belongs to.
    pub(crate) fn api(&self) -> Api {
        if Api::Management.rest(self.path).is_some() {
            Api::Management
        } else {
            Api::Artifacts
        }
    }
}

/// The end of the template of a path that ends with the name of a file.
pub(crate) const NAME: &str = "{F}";

/// Whether a path has the form of a template. Ids are not checked.
pub(crate) fn has_path(template: &str, path: &str) -> bool {
    if let Some(before) = template.strip_suffix(NAME) {
        // The name has at least one character, and may have slashes.
        let segments = before.matches('/').count();
        return path
            .match_indices('/')
            .nth(segments - 1)
            .is_some_and(|(slash, _)| slash + 1 < path.len() && has_path(before, &path[..=slash]));
    }
    let mut templates = template.split('/');
    path.split('/').all(|segment| {
        templates.next().is_some_and(|template| {
            (template.starts_with('{') && !segment.is_empty()) || template == segment
        })
    }) && templates.next().is_none()
}
