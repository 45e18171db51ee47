//! The admin token in memory.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::MemoryDatabase;
use crate::admin_token::{AdminTokenDigest, AdminTokenRecord, RecordedAdminToken};
use crate::error::{Operation, Result};

/// The token that is recorded, and the digests of those before it.
#[derive(Debug, Default)]
pub(super) struct AdminTokens {
    current: Option<RecordedAdminToken>,
    replaced: BTreeSet<AdminTokenDigest>,
}

#[async_trait]
impl AdminTokenRecord for MemoryDatabase {
    async fn admin_token(&self) -> Result<Option<RecordedAdminToken>> {
        Ok(self.maps().admin_tokens.current.clone())
    }

    fn cached_admin_token(&self) -> Option<AdminTokenDigest> {
        let maps = self.maps();
        let current = maps.admin_tokens.current.as_ref();
        current.map(|current| current.digest)
    }

    async fn record_admin_token(&self, token: &RecordedAdminToken) -> Result<RecordedAdminToken> {
        let mut maps = self.writable(Operation::AdminToken)?;
        let current = &mut maps.admin_tokens.current;
        Ok(current.get_or_insert_with(|| token.clone()).clone())
    }

    async fn replace_admin_token(&self, token: &RecordedAdminToken) -> Result<()> {
        let mut maps = self.writable(Operation::AdminToken)?;
        let tokens = &mut maps.admin_tokens;
        if let Some(former) = tokens.current.replace(token.clone())
            && former.digest != token.digest
        {
            tokens.replaced.insert(former.digest);
        }
        Ok(())
    }

    async fn was_admin_token_replaced(&self, digest: AdminTokenDigest) -> Result<bool> {
        Ok(self.maps().admin_tokens.replaced.contains(&digest))
    }
}
