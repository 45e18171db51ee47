//! The digests that the content of one request must have: `Upload-Checksum` of tus, and `Content-Digest` (RFC 9530).

use artifact_http_files::{CONTENT_DIGEST, DigestCheck};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::fields::UPLOAD_CHECKSUM;
use super::protocol::Protocol;
use crate::problem::{Problem, ProblemType};

/// The algorithms of `Upload-Checksum`. tus demands SHA-1.
pub(super) const ALGORITHMS: HeaderValue = HeaderValue::from_static("sha1,sha256");

/// What the content of a request is compared with.
#[derive(Debug)]
pub(super) struct Verification {
    checksum: Option<Checksum>,
    digests: Option<DigestCheck>,
}

enum Checksum {
    Sha1(Sha1, [u8; 20]),
    Sha256(Sha256, [u8; 32]),
}

impl std::fmt::Debug for Checksum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Checksum")
    }
}

impl Verification {
    /// Parses the fields of a request. `None` if nothing is to be compared.
    pub(super) fn of(headers: &HeaderMap, protocol: Protocol) -> Result<Option<Self>, Problem> {
        let checksum = match protocol {
            Protocol::Tus => checksum(headers)?,
            Protocol::Draft => None,
        };
        let mut fields = HeaderMap::new();
        for value in headers.get_all(CONTENT_DIGEST) {
            fields.append(CONTENT_DIGEST, value.clone());
        }
        let digests = DigestCheck::of(&fields);
        let digests = digests.map_err(|error| Problem::bad_request(error.to_string()))?;
        let any = checksum.is_some() || digests.is_some();
        Ok(any.then_some(Self { checksum, digests }))
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match &mut self.checksum {
            Some(Checksum::Sha1(hasher, _)) => hasher.update(bytes),
            Some(Checksum::Sha256(hasher, _)) => hasher.update(bytes),
            None => {}
        }
        if let Some(digests) = &mut self.digests {
            digests.update(bytes);
        }
    }

    /// Fails unless the bytes have all the digests.
    pub(super) fn check(self) -> Result<(), Problem> {
        let holds = match self.checksum {
            Some(Checksum::Sha1(hasher, expected)) => hasher.finalize()[..] == expected,
            Some(Checksum::Sha256(hasher, expected)) => hasher.finalize()[..] == expected,
            None => true,
        };
        if !holds {
            return Err(Problem::new(
                ProblemType::ChecksumMismatch,
                "the content is not what Upload-Checksum says; nothing of it was kept, so send it again",
            ));
        }
        if !self.digests.is_none_or(DigestCheck::holds) {
            return Err(Problem::bad_request(
                "the content is not what Content-Digest says; nothing of it was kept, so send it again",
            ));
        }
        Ok(())
    }
}

/// Parses `Upload-Checksum`: the name of an algorithm, a space, and the checksum in base64.
fn checksum(headers: &HeaderMap) -> Result<Option<Checksum>, Problem> {
    let mut values = headers.get_all(UPLOAD_CHECKSUM).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = value.to_str().ok().filter(|_| values.next().is_none());
    let (algorithm, encoded) = text
        .and_then(|text| text.split_once(' '))
        .unwrap_or_default();
    let bytes = STANDARD.decode(encoded).unwrap_or_default();
    let checksum = match algorithm {
        "sha1" => <[u8; 20]>::try_from(bytes)
            .map(|expected| Checksum::Sha1(Sha1::new(), expected))
            .ok(),
        "sha256" => <[u8; 32]>::try_from(bytes)
            .map(|expected| Checksum::Sha256(Sha256::new(), expected))
            .ok(),
        _ => None,
    };
    checksum.map(Some).ok_or_else(|| {
        Problem::bad_request(
            "Upload-Checksum must be one sha1 or sha256, a space, and the checksum in base64",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verify(
        name: &str,
        value: &'static str,
        bytes: &[u8],
    ) -> Result<Result<(), Problem>, Problem> {
        let name = http::HeaderName::try_from(name).unwrap();
        let headers = HeaderMap::from_iter([(name, HeaderValue::from_static(value))]);
        let mut verification = Verification::of(&headers, Protocol::Tus)?.unwrap();
        for chunk in bytes.chunks(2) {
            verification.update(chunk);
        }
        Ok(verification.check())
    }

    #[test]
    fn checksums_and_digests_are_compared() {
        // printf hello | openssl dgst -sha1 -binary | base64, and the same with -sha256
        let sha256 = "sha256 LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";
        let field = "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:";
        for (name, value, status) in [
            ("upload-checksum", "sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00=", 460),
            ("upload-checksum", sha256, 460),
            ("content-digest", field, 400),
        ] {
            verify(name, value, b"hello").unwrap().unwrap();
            for other in [&b"hellp"[..], b"hell", b""] {
                let problem = verify(name, value, other).unwrap().unwrap_err();
                assert_eq!(problem.status(), status, "{value}");
            }
        }
    }

    #[test]
    fn other_algorithms_and_malformed_checksums_are_refused() {
        for value in [
            "",
            "sha1",
            "sha1 ",
            "md5 XUFAKrxLKna5cZ2REBfFkg==",
            "SHA1 qvTGHdzF6KLavt4PO0gs2a6pQ00=",
            "sha1 qvTGHdzF6KLavt4PO0gs2a6pQ0",
            "sha256 qvTGHdzF6KLavt4PO0gs2a6pQ00=",
            "sha1  qvTGHdzF6KLavt4PO0gs2a6pQ00=",
        ] {
            let problem = verify("upload-checksum", value, b"hello").unwrap_err();
            assert_eq!(problem.status(), 400, "{value}");
        }
        let problem = verify("content-digest", "sha-256=1", b"").unwrap_err();
        assert_eq!(problem.status(), 400);
    }

    #[test]
    fn nothing_is_compared_without_a_digest_that_is_known() {
        assert!(
            Verification::of(&HeaderMap::new(), Protocol::Tus)
                .unwrap()
                .is_none()
        );
        let md5 = HeaderValue::from_static("md5=:XUFAKrxLKna5cZ2REBfFkg==:");
        let headers = HeaderMap::from_iter([(CONTENT_DIGEST, md5)]);
        assert!(
            Verification::of(&headers, Protocol::Draft)
                .unwrap()
                .is_none()
        );
    }
}
