//! The programs' own users. The store never sees them, only a [`Principal`].

use std::collections::HashMap;

use artifact_store::{ExperimentId, Principal};
use sha2::{Digest, Sha256};

/// The header that carries a user's key.
pub const KEY_HEADER: &str = "x-api-key";

/// Maps keys to principals. Looks a key up by its SHA-256, so that the timing reveals nothing about the key.
#[derive(Debug)]
pub struct Keys(HashMap<[u8; 32], Principal>);

impl Keys {
    /// Returns the keys of Alice and Bob, who read only their own deposits, and of an auditor, who may read all.
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

    /// Returns the principal of a key.
    pub fn principal(&self, key: Option<&[u8]>) -> Option<&Principal> {
        let digest: [u8; 32] = Sha256::digest(key?).into();
        self.0.get(&digest)
    }
}
