//! Servers with other names than those of the default wire binding.

use artifact_client::{Client, Credential, ErrorKind};
use tokio::io::AsyncWriteExt;

use crate::server::{listen, read_request, response};

const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.e30.canary-c2ln";

/// Sends one fetch to a server that refuses it. Returns the head of the request and the kind of the error.
async fn refused(problem_type: &str, prefix: Option<&str>) -> (String, ErrorKind) {
    let (_, listener) = listen().await;
    let url = format!("http://{}/app", listener.local_addr().unwrap());
    let mut builder = Client::builder(&url, "exp-1", Credential::bearer(TOKEN).unwrap())
        .with_base_path("/files/v1")
        .with_experiment_header("X-Tenant");
    if let Some(prefix) = prefix {
        builder = builder.with_error_prefix(prefix);
    }
    let client = builder.build().unwrap();
    let json = format!("{{\"type\":\"{problem_type}\",\"title\":\"t\",\"status\":400}}");
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let request = read_request(&mut stream).await.unwrap();
        let json = response(
            "400 Bad Request",
            "content-type: application/problem+json\r\n",
            &json,
        );
        stream.write_all(json.as_bytes()).await.unwrap();
        request.head
    });
    let outcome = client.fetch("shop://files/1").await;
    let error = outcome.map(|fetched| fetched.size).unwrap_err();
    assert!(!format!("{error:?} {client:?}").contains("canary"));
    (served.await.unwrap(), error.kind())
}

#[tokio::test]
async fn requests_have_the_configured_path_header_and_credential() {
    let (head, _) = refused("about:blank", None).await;
    assert!(
        head.starts_with("GET /app/files/v1/experiments/exp-1/artifacts?uri="),
        "{head}"
    );
    let head = head.to_ascii_lowercase();
    assert!(head.contains("\r\nx-tenant: exp-1\r\n"), "{head}");
    assert!(!head.contains("eden"), "{head}");
    let credential = format!("\r\nauthorization: bearer {TOKEN}\r\n").to_ascii_lowercase();
    assert!(head.contains(&credential), "{head}");
}

#[tokio::test]
async fn problem_types_count_only_with_the_configured_prefix() {
    let mismatch = |prefix: &str| format!("{prefix}experiment-id-mismatch");
    let (urn, eden) = (mismatch("urn:example:error:"), mismatch("eden://error/"));
    for (problem_type, prefix, kind) in [
        (&urn, Some("urn:example:error:"), ErrorKind::WrongExperiment),
        (&eden, Some("urn:example:error:"), ErrorKind::BadRequest),
        (&urn, None, ErrorKind::BadRequest),
        (&eden, None, ErrorKind::WrongExperiment),
    ] {
        let (_, found) = refused(problem_type, prefix).await;
        assert_eq!(found, kind, "{problem_type} {prefix:?}");
    }
}

#[test]
fn invalid_names_are_rejected_before_anything_is_sent() {
    let builder = || {
        let key = Credential::in_header("X-Api-Key", "canary").unwrap();
        assert_eq!(key.principal(), None);
        assert!(!format!("{key:?}").contains("canary"), "{key:?}");
        Client::builder("http://127.0.0.1:1", "e", key)
    };
    for path in ["", "/v0", "/a/b"] {
        builder().with_base_path(path).build().unwrap();
    }
    for path in ["/", "v0", "/v0/", "//", "/..", "/a b", "/a?b", "/%41"] {
        let error = builder().with_base_path(path).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{path}");
    }
    for name in ["", "X Tenant", "x:y", "Authorization", "x\n"] {
        let error = builder().with_experiment_header(name).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name}");
    }
    for (name, secret) in [
        ("X Key", "x"),
        ("X-Key", ""),
        ("X-Key", "can ary"),
        ("X-Key", "canary\n"),
    ] {
        let error = Credential::in_header(name, secret).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name}");
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
    for token in ["", "a b", "canary\r\nx: y", "canar\u{fd}"] {
        let error = Credential::bearer(token).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canar"));
    }
}
