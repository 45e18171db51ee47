//! The programs' own identities, which the store never sees: it is told a [`Principal`].

use std::collections::HashMap;

use artifact_store::{ExperimentId, Principal};
use sha2::{Digest, Sha256};

/// The header that carries a key.
pub const KEY_HEADER: &str = "x-api-key";

/// Whose key is whose. Found by the key's SHA-256: how long that takes tells nothing of a key.
#[derive(Debug)]
pub struct Keys(HashMap<[u8; 32], Principal>);

impl Keys {
    /// Alice and Bob, who deposit and read what is theirs, and somebody who may read all.
    ///
    /// # Panics
    ///
    /// Never: the ids are well-formed.
    pub fn of_the_house(home: &ExperimentId) -> Self {
        let worker = |id: &str| {
            let id = id.parse().expect("the id is well-formed");
            Principal::worker(id, home.clone())
        };
        let users = [
            (
                "alices-example-key",
                worker("wkr_0000000000000000000000000a"),
            ),
            ("bobs-example-key", worker("wkr_0000000000000000000000000b")),
            ("the-auditors-example-key", Principal::admin()),
        ];
        let digested = users.map(|(key, principal)| (Sha256::digest(key).into(), principal));
        Self(digested.into_iter().collect())
    }

    /// Whose key it is.
    pub fn principal(&self, key: Option<&[u8]>) -> Option<&Principal> {
        let digest: [u8; 32] = Sha256::digest(key?).into();
        self.0.get(&digest)
    }
}
