//! The principals that tests use, and their secrets.

use artifact_http::{Authenticate, AuthenticateError, Credential};
use artifact_store::Principal;
use async_trait::async_trait;
use http::request::Parts;

use super::{ELSEWHERE, HOME};

/// The sender of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// Sends no credential.
    Anonymous,
    /// A known principal with a wrong secret.
    Wrong,
    Admin,
    /// A worker; in most tests the depositor.
    Worker,
    /// Another worker of the same experiment.
    Neighbour,
    /// A worker in the group `admins`.
    Member,
    /// A worker of another experiment.
    Foreigner,
    /// A worker of another experiment, in the group `admins` of that experiment.
    ForeignMember,
}

impl Who {
    pub(crate) const ALL: [Self; 8] = [
        Self::Anonymous,
        Self::Wrong,
        Self::Admin,
        Self::Worker,
        Self::Neighbour,
        Self::Member,
        Self::Foreigner,
        Self::ForeignMember,
    ];

    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::Anonymous | Self::Wrong | Self::Admin => "admin",
            Self::Worker => "wkr_00000000000000000000000001",
            Self::Neighbour => "wkr_00000000000000000000000002",
            Self::Member => "wkr_00000000000000000000000003",
            Self::Foreigner => "wkr_00000000000000000000000004",
            Self::ForeignMember => "wkr_00000000000000000000000005",
        }
    }

    pub(crate) fn home(self) -> &'static str {
        match self {
            Self::Foreigner | Self::ForeignMember => ELSEWHERE,
            _ => HOME,
        }
    }

    /// Returns whether the credential is valid.
    pub(crate) fn is_known(self) -> bool {
        !matches!(self, Self::Anonymous | Self::Wrong)
    }
}

/// Returns the value of `Authorization`, if there is one.
pub(crate) fn bearer(who: Who) -> Option<String> {
    match who {
        Who::Anonymous => None,
        Who::Wrong => Some("Bearer admin:not-the-secret".to_owned()),
        _ => Some(format!("Bearer {}:{}", who.id(), secret(who))),
    }
}

fn secret(who: Who) -> String {
    format!("secret-of:{who:?}")
}

/// Authenticates every principal of [`Who`]. Panics for the principal `panic`, and fails for `later`.
#[derive(Debug)]
pub(crate) struct Tokens;

#[async_trait]
impl Authenticate for Tokens {
    async fn authenticate(&self, request: &Parts) -> Result<Principal, AuthenticateError> {
        let credential = Credential::from_headers(&request.headers)?;
        match credential.principal() {
            "panic" => panic!("the authenticator panics in this test"),
            "later" => return Err(AuthenticateError::Unavailable("no database".into())),
            _ => {}
        }
        let known = Who::ALL.into_iter().filter(|who| who.is_known());
        let who = known
            .into_iter()
            .find(|who| who.id() == credential.principal())
            .filter(|who| secret(*who) == credential.secret().expose())
            .ok_or(AuthenticateError::Rejected)?;
        let worker = || Principal::worker(who.id().parse().unwrap(), who.home().parse().unwrap());
        Ok(match who {
            Who::Admin => Principal::admin(),
            Who::Member | Who::ForeignMember => worker().with_admin_class(),
            _ => worker(),
        })
    }
}
