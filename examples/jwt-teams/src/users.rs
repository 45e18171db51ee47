//! The program's users: who sent a request, and who may read.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use artifact_http::{Authenticate, AuthenticateError, bearer_token};
use artifact_store::{ArtifactId, BuiltInRule, ExperimentId, Principal, ReadPolicy, Result, Row};
use async_trait::async_trait;
use axum::http::request::Parts;

use crate::token::Key;

/// The teams of a user, as its token names them.
struct Teams(Vec<String>);

/// Knows users by their tokens.
pub struct Users {
    pub key: Key,
    pub home: ExperimentId,
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users")
            .field("home", &self.home)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Authenticate for Users {
    async fn authenticate(
        &self,
        request: &Parts,
    ) -> std::result::Result<Principal, AuthenticateError> {
        let token = bearer_token(&request.headers)?;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let claims = self.key.verify(token.expose(), now.as_secs());
        let claims = claims.ok_or(AuthenticateError::Rejected)?;
        let user = claims["sub"].as_str().and_then(|user| user.parse().ok());
        let user = user.ok_or(AuthenticateError::Rejected)?;
        let teams = claims["teams"].as_array().into_iter().flatten();
        let teams = teams.filter_map(|team| Some(team.as_str()?.to_owned()));
        Ok(Principal::external(user, self.home.clone()).with_claims(Teams(teams.collect())))
    }
}

/// The artifacts that users have shared with teams. A real program keeps them in its database.
#[derive(Debug, Default)]
pub struct Grants(Mutex<HashMap<ArtifactId, HashSet<String>>>);

impl Grants {
    pub fn share(&self, id: ArtifactId, team: &str) {
        let mut grants = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        grants.entry(id).or_default().insert(team.to_owned());
    }

    pub fn revoke(&self, id: ArtifactId) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&id);
    }
}

#[async_trait]
impl ReadPolicy for Grants {
    async fn may_read(&self, principal: &Principal, row: &Row) -> Result<bool> {
        if BuiltInRule.allows(principal, row) {
            return Ok(true);
        }
        let grants = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match (grants.get(&row.id), principal.claims::<Teams>()) {
            (Some(granted), Some(teams)) => teams.0.iter().any(|team| granted.contains(team)),
            _ => false,
        })
    }
}
