//! Hashing and verifying secrets with argon2id.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{self, PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use artifact_backend::{BoxError, random};
use artifact_store::CredentialHash;

/// Memory in KiB, passes, lanes.
///
/// High costs protect passwords that people chose, by making guesses slow. A token has 256 random
/// bits, so higher costs would not make it safer, but a flood of wrong tokens would cause more work.
/// So these are low: one pass over 1 MiB, which fits into a core's cache and takes about a
/// millisecond.
const COSTS: (u32, u32, u32) = (1024, 1, 1);

/// The greatest costs of a stored hash, so that one edited by hand cannot stop the server.
const MAX_COSTS: (u32, u32, u32) = (256 << 10, 16, 16);

/// Hashes a secret with a fresh salt. Blocks for the time of the computation.
pub(super) fn hash(secret: &[u8]) -> Result<CredentialHash, BoxError> {
    let (memory, passes, lanes) = COSTS;
    let params = Params::new(memory, passes, lanes, None)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let salt: [u8; 16] = random::bytes();
    let phc = argon2.hash_password_with_salt(secret, &salt)?.to_string();
    Ok(phc.parse()?)
}

/// Checks a secret against a stored hash, at the costs stored with it. Blocks for the time of the
/// computation; the comparison takes constant time.
pub(super) fn verify(secret: &[u8], stored: &CredentialHash) -> Result<bool, BoxError> {
    let stored = PasswordHash::new(stored.as_phc())?;
    let params = Params::try_from(&stored)?;
    if params.m_cost() > MAX_COSTS.0
        || params.t_cost() > MAX_COSTS.1
        || params.p_cost() > MAX_COSTS.2
    {
        return Err("a stored credential has higher costs than this program writes".into());
    }
    match Argon2::default().verify_password(secret, &stored) {
        Ok(()) => Ok(true),
        Err(password_hash::Error::PasswordInvalid) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_argon2id_with_fresh_salts() {
        let (one, other) = (hash(b"secret").unwrap(), hash(b"secret").unwrap());
        assert_ne!(one, other);
        let begin = "$argon2id$v=19$m=1024,t=1,p=1$";
        assert!(one.as_phc().starts_with(begin), "{}", one.as_phc());
        for hash in [one, other] {
            assert!(verify(b"secret", &hash).unwrap());
            for wrong in [&b"secre"[..], b"secret ", b"", b"Secret"] {
                assert!(!verify(wrong, &hash).unwrap());
            }
        }
    }

    #[test]
    fn hashes_with_other_cost_parameters_are_verified() {
        // Other servers on the same database may have written such a hash.
        let params = Params::new(64, 3, 2, Some(24)).unwrap();
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let phc = argon2.hash_password_with_salt(b"password", b"somesalt");
        let stored = phc.unwrap().to_string().parse().unwrap();
        assert!(verify(b"password", &stored).unwrap());
        assert!(!verify(b"passwort", &stored).unwrap());
    }

    #[test]
    fn malformed_and_expensive_hashes_are_rejected() {
        for phc in [
            "$argon2id$",
            "$argon2id$v=19$m=1024,t=1,p=1$c29tZXNhbHQ",
            "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$argon2id$v=19$m=1024,t=1000,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        ] {
            let stored = phc.parse().unwrap();
            let outcome = verify(b"x", &stored);
            assert!(!matches!(outcome, Ok(true)), "{phc}");
            if phc.contains("CTFh") || phc.ends_with("id$") {
                outcome.unwrap_err();
            }
        }
    }
}
