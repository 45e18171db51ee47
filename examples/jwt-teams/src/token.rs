//! JSON Web Tokens (RFC 7519) signed by HMAC with SHA-256. A real program uses a crate such as `jsonwebtoken`, and the
//! public keys of its issuer.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

/// The only header that is accepted: a token does not choose its algorithm.
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// The key of the issuer.
pub struct Key(pub &'static [u8]);

impl Key {
    /// Issues a token for a user, with its teams. `expires` is in seconds since 1970.
    pub fn issue(&self, user: &str, teams: &[&str], expires: u64) -> String {
        let claims = json!({ "sub": user, "teams": teams, "exp": expires });
        let signed = format!(
            "{}.{}",
            BASE64.encode(HEADER),
            BASE64.encode(claims.to_string())
        );
        let signature = self.mac(&signed).finalize().into_bytes();
        format!("{signed}.{}", BASE64.encode(signature))
    }

    /// Returns the claims of a valid token.
    pub fn verify(&self, token: &str, now: u64) -> Option<Value> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let signature = BASE64.decode(signature).ok()?;
        // In constant time, and before anything of the token is interpreted.
        self.mac(signed).verify_slice(&signature).ok()?;
        let claims: Value = serde_json::from_slice(&BASE64.decode(claims).ok()?).ok()?;
        let is_current = claims["exp"].as_u64()? > now;
        (BASE64.decode(header).ok()? == HEADER.as_bytes() && is_current).then_some(claims)
    }

    fn mac(&self, signed: &str) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.0).expect("HMAC accepts keys of any length");
        mac.update(signed.as_bytes());
        mac
    }
}
