//! Every kind of principal, with one secret each.

use artifact_http::{Authenticate, AuthenticateError, Credential};
use artifact_store::Principal;
use async_trait::async_trait;

use super::{ELSEWHERE, HOME};

/// Who sends a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// No credential at all.
    Nobody,
    /// A known principal with a wrong secret.
    Wrong,
    Admin,
    /// The depositor of its own artifacts.
    Worker,
    /// Another worker of the same experiment.
    Neighbour,
    /// A worker that is in the group `admins`.
    Member,
    /// A worker of another experiment.
    Foreigner,
    /// A worker of another experiment that is in its group `admins`.
    ForeignMember,
}

impl Who {
    pub(crate) const ALL: [Self; 8] = [
        Self::Nobody,
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
            Self::Nobody | Self::Wrong | Self::Admin => "admin",
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

    /// Whether the credential is a valid one.
    pub(crate) fn is_known(self) -> bool {
        !matches!(self, Self::Nobody | Self::Wrong)
    }
}

/// The value of `Authorization`, if it has one.
pub(crate) fn bearer(who: Who) -> Option<String> {
    match who {
        Who::Nobody => None,
        Who::Wrong => Some("Bearer admin:not-the-secret".to_owned()),
        _ => Some(format!("Bearer {}:{}", who.id(), secret(who))),
    }
}

fn secret(who: Who) -> String {
    format!("secret-of:{who:?}")
}

/// Knows them all. The principal `panic` makes it panic, `later` makes it unable to tell.
#[derive(Debug)]
pub(crate) struct Tokens;

#[async_trait]
impl Authenticate for Tokens {
    async fn authenticate(&self, credential: &Credential) -> Result<Principal, AuthenticateError> {
        match credential.principal() {
            "panic" => panic!("the authenticator is broken"),
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
