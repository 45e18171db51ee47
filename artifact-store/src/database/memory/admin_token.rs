//! The admin token in memory.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::Timestamp;

use super::MemoryDatabase;
use crate::admin_token::{
    AdminTokenDigest, AdminTokenRecord, RecordedAdminToken, ValidAdminTokens,
};
use crate::database::rejected::Rejected;
use crate::error::{Operation, Result};

/// The token that is recorded, and the digests of those before it.
#[derive(Debug, Default)]
pub(super) struct AdminTokens {
    current: Option<RecordedAdminToken>,
    replaced: BTreeSet<AdminTokenDigest>,
}

impl AdminTokens {
    fn replace(
        &mut self,
        token: &RecordedAdminToken,
        old_valid_until: Option<Timestamp>,
    ) -> Result<(), Rejected> {
        let Some(current) = &mut self.current else {
            self.current = Some(RecordedAdminToken {
                old: None,
                ..token.clone()
            });
            return Ok(());
        };
        if current.digest == token.digest {
            return Ok(());
        }
        let returns = current.valid_tokens().old_at(token.created_at) == Some(token.digest);
        if !returns && self.replaced.contains(&token.digest) {
            return Err(Rejected::TOKEN_OVER);
        }
        self.replaced.remove(&token.digest);
        self.replaced.insert(current.digest);
        *current = current.replaced_by(token, old_valid_until);
        Ok(())
    }
}

#[async_trait]
impl AdminTokenRecord for MemoryDatabase {
    async fn admin_token(&self) -> Result<Option<RecordedAdminToken>> {
        Ok(self.maps().admin_tokens.current.clone())
    }

    fn cached_admin_token(&self) -> Option<ValidAdminTokens> {
        let maps = self.maps();
        let current = maps.admin_tokens.current.as_ref();
        current.map(RecordedAdminToken::valid_tokens)
    }

    async fn record_admin_token(&self, token: &RecordedAdminToken) -> Result<RecordedAdminToken> {
        let mut maps = self.writable(Operation::AdminToken)?;
        let current = &mut maps.admin_tokens.current;
        let new = || RecordedAdminToken {
            old: None,
            ..token.clone()
        };
        Ok(current.get_or_insert_with(new).clone())
    }

    async fn replace_admin_token(
        &self,
        token: &RecordedAdminToken,
        old_valid_until: Option<Timestamp>,
    ) -> Result<()> {
        let mut maps = self.writable(Operation::AdminToken)?;
        let replaced = maps.admin_tokens.replace(token, old_valid_until);
        replaced.map_err(|rejected| rejected.into_error(Operation::AdminToken))
    }

    async fn end_old_admin_token(&self) -> Result<()> {
        let mut maps = self.writable(Operation::AdminToken)?;
        if let Some(current) = &mut maps.admin_tokens.current {
            current.old = None;
        }
        Ok(())
    }

    async fn was_admin_token_replaced(&self, digest: AdminTokenDigest) -> Result<bool> {
        Ok(self.maps().admin_tokens.replaced.contains(&digest))
    }
}
