//! argon2id, and at what cost.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{self, PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use artifact_backend::{BoxError, random};
use artifact_store::CredentialHash;

/// Memory in KiB, passes, lanes.
///
/// Costs make guessing slow, which is what protects a password that a person chose. A token has 256
/// random bits, and no cost adds to that. What a cost does add to is the work that a flood of wrong
/// tokens causes here, so these are low: 1 MiB, which stays in a core's cache, once. It is about a
/// millisecond.
const COSTS: (u32, u32, u32) = (1024, 1, 1);

/// What a stored hash may cost at most, so that one edited by hand cannot stop the server.
const MOST: (u32, u32, u32) = (256 << 10, 16, 16);

/// What is stored of a secret, under a fresh salt. Computes.
pub(super) fn hash(secret: &[u8]) -> Result<CredentialHash, BoxError> {
    let (memory, passes, lanes) = COSTS;
    let params = Params::new(memory, passes, lanes, None)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let salt: [u8; 16] = random::bytes();
    let phc = argon2.hash_password_with_salt(secret, &salt)?.to_string();
    Ok(phc.parse()?)
}

/// Whether this is the secret that is stored so. Computes, at the costs that are stored with it;
/// the comparison takes the same time wherever the two differ.
pub(super) fn is_right(secret: &[u8], stored: &CredentialHash) -> Result<bool, BoxError> {
    let stored = PasswordHash::new(stored.as_phc())?;
    let params = Params::try_from(&stored)?;
    if params.m_cost() > MOST.0 || params.t_cost() > MOST.1 || params.p_cost() > MOST.2 {
        return Err("a stored credential costs more than any that is written here".into());
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
    fn a_hash_is_argon2id_with_its_costs_and_a_salt_of_its_own() {
        let (one, other) = (hash(b"secret").unwrap(), hash(b"secret").unwrap());
        assert_ne!(one, other);
        let begin = "$argon2id$v=19$m=1024,t=1,p=1$";
        assert!(one.as_phc().starts_with(begin), "{}", one.as_phc());
        for hash in [one, other] {
            assert!(is_right(b"secret", &hash).unwrap());
            for wrong in [&b"secre"[..], b"secret ", b"", b"Secret"] {
                assert!(!is_right(wrong, &hash).unwrap());
            }
        }
    }

    #[test]
    fn a_hash_of_other_costs_is_verified_by_them() {
        // What other servers of the same database may have written, of a secret `password`:
        // printf password | argon2 somesalt -id -t 2 -m 16 -l 24
        let params = Params::new(64, 3, 2, Some(24)).unwrap();
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let phc = argon2.hash_password_with_salt(b"password", b"somesalt");
        let stored = phc.unwrap().to_string().parse().unwrap();
        assert!(is_right(b"password", &stored).unwrap());
        assert!(!is_right(b"passwort", &stored).unwrap());
    }

    #[test]
    fn what_is_no_hash_or_costs_too_much_is_an_error_and_not_a_wrong_secret() {
        for phc in [
            "$argon2id$",
            "$argon2id$v=19$m=1024,t=1,p=1$c29tZXNhbHQ",
            "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$argon2id$v=19$m=1024,t=1000,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        ] {
            let stored = phc.parse().unwrap();
            let outcome = is_right(b"x", &stored);
            assert!(!matches!(outcome, Ok(true)), "{phc}");
            if phc.contains("CTFh") || phc.ends_with("id$") {
                outcome.unwrap_err();
            }
        }
    }
}
